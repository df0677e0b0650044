# SPDX-License-Identifier: Apache-2.0
"""What only the whole way through vt can show: sudden death under the tracker, what
is left behind, and services. The programs of the ground truth are in
tests/integration/track/matrix."""
import os
import signal
import socket

from vtask_e2e import VtTest, requires, timeout

# Opens files as fast as it can, and tells of any answer that a file cannot give.
BUSY = '''
import errno, os
open('started', 'w').close()
while True:
    for name in ('in.txt', 'not-there'):
        try:
            os.close(os.open(name, os.O_RDONLY))
        except OSError as error:
            if error.errno != errno.ENOENT:
                open('../h/seen', 'w').write(repr(error))
'''


class HarmlessTest(VtTest):

    def setUp(self):
        super().setUp()
        self.write('in.txt', 'one')

    @requires('listener')
    @timeout(120)
    def test_daemon_killed_leaves_no_task_and_none_sees_enosys(self):
        self.write('busy.py', BUSY)
        self.package({'busy': '/usr/bin/python3 busy.py', 'after': 'cat in.txt'})
        for _ in range(5):
            (self.workspace / 'started').unlink(missing_ok=True)
            run = self.start_vt('run', 'busy')
            self.wait_until((self.workspace / 'started').exists, 'the task runs')
            for pid in self.daemons():
                os.kill(pid, signal.SIGKILL)
            self.assertEqual(run.finish(), 69, run.output)
            self.wait_gone(self.tasks)
            self.assertFalse((self.home / 'seen').exists(),
                             f'the task saw {(self.home / "seen")}')
        # The next daemon clears up what the dead one left.
        self.assertFirst(self.vt('run', 'after'))
        self.assertHit(self.vt('run', 'after'))

    @requires('listener')
    def test_process_left_behind_does_not_reach_the_next_task(self):
        # It waits for the next task, then reads a file which that one does not.
        self.write('left.txt', 'one')
        self.package({
            'leave': "sh -c '(setsid sh -c \"until [ -e go ]; do sleep 0.05; done; "
                     "cat left.txt > ../h/done\" >/dev/null 2>&1 &) ; cat in.txt'",
            'next': {'command': "sh -c 'until [ -s ../h/done ]; do :; done; cat in.txt'"},
        })
        self.assertFirst(self.vt('run', 'leave'))
        self.write('go', '')
        self.assertRan(self.vt('run', 'next'))
        self.write('left.txt', 'two')
        self.assertHit(self.vt('run', 'next'))

    def check_service(self, where):
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(where.unlink)
        self.addCleanup(server.close)
        server.bind(str(where))
        server.listen(8)
        self.write('ask.py', 'import socket\n'
                   's = socket.socket(socket.AF_UNIX)\n'
                   f's.connect({str(where)!r})\n'
                   'print("asked")\n')

    @requires('listener')
    def test_task_that_asks_a_service_is_not_stored(self):
        self.check_service(self.home / 'service')
        self.package({'ask': '/usr/bin/python3 ask.py'})
        self.assertRan(self.vt('run', 'ask'))
        again = self.assertRan(self.vt('run', '-v', 'ask'))
        self.assertIn(str(self.home / 'service'), again.out)

    @requires('listener')
    def test_service_that_the_configuration_allows_does_not_count(self):
        self.check_service(self.home / 'service')
        self.package({'ask': {'command': '/usr/bin/python3 ask.py',
                              'cache': {'services': [f'{self.home}/*']}}})
        self.assertFirst(self.vt('run', 'ask'))
        self.assertHit(self.vt('run', 'ask'))
