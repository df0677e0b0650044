# SPDX-License-Identifier: Apache-2.0
"""client/grpc/editor.mjs: the daemon as an editor sees it."""
import os
import re
import shutil

from vtask_e2e import DEPS, DIST, NODE_BIN, ROOT, VtTest


class EditorTest(VtTest):

    def setUp(self):
        super().setUp()
        # The example as a user has it: a folder with its own node_modules.
        installed = DEPS / 'grpc/node_modules'
        if not installed.is_dir():
            self.fail(f'{installed} is not there: tests/run.sh installs it')
        folder = self.tmp / 'editor'
        folder.mkdir()
        shutil.copy(ROOT / 'client/grpc/editor.mjs', folder)
        (folder / 'package.json').write_text('{"type": "module"}')
        (folder / 'node_modules').symlink_to(installed)
        self.script = [NODE_BIN / 'node', folder / 'editor.mjs']
        self.env['VTASK_PROTO'] = str(DIST / 'share/vtask/proto')
        self.env['PATH'] = f'{DIST / "bin"}:{self.env["PATH"]}'
        self.package({'hello': 'cat in.txt', 'fail': "sh -c 'exit 7'",
                      'slow': "sh -c 'echo begun; exec sleep 1000'",
                      'live': "sh -c 'echo first; cat ../h/pipe'"})
        self.write('in.txt', 'hello there\n')

    def editor(self, *args):
        return self.command(*self.script, *args)

    def test_lists_the_tasks(self):
        out = self.assertOk(self.editor('list')).out
        self.assertIn('hello: cat in.txt\n', out)
        self.assertEqual(len(out.splitlines()), 4, out)

    def test_runs_a_task_cold_and_warm(self):
        self.assertIn('hello there\n', self.assertFirst(self.editor('run', 'hello')).out)
        self.assertHit(self.editor('run', 'hello'))
        self.assertHit(self.vt('run', 'hello'))

    def test_exit_code_comes_through(self):
        self.assertCode(7, self.editor('run', 'fail'))

    def test_output_is_live(self):
        os.mkfifo(self.home / 'pipe')
        run = self.start(*self.script, 'run', 'live')
        run.wait_for(r'(?m)^first$')  # the task cannot have ended: it waits for us
        with open(self.home / 'pipe', 'w') as pipe:
            pipe.write('second\n')
        self.assertEqual(run.finish(), 0, run.output)
        self.assertIn('second\n', run.output)

    def test_sees_the_events_of_a_run_elsewhere(self):
        watch = self.start(*self.script, 'watch')
        watch.wait_for('watching')
        self.assertFirst(self.vt('run', 'hello'))
        watch.wait_for('run_finished')
        self.assertHit(self.vt('run', 'hello'))
        watch.wait_for(r'(?s)run_finished.*run_finished')
        seen = re.findall(r'^run (\d+) #(\d+): (\w+)', watch.output, re.M)
        for run_id in sorted({run for run, _, _ in seen}):
            kinds = [kind for run, _, kind in seen if run == run_id]
            self.assertEqual(kinds, ['run_started', 'action_started',
                                     'action_finished', 'run_finished'])
            numbers = [int(n) for run, n, _ in seen if run == run_id]
            self.assertEqual(numbers, sorted(set(numbers)))
        self.assertIn('"cache":"MISS"', watch.output)
        self.assertIn('"cache":"HIT"', watch.output)

    def test_cancels_a_run(self):
        result = self.assertOk(self.editor('cancel', 'slow'))
        self.assertIn('cancelled\n', result.out)
        self.wait_gone(self.tasks)
