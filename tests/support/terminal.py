# SPDX-License-Identifier: Apache-2.0
"""A real terminal with a shell in it: bash in tmux, on a server of its own.

Nothing sleeps: a test types, and waits for what it expects on the screen.
"""
import os
import re
import shlex
import subprocess

from vtask_e2e import PATIENCE_S

PROMPT = '%%'
# tmux needs a terminal description that Debian always has.
TERM = 'screen-256color'


class Terminal:
    """A window of tmux. Made by a VtTest, which it reports to."""

    def __init__(self, test, columns=80, rows=24, env=None, shell=None):
        self.test = test
        self.socket = test.tmp / 'tmux'
        test.addCleanup(self.close)
        full = test.environment({'PS1': f'{PROMPT} ', 'TERM': TERM, **(env or {})})
        full['PATH'] = f'{test.vt_program.parent}:{full["PATH"]}'
        shell = shell or ['bash', '--norc', '--noprofile']
        # A file, for a command line of tmux has a limit; `exec` leaves one process.
        start = test.tmp / 'shell'
        assignments = ' '.join(f'{k}={shlex.quote(v)}' for k, v in full.items())
        start.write_text(f'exec env -i {assignments} {shlex.join(shell)}\n')
        self.tmux('-f', '/dev/null', 'new-session', '-d', '-x', str(columns),
                  '-y', str(rows), '-c', str(test.workspace), f'exec sh {start}')
        self.tmux('set', '-g', 'status', 'off')
        self.tmux('set', '-s', 'escape-time', '0')
        self.tmux('resize-window', '-x', str(columns), '-y', str(rows))

    def tmux(self, *args):
        done = subprocess.run(['tmux', '-S', str(self.socket), *args],
                              env=self.test.environment({'TERM': TERM}),
                              capture_output=True, timeout=30, check=False)
        if done.returncode != 0:
            raise AssertionError(f'tmux {args}: {done.stderr.decode()}')
        return done.stdout.decode('utf-8', 'replace')

    def close(self):
        subprocess.run(['tmux', '-S', str(self.socket), 'kill-server'],
                       env=self.test.environment(), capture_output=True,
                       timeout=30, check=False)
        self.socket.unlink(missing_ok=True)

    # --- what a person does -------------------------------------------------

    def type(self, text):
        self.tmux('send-keys', '-l', text)

    def key(self, *names):
        """Keys by tmux's names: Enter, Up, C-c, Escape…"""
        self.tmux('send-keys', *names)

    def enter(self, command):
        self.type(command)
        self.key('Enter')

    def run(self, command, pattern=None):
        """Runs a command to its end; what is on the screen since then."""
        self.clear()
        self.enter(f'{command}; echo rc=$?')
        self.wait_for(r'rc=\d+')
        if pattern:
            self.test.assertRegex(self.screen(), pattern)
        return self.screen()

    def resize(self, columns, rows):
        self.tmux('resize-window', '-x', str(columns), '-y', str(rows))

    def cancel(self):
        """Gives up the line that is being typed. What is typed before the new
        prompt is there may be lost: Ctrl-C empties the terminal's queue."""
        before = len(self.lines())
        self.key('C-c')
        self.test.wait_until(
            lambda: (len(self.lines()) > before
                     and self.lines()[-1].strip() == PROMPT), 'a new prompt')

    def clear(self):
        """An empty screen with a prompt."""
        self.key('C-l')
        self.wait_for(rf'\A{PROMPT} ?\Z')

    # --- what a person sees -------------------------------------------------

    def screen(self, styles=False):
        text = self.tmux('capture-pane', '-p', *(['-e'] if styles else []))
        return '\n'.join(line.rstrip() for line in text.split('\n')).rstrip('\n')

    def lines(self):
        return self.screen().split('\n')

    def cursor_is_visible(self):
        return self.tmux('display', '-p', '#{cursor_flag}').strip() == '1'

    def wait_for(self, pattern, gone=None, patience_s=PATIENCE_S):
        """Until the screen matches `pattern`, and does not match `gone`; returns
        the text that did."""
        text = ''

        def seen():
            nonlocal text
            text = self.screen()
            return (re.search(pattern, text, re.M)
                    and not (gone and re.search(gone, text, re.M)))
        try:
            self.test.wait_until(seen, f'{pattern!r} on the screen',
                                 patience_s)
        except AssertionError:
            raise AssertionError(
                f'{pattern!r} (without {gone!r}) is not on the screen:\n'
                f'{text}') from None
        return text

    def modes(self):
        """The terminal's line discipline, as `stty -g` has it."""
        # Of the pane's own terminal, whoever is in the foreground.
        tty = self.tmux('display', '-p', '#{pane_tty}').strip()
        fd = os.open(tty, os.O_RDWR | os.O_NOCTTY)
        try:
            import termios
            return termios.tcgetattr(fd)
        finally:
            os.close(fd)

    def wait_for_modes(self, expected):
        """Until they are those, which a shell sets anew with its prompt."""
        try:
            self.test.wait_until(lambda: self.modes() == expected, 'these modes')
        except AssertionError:
            self.test.assertEqual(self.modes(), expected)

    def foreground(self):
        """The command line of the foreground process."""
        return self.tmux('display', '-p', '#{pane_current_command}').strip()
