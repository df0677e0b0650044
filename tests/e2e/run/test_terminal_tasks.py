# SPDX-License-Identifier: Apache-2.0
"""Uncached tasks, which the shim runs on its own terminal: how they end."""
import signal
import unittest

from vtask_e2e import VtTest

# Ends at once when asked, and leaves four processes that nobody asks.
SERVE = '''trap 'exit 0' TERM INT
for i in 1 2 3 4; do setsid sleep 1000 & done
echo up
wait
'''


class TerminalTaskTest(VtTest):

    def left(self):
        return [line for line in self.processes().values() if 'sleep 1000' in line]

    def test_a_signal_to_the_shim_ends_everything_the_task_has_started(self):
        self.package({'serve': {'command': 'sh serve.sh', 'cache': False}})
        self.write('serve.sh', SERVE)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            shim = self.start_vt('run', 'serve', start_new_session=True)
            shim.wait_for('up\n')
            shim.signal(number)
            shim.finish()
            self.assertEqual(self.left(), [], f'{number}\n{shim.output}')

    def test_a_task_that_fails_beside_it_ends_it_with_all_it_has_started(self):
        self.write('package.json', {'name': 'root', 'private': True,
                                    'workspaces': ['packages/*']})
        for name in ('fails', 'serves'):
            self.package({'work': {'command': f'sh {name}.sh', 'cache': False}},
                         where=f'packages/{name}')
        self.command('mkfifo', 'gate')
        self.write('packages/fails/fails.sh', 'read x < ../../gate; exit 3\n')
        self.write('packages/serves/serves.sh',
                   SERVE.replace('echo up', 'echo up > ../../gate'))
        self.assertCode(3, self.vt('run', '-r', 'work'))
        self.assertEqual(self.left(), [])


if __name__ == '__main__':
    unittest.main()
