# SPDX-License-Identifier: Apache-2.0
"""Sudden death: of the daemon, of the shim, by Ctrl-C. Nothing survives, nothing
half done is ever believed."""
import os
import signal

from vtask_e2e import VtTest, timeout

# Leaves a half-written output and a process that has its own session, then waits.
SLOW = '''
const fs = require('fs')
const { spawn } = require('child_process')
spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' }).unref()
const input = fs.readFileSync('in.txt', 'utf8')
fs.mkdirSync('dist', { recursive: true })
fs.writeFileSync('dist/out.txt', 'half')
if (fs.existsSync('wait')) {
  console.log('waiting')
  setInterval(() => {}, 1000)
} else {
  fs.writeFileSync('dist/out.txt', `whole ${input}`)
  process.exit(0)
}
'''

# Waits for signals with them blocked: a shell may hear one just before it begins
# to wait for a child, which has not heard it.
STUBBORN = '''
import signal
asked = {signal.SIGINT, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, asked)
print('ready', flush=True)
while True:
    print('caught', int(signal.sigwait(asked)), flush=True)
'''


class KillTest(VtTest):

    def setUp(self):
        super().setUp()
        self.package({'build': 'node slow.cjs'})
        self.write('slow.cjs', SLOW.replace(
            "spawn('sleep'", "if (fs.existsSync('wait')) spawn('sleep'"))
        self.write('in.txt', 'one')

    def start_waiting(self):
        self.write('wait', '')
        run = self.start_vt('run', 'build')
        run.wait_for('waiting')
        self.wait_until(lambda: len(self.tasks()) >= 2, 'task and its child run')
        return run

    def check_next_run(self):
        (self.workspace / 'wait').unlink()
        self.assertRan(self.vt('run', 'build'))
        self.assertEqual(self.read('dist/out.txt'), 'whole one')
        self.assertHit(self.vt('run', 'build'))
        self.assertEqual(self.read('dist/out.txt'), 'whole one')

    def test_daemon_killed_in_mid_run_is_said_and_repaired(self):
        run = self.start_waiting()
        for pid in self.daemons():
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(run.finish(), 69, run.output)
        self.assertRegex(run.output, r'(?i)daemon')
        self.wait_gone(self.tasks)
        self.check_next_run()

    def test_daemon_and_keeper_killed_leave_a_working_next_run(self):
        run = self.start_waiting()
        # A daemon without its keeper leaves in good order, unless it is stopped.
        both = self.daemons() | self._processes_of('vt-keeper')
        for pid in self.daemons():
            os.kill(pid, signal.SIGSTOP)
        for pid in both:
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(run.finish(), 69, run.output)
        # Whoever kills the keeper too has to end the tasks; we must go on anyhow.
        for pid in self.tasks():
            os.kill(pid, signal.SIGKILL)
        self.check_next_run()

    def test_shim_killed_in_mid_run_ends_every_process_of_the_run(self):
        run = self.start_waiting()
        run.signal(signal.SIGKILL)
        run.finish()
        self.wait_gone(self.tasks)
        self.check_next_run()

    def test_ctrl_c_ends_every_process_of_the_run(self):
        run = self.start_waiting()
        run.signal(signal.SIGINT)
        self.assertEqual(run.finish(), 130, run.output)
        self.wait_gone(self.tasks)
        self.check_next_run()

    def test_sigterm_to_the_shim_ends_every_process_of_the_run(self):
        run = self.start_waiting()
        run.signal(signal.SIGTERM)
        self.assertNotEqual(run.finish(), 0, run.output)
        self.wait_gone(self.tasks)
        self.check_next_run()

    @timeout(90)
    def test_task_that_ignores_ctrl_c_is_killed(self):
        self.package({'stubborn': "sh -c 'trap \"\" INT TERM; echo ready; "
                                  "while :; do sleep 1; done'"})
        run = self.start_vt('run', 'stubborn')
        run.wait_for(r'(?m)^ready')
        run.signal(signal.SIGINT)
        self.assertEqual(run.finish(), 130, run.output)
        self.wait_gone(self.tasks)

    def test_second_ctrl_c_kills_at_once(self):
        self.write('stubborn.py', STUBBORN)
        self.package({'stubborn': '/usr/bin/python3 stubborn.py'})
        run = self.start_vt('run', 'stubborn')
        run.wait_for(r'(?m)^ready')
        run.signal(signal.SIGINT)
        run.wait_for('caught 2')
        run.signal(signal.SIGINT)
        self.assertEqual(run.finish(), 130, run.output)
        self.assertNotIn('caught 15', run.output, 'that would be 5 s later')
        self.wait_gone(self.tasks)

    def test_cancelled_run_leaves_other_runs_alone(self):
        self.package({'build': 'node slow.cjs', 'other': 'cat ../h/pipe'})
        os.mkfifo(self.home / 'pipe')
        other = self.start_vt('run', 'other')
        other.wait_for(r'\$ cat ../h/pipe')
        run = self.start_waiting()
        run.signal(signal.SIGINT)
        self.assertEqual(run.finish(), 130, run.output)
        with open(self.home / 'pipe', 'w') as pipe:
            pipe.write('still here\n')
        self.assertEqual(other.finish(), 0, other.output)
        self.assertIn('still here', other.output)

    def test_background_process_of_a_finished_task_does_not_hold_the_run(self):
        self.package({'leave': "sh -c 'sleep 1000 >/dev/null 2>&1 & echo done'"})
        result = self.assertOk(self.vt('run', 'leave', patience_s=20))
        self.assertIn('done\n', result.out)
