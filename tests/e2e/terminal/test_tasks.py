# SPDX-License-Identifier: Apache-2.0
"""Tasks that own the terminal: as if the command had been typed."""
from terminal import Terminal
from vtask_e2e import VtTest, requires

# Reads single keys in raw mode, as `vite dev` does for its shortcuts.
KEYS = '''\
import sys, termios, tty
before = termios.tcgetattr(0)
tty.setcbreak(0)
print('press q', flush=True)
while (key := sys.stdin.read(1)) != 'q':
    print(f'key {key}', flush=True)
termios.tcsetattr(0, termios.TCSADRAIN, before)
sys.exit(4)
'''

SIZE = '''\
import os, signal
def show(*_):
    size = os.get_terminal_size()
    # Not print(): a signal may come while it is at work.
    os.write(1, b'%dx%d\\n' % size)
signal.signal(signal.SIGWINCH, show)
show()
input()
'''


class TerminalTaskTest(VtTest):

    def start(self, command, task='t', **options):
        self.package({'t': {'command': command, 'cache': False}})
        terminal = Terminal(self, **options)
        terminal.clear()
        self.before = terminal.modes()
        terminal.enter(f'vt run {task}; echo rc=$?')
        return terminal

    @requires('tmux')
    def test_a_password_is_asked_without_echo(self):
        terminal = self.start(
            "bash -c 'read -rsp \"Password: \" word; echo; echo got ${#word}'")
        terminal.wait_for('^Password:')
        terminal.type('secret')
        terminal.key('Enter')
        screen = terminal.wait_for(r'^rc=0')
        self.assertIn('got 6', screen)
        self.assertNotIn('secret', screen)
        terminal.wait_for_modes(self.before)

    @requires('tmux')
    def test_single_keys_reach_the_task(self):
        self.package()
        self.write('keys.py', KEYS)
        terminal = self.start('python3 keys.py')
        terminal.wait_for('^press q')
        terminal.type('ab')
        terminal.wait_for('^key b')
        terminal.type('q')
        terminal.wait_for(r'^rc=4')
        terminal.wait_for_modes(self.before)

    @requires('tmux')
    def test_ctrl_z_and_fg(self):
        terminal = self.start(
            "bash -c 'read -p \"Name: \" name; echo hello $name'")
        terminal.wait_for('^Name:')
        terminal.key('C-z')
        terminal.wait_for('Stopped')
        terminal.enter('jobs; echo between')
        terminal.wait_for('^between')
        terminal.enter('fg')
        terminal.wait_for(r'^vt run t')
        terminal.enter('Ada')
        terminal.wait_for('^hello Ada')
        terminal.wait_for_modes(self.before)

    @requires('tmux')
    def test_ctrl_c_gives_the_code_of_the_task(self):
        terminal = self.start(
            "bash -c 'trap \"echo caught; exit 33\" INT; echo ready; "
            "while :; do sleep 0.1; done'")
        terminal.wait_for('^ready')
        terminal.key('C-c')
        terminal.wait_for(r'^rc=33')
        self.assertIn('caught', terminal.screen())
        self.wait_gone(self.tasks_of_vt)

    @requires('tmux')
    def test_ctrl_c_ends_a_cached_task(self):
        self.package({'t': "sh -c 'echo ready; exec sleep 1000'"})
        terminal = Terminal(self)
        terminal.clear()
        terminal.enter('vt run t; echo rc=$?')
        terminal.wait_for('^ready')
        terminal.key('C-c')
        terminal.wait_for(r'^rc=130')
        self.wait_gone(self.tasks_of_vt)

    @requires('tmux')
    def test_the_task_sees_the_size_of_the_window(self):
        self.package()
        self.write('size.py', SIZE)
        terminal = self.start('python3 size.py', columns=70, rows=20)
        terminal.wait_for('^70x20')
        terminal.resize(90, 30)
        terminal.wait_for('^90x30')
        terminal.key('Enter')
        terminal.wait_for(r'^rc=\d')

    def tasks_of_vt(self):
        """Processes of tasks, without the shell and the terminal."""
        return {pid: line for pid, line in self.tasks().items()
                if line.split(':')[0] not in ('bash', 'tmux', 'sh', 'dash', 'tmux: server')
                or 'sleep 1000' in line}
