# SPDX-License-Identifier: Apache-2.0
"""The task selector in a real terminal (spec/runner.md R-TUI, R-CLI-6)."""
import os
import re
import signal

from terminal import Terminal
from vtask_e2e import VtTest, requires

TITLE = r'Select a task \(↑/↓, Enter to run, type to search\):'


class SelectorTest(VtTest):

    def setUp(self):
        super().setUp()
        self.package({'build': 'echo built-root', 'test': 'echo tested-root',
                      'stop-here': 'echo stopped'})
        self.write('package.json', {'name': 'root', 'private': True,
                                    'workspaces': ['packages/*']})
        self.package({'build': 'echo built-lib', 'lint': 'echo linted-lib'},
                     where='packages/lib')
        self.package({'bundle': 'echo bundled-web'}, where='packages/web')

    def open(self, command='vt run', **options):
        terminal = Terminal(self, **options)
        terminal.clear()
        self.before = terminal.modes()
        terminal.enter(f'{command}; echo rc=$?')
        terminal.wait_for(r'^  › ')
        return terminal

    def assertRestored(self, terminal):
        terminal.wait_for_modes(self.before)
        self.assertTrue(terminal.cursor_is_visible())

    @requires('tmux')
    def test_lists_and_runs_what_is_chosen(self):
        terminal = self.open()
        self.assertEqual(terminal.lines()[1:], [
            'Select a task (↑/↓, Enter to run, type to search):',
            '',
            '  › build     echo built-root',
            '    stop-here echo stopped',
            '    test      echo tested-root',
            '    lib (packages/lib)',
            '      build   echo built-lib',
            '      lint    echo linted-lib',
            '    web (packages/web)',
            '      bundle  echo bundled-web'])
        self.assertFalse(terminal.cursor_is_visible())
        terminal.key('Down', 'Down', 'Down', 'Down')
        terminal.wait_for(r'^  ›   lint ')
        terminal.key('Enter')
        screen = terminal.wait_for(r'^rc=0')
        self.assertIn('Selected task: lib#lint\n'
                      '~/packages/lib$ echo linted-lib', screen)
        self.assertNotRegex(screen, TITLE)
        self.assertRestored(terminal)

    @requires('tmux')
    def test_what_is_typed_ahead_goes_to_the_task(self):
        self.package({'ask': {'command': 'sh ask.sh', 'cache': False}},
                     where='packages/web')
        self.write('packages/web/ask.sh',
                   'read one; read two; echo "got $one, $two"')
        terminal = self.open()
        terminal.key('a', 's', 'k', 'Enter', '1', 'Enter', 'z', 'w', 'o', 'Enter')
        screen = terminal.wait_for(r'^rc=0')
        self.assertIn('got 1, zwo', screen)
        self.assertRestored(terminal)

    @requires('tmux')
    def test_what_is_typed_behind_enter_without_a_match_goes_on_as_a_query(self):
        terminal = self.open()
        terminal.key('q', 'Enter', 'x', 'Enter', 'BSpace', 'BSpace')
        terminal.key('l', 'i', 'n', 't', 'Enter')
        self.assertIn('Selected task: lib#lint', terminal.wait_for(r'^rc=0'))

    @requires('tmux')
    def test_arguments_and_flags_go_to_the_chosen_task(self):
        terminal = self.open('vt run --no-cache -v')
        terminal.key('Enter')
        terminal.wait_for(r'^rc=0')
        self.assertIn('Execution Summary', terminal.screen())

    @requires('tmux')
    def test_typing_narrows_and_escape_clears(self):
        terminal = self.open()
        terminal.type('bndl')
        terminal.wait_for(rf'{TITLE} bndl\n\n    web .*\n  ›   bundle', gone='build')
        terminal.key('BSpace', 'BSpace', 'BSpace')
        terminal.wait_for(r'search\): b\n\n  › build')
        terminal.key('Escape')
        terminal.wait_for(rf'{TITLE}$', gone=r'search\): b')
        terminal.type('zzz')
        terminal.wait_for('no task matches')
        terminal.key('Enter')
        terminal.type('z')
        terminal.wait_for('search.: zzzz')
        terminal.key('C-c')
        terminal.wait_for(r'^rc=130')

    @requires('tmux')
    def test_a_query_may_name_the_package(self):
        terminal = self.open()
        terminal.type('lib#b')
        terminal.wait_for(r'^  ›   build', gone='lint')
        terminal.key('Enter')
        terminal.wait_for(r'Selected task: lib#build')
        terminal.wait_for(r'^rc=0')

    @requires('tmux')
    def test_ctrl_c_leaves_with_130_and_a_clean_screen(self):
        terminal = self.open()
        terminal.key('C-c')
        terminal.wait_for(r'^rc=130')
        self.assertEqual([line for line in terminal.lines() if 'rc=$?' not in line],
                         ['rc=130', '%%'])
        self.assertRestored(terminal)

    @requires('tmux')
    def test_ctrl_d_leaves(self):
        terminal = self.open()
        terminal.key('C-d')
        terminal.wait_for(r'^rc=130')
        self.assertRestored(terminal)

    @requires('tmux')
    def test_offered_after_a_typo_with_the_typo_as_query(self):
        terminal = self.open('vt run buid')
        screen = terminal.screen()
        self.assertRegex(screen, rf'Task "buid" not found\.\n{TITLE} buid\n\n'
                                 r'  › build')
        terminal.key('Enter')
        terminal.wait_for(r'Selected task: build')
        terminal.wait_for(r'^rc=0', gone='not found')

    @requires('tmux')
    def test_a_slip_is_put_right(self):
        terminal = self.open('vt run biuld')
        self.assertRegex(terminal.screen(),
                         rf'Task "biuld" not found\.\n{TITLE} build\n\n  › build')
        terminal.key('C-c')
        terminal.wait_for(r'^rc=130')
        terminal.clear()
        terminal.enter('vt run qqqqqq')
        terminal.wait_for(rf'Task "qqqqqq" not found\.\n{TITLE}\n\n  › build')
        terminal.key('C-c')
        terminal.wait_for(r'^%%$', gone=TITLE)

    @requires('tmux')
    def test_draws_anew_when_the_window_is_resized(self):
        terminal = self.open()
        terminal.resize(40, 24)
        terminal.wait_for(r'^Task:$')
        self.assertTrue(all(len(line) < 40 for line in terminal.lines()))
        terminal.resize(100, 30)
        terminal.wait_for(rf'{TITLE}$')
        # Once, not the remains of earlier sizes.
        self.assertEqual(len(re.findall('Select a task|Task:', terminal.screen())), 1)
        terminal.resize(80, 6)
        terminal.wait_for(r'more\)', gone='bundle')
        terminal.key('End')
        terminal.wait_for(r'^  ›   bundle')
        terminal.key('Enter')
        terminal.wait_for(r'^rc=0')
        self.assertRestored(terminal)

    @requires('tmux')
    def test_works_in_a_tiny_window(self):
        terminal = self.open(columns=12, rows=4)
        terminal.type('lint')
        terminal.wait_for('› lint|›   li')
        terminal.key('Enter')
        terminal.resize(80, 24)
        terminal.wait_for(r'linted-lib')

    @requires('tmux')
    def test_wide_characters_keep_their_columns(self):
        self.package({'構築': 'echo 完了しました', 'été': 'echo e', 'go🚀': 'echo r'})
        terminal = self.open()
        shown = [line for line in terminal.lines() if ' echo ' in line and 'rc=' not in line]
        cells = [sum(1 + (ord(c) > 0x2E80) for c in line.split(' echo')[0])
                 for line in shown]
        self.assertEqual(len(set(cells)), 1, shown)
        terminal.type('構')
        terminal.wait_for('search.: 構')
        terminal.key('Enter')
        terminal.wait_for('Selected task: 構築')
        terminal.wait_for(r'^rc=0')

    @requires('tmux')
    def test_no_color_draws_without_colours(self):
        terminal = self.open(env={'NO_COLOR': '1'})
        self.assertNotIn('\x1b[', terminal.screen(styles=True))
        terminal.key('C-c')
        terminal.wait_for(r'^rc=130')

    @requires('tmux')
    def test_ctrl_z_gives_the_terminal_back_and_fg_draws_again(self):
        terminal = self.open()
        terminal.key('C-z')
        terminal.wait_for(r'Stopped', gone=TITLE)
        self.assertRestored(terminal)
        terminal.enter('echo between')
        terminal.wait_for(r'^between')
        terminal.enter('fg')
        terminal.wait_for(rf'^between\n(.*\n)*{TITLE}\n\n  › build')
        terminal.key('Down', 'Enter')
        terminal.wait_for(r'^Selected task: stop-here')
        terminal.wait_for(r'^rc=0|^stopped')
        self.assertRestored(terminal)

    @requires('tmux')
    def test_a_killed_vt_leaves_the_terminal_as_it_was(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number):
                terminal = self.open()
                pid, = self.shims()
                os.kill(pid, number)
                terminal.wait_for(r'^rc=\d+', gone=TITLE)
                self.assertRestored(terminal)
                terminal.close()

    @requires('tmux')
    def test_a_lost_daemon_leaves_the_terminal_as_it_was(self):
        terminal = self.open()
        os.kill(self.daemon_pid(), signal.SIGKILL)
        terminal.wait_for(r'^rc=69', gone=TITLE)
        self.assertIn('lost the daemon', terminal.screen())
        self.assertRestored(terminal)
        # Its successor takes over the socket that it has left.
        self.assertOk(self.vt('daemon', 'start'))

    @requires('tmux')
    def test_without_a_terminal_on_both_sides_it_lists(self):
        terminal = Terminal(self)
        for command in ('vt run | cat', 'vt run < /dev/null', 'TERM=dumb vt run'):
            with self.subTest(command):
                screen = terminal.run(command)
                self.assertIn('  build: echo built-root\n', screen)
                self.assertIn('  lib#lint: echo linted-lib\n', screen)
                self.assertNotRegex(screen, TITLE)
