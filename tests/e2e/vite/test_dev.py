# SPDX-License-Identifier: Apache-2.0
"""`vite dev` as a task: served, cancelled by Ctrl-C, never stored."""
import os
import signal
import time
import urllib.request

from vtask_e2e import VtTest, serial, timeout


class DevTest(VtTest):

    def setUp(self):
        super().setUp()
        self.example()

    def serve(self, task, **popen):
        """Starts the task and fetches the page that it serves."""
        run = self.start_vt('run', task, **popen)
        url = run.wait_for(r'(http://127\.0\.0\.1:\d+/)').group(1)
        page = urllib.request.urlopen(url, timeout=20).read().decode()
        self.assertIn('vtask example', page)
        self.assertNotIn('cache hit', run.output)
        return run

    def cancel(self, run):
        began = time.monotonic()
        run.signal(signal.SIGINT)
        code = run.finish()
        self.assertLess(time.monotonic() - began, 1.0, 'Ctrl-C took too long')
        self.assertEqual(code, 130, run.output)
        self.wait_gone(self.tasks, patience_s=2)

    @serial
    @timeout(120)
    def test_dev_server_is_served_cancelled_within_a_second_never_stored(self):
        self.write('vite-task.json', {'tasks': {'dev': 'vite --host 127.0.0.1'}})
        self.cancel(self.serve('dev'))
        self.cancel(self.serve('dev'))

    @serial
    @timeout(120)
    def test_uncached_dev_server_is_served_and_cancelled(self):
        self.write('vite-task.json', {'tasks': {'dev': {
            'command': 'vite --host 127.0.0.1', 'cache': False}}})
        run = self.serve('dev', start_new_session=True)
        # As a terminal does: to the whole group, in which the task is too.
        os.killpg(run.pid, signal.SIGINT)
        self.assertNotEqual(run.finish(), 0)
        self.wait_gone(self.tasks, patience_s=5)
