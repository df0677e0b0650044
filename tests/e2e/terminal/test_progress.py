# SPDX-License-Identifier: Apache-2.0
"""The line below long runs: only in a terminal, and in nobody's way."""
import os
import re

from terminal import Terminal
from vtask_e2e import VtTest, requires

LINE = r'^▸ \d+ running · \d+/\d+ done'


class ProgressTest(VtTest):

    def setUp(self):
        super().setUp()
        # A task that waits until the test lets it go on.
        self.package({
            'slow': {'command': "sh -c 'echo begun; read line < gate; echo $line'",
                     'cache': {'output': []}},
            'quick': 'echo quick',
            'both': {'command': 'echo both', 'dependsOn': ['quick', 'slow']},
            'mine': {'command': "sh -c 'for i in 1 2 3 4 5 6 7 8; do echo tick; "
                                "sleep 0.3; done'", 'cache': False},
            'partial': "sh -c 'printf half; read line < gate; echo $line'",
        })
        os.mkfifo(self.workspace / 'gate')

    def open_gate(self, word='go'):
        with open(self.workspace / 'gate', 'w', encoding='utf-8') as gate:
            gate.write(f'{word}\n')

    def start(self, command, **options):
        terminal = Terminal(self, **options)
        terminal.clear()
        terminal.enter(f'{command}; echo rc=$?')
        return terminal

    @requires('tmux')
    def test_shows_what_runs_and_leaves_nothing(self):
        terminal = self.start('vt run both')
        line = r'▸ 1 running · 1/3 done · (\d+)s · app#slow'
        seconds = re.search(line, terminal.wait_for(line))[1]
        terminal.wait_for(rf'· (?!{seconds}s)\d+s ·')  # the clock goes on
        self.open_gate()
        screen = terminal.wait_for(r'^rc=0', gone=LINE)
        self.assertNotIn('▸', screen)
        self.assertRegex(screen, r'\nbegun\ngo\n')

    @requires('tmux')
    def test_stays_below_the_output(self):
        terminal = self.start('vt run slow')
        lines = terminal.wait_for(LINE).split('\n')
        self.assertEqual(lines[-2], 'begun')
        self.assertRegex(lines[-1], LINE)
        self.open_gate('more output')
        screen = terminal.wait_for(r'^rc=0')
        self.assertIn('begun\nmore output\n', screen)

    @requires('tmux')
    def test_does_not_break_an_unfinished_line(self):
        terminal = self.start('(sleep 2.5; echo -and-half > gate) & vt run partial')
        screen = terminal.wait_for(r'^rc=0')
        self.assertIn('\nhalf-and-half\n', screen)

    @requires('tmux')
    def test_not_in_pipes_nor_in_ci(self):
        for command in ('vt run slow --x 2>&1 | cat', 'CI=1 vt run slow --x',
                        'GITHUB_ACTIONS=true vt run slow', 'TERM=dumb vt run slow'):
            with self.subTest(command):
                terminal = self.start(f'(sleep 2; echo x > gate) & {command}')
                screen = terminal.wait_for(r'^rc=0')
                self.assertNotIn('▸', screen)
                self.vt('cache', 'clean')
                terminal.close()

    @requires('tmux')
    def test_not_while_a_task_owns_the_terminal(self):
        terminal = self.start('vt run mine')
        screen = terminal.wait_for(r'^rc=0')
        # It would be below each of them, and be written over by the next.
        self.assertIn('\n' + 8 * 'tick\n', screen)

    @requires('tmux')
    def test_not_in_the_background(self):
        terminal = self.start('vt run slow & sleep 2.5')
        screen = terminal.wait_for(r'^rc=0$')
        self.assertNotRegex(screen, '▸|1 running')
        self.open_gate()
        terminal.enter('wait; echo all')
        terminal.wait_for(r'^all')

    @requires('tmux')
    def test_ctrl_c_takes_it_away(self):
        terminal = self.start('vt run slow')
        terminal.wait_for(LINE)
        terminal.key('C-c')
        terminal.wait_for(r'^rc=130', gone=LINE)
        self.assertTrue(terminal.cursor_is_visible())

    @requires('tmux')
    def test_a_lost_daemon_takes_it_away(self):
        terminal = self.start('vt run slow')
        terminal.wait_for(LINE)
        os.kill(self.daemon_pid(), 9)
        screen = terminal.wait_for(r'^rc=69', gone=LINE)
        self.assertIn('lost the daemon', screen)
        # Its successor takes over the socket that it has left.
        self.assertOk(self.vt('daemon', 'start'))

    @requires('tmux')
    def test_is_cut_to_the_window(self):
        terminal = self.start('vt run slow', columns=24)
        terminal.wait_for(LINE + '|▸ 1 running')
        terminal.resize(16, 24)
        terminal.wait_for('▸ 1 running · …')
        self.assertEqual(sum('▸' in line for line in terminal.lines()), 1)
        self.open_gate()
        terminal.resize(80, 24)
        terminal.wait_for(r'^rc=0')
