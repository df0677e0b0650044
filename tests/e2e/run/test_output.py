# SPDX-License-Identifier: Apache-2.0
"""What is printed, where, and with which colours."""
import os
import pty
import re
import select
import subprocess

from vtask_e2e import VtTest, shell_code, timeout

ESCAPE = '\x1b['


class OutputTest(VtTest):

    def colours(self, **env):
        return self.vt('run', 'red', env=env)

    def setUp(self):
        super().setUp()
        self.write('red.cjs', r'console.log("\x1b[31mred\x1b[39m")' '\n')
        self.package({'red': 'node red.cjs', 'say': 'cat in.txt'})
        self.write('in.txt', 'words\n')

    def test_start_line_output_blank_line(self):
        self.assertEqual(self.vt('run', 'say').out, '$ cat in.txt\nwords\n\n')
        self.assertRegex(
            self.vt('run', 'say').out,
            r'^\$ cat in.txt ◉ cache hit, replaying\nwords\n\n---\n'
            r'vt run: cache hit, \d+(\.\d+)?m?s saved\.\n$')

    def test_digests_before_and_after_are_shown_with_vv_only(self):
        self.vt('run', 'say')
        self.write('in.txt', 'other words\n')
        known = r"Changed: +'in\.txt' modified \([0-9a-f]{12} → [0-9a-f]{12}\)\n"
        self.assertRegex(self.vt('run', '-vv', '--dry-run', 'say').out, known)
        result = self.vt('run', '-v', 'say')
        self.assertIn("Cache miss: 'in.txt' modified\n", result.out)
        self.assertNotIn('Changed:', result.out)

    def test_output_without_newline_is_ended(self):
        self.write('in.txt', 'words')
        self.assertEqual(self.vt('run', 'say').out, '$ cat in.txt\nwords\n')

    def test_escapes_are_removed_for_a_pipe_and_kept_on_request(self):
        for result in (self.colours(), self.colours(), self.colours(NO_COLOR='1')):
            self.assertNotIn(ESCAPE, result.out)
            self.assertIn('red', result.out)
        forced = self.colours(FORCE_COLOR='1', NO_COLOR='1')
        self.assertIn('\x1b[31mred\x1b[39m', forced.out)
        self.assertIn('◉', forced.out)
        self.assertRegex(forced.out, r'\x1b\[[0-9;]*34m')  # the command is blue
        self.assertNotIn(ESCAPE, self.colours(FORCE_COLOR='0').out)

    def test_builtin_echo(self):
        self.package({'t': "echo 'a  b' c && echo -n d"})
        self.assertIn("a  b c\n", self.vt('run', 't').out)

    @timeout(90)
    def test_large_output_is_replayed_byte_for_byte(self):
        size = 3_000_000
        self.write('big.cjs', f'for (let i = 0; i < {size // 100}; i++) '
                              'console.log(String(i).padStart(99, "."))\n')
        self.package({'big': 'node big.cjs'})
        cold, warm = (self.vt('run', 'big') for _ in range(2))
        self.assertFirst(cold)
        self.assertHit(warm)
        body = cold.out.split('\n', 1)[1]
        self.assertEqual(len(body.rstrip('\n')), size - 1)
        self.assertTrue(warm.out.split('\n', 1)[1].startswith(body))

    def test_a_hook_carries_its_own_name(self):
        self.package({}, scripts={'prebuild': 'echo before', 'build': 'echo it'})
        out = self.assertOk(self.vt('run', '--log', 'labeled', '-v', 'build')).out
        for text in ('[app#prebuild] before\n', '[app#build] it\n',
                     '[1] app#prebuild: $ echo before', '[2] app#build: $ echo it'):
            self.assertIn(text, out)

    def test_works_in_another_directory_on_request(self):
        self.write('sub/package.json', {'name': 'sub', 'scripts': {'hi': 'pwd'}})
        out = self.assertOk(self.vt('-C', self.workspace / 'sub', 'run', 'hi')).out
        self.assertIn(f'{self.workspace.resolve()}/sub\n', out)
        for words in (('-C',), ('-C', 'nowhere', 'run', 'hi')):
            self.assertIn('-C', self.assertCode(2, self.vt(*words)).err)

    def test_labeled_lines_carry_their_task(self):
        for _ in ('cold', 'warm'):
            out = self.assertOk(self.vt('run', '--log', 'labeled', 'say')).out
            self.assertIn('[app#say] $ cat in.txt', out)
            self.assertIn('\n[app#say] words\n', out)

    def test_grouped_output_comes_in_one_block(self):
        self.package({
            'all': {'command': 'echo end', 'dependsOn': ['a', 'b']},
            'a': "sh -c 'for i in 1 2 3; do echo a$i; done'",
            'b': "sh -c 'for i in 1 2 3; do echo b$i; done'"})
        for _ in ('cold', 'warm'):
            out = self.assertOk(self.vt('run', '--log', 'grouped', 'all')).out
            self.assertIn('── [app#a] ──\na1\na2\na3\n', out)
            self.assertIn('── [app#b] ──\nb1\nb2\nb3\n', out)

    def test_last_details_shows_the_run_again(self):
        self.assertCode(1, self.vt('run', '--last-details'))
        self.vt('run', 'say')
        details = self.assertOk(self.vt('run', '--last-details')).out
        self.assertIn('Execution Summary', details)
        self.assertIn('[1] app#say: $ cat in.txt ✓', details)
        self.assertIn('→ Cache miss: no previous cache entry found', details)

    def test_verbose_names_every_difference(self):
        self.package({'t': 'cat a b'})
        self.write('a', '1')
        self.write('b', '1')
        self.vt('run', 't')
        self.write('a', '2')
        self.write('b', '2')
        out = self.assertOk(self.vt('run', '-v', 't')).out
        self.assertIn("cache miss: 'a' modified", out)
        self.assertRegex(out, r"→ Cache miss: 'a' modified\n\s+'b' modified")

    # --- terminals ----------------------------------------------------------

    def on_terminal(self, *args, typed=b'', until=None):
        """Runs `vt` on a terminal of its own; returns (code, what it showed)."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.workspace)
            os.execve(self.vt_program, ['vt', *args],
                      self.environment({'TERM': 'xterm'}))
        shown = b''
        try:
            while True:
                if until and typed and re.search(until, shown):
                    os.write(terminal, typed)
                    typed = b''
                if not select.select([terminal], [], [], 40)[0]:
                    os.kill(pid, 9)
                    break
                try:
                    data = os.read(terminal, 65536)
                except OSError:  # EIO: the other side is closed
                    break
                if not data:
                    break
                shown += data
        finally:
            os.close(terminal)
        code = shell_code(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        text = shown.decode('utf-8', 'replace').replace('\r\n', '\n')
        self.history.append(f'[terminal] vt {args} -> {code}\n{text}')
        return code, text

    def test_uncached_task_has_the_callers_terminal(self):
        self.package({'tty': {
            'command': "sh -c 'test -t 0 && test -t 1 && test -t 2 && echo tty-here'",
            'cache': False}})
        code, shown = self.on_terminal('run', 'tty')
        self.assertEqual(code, 0, shown)
        self.assertIn('tty-here\n', shown)

    def test_uncached_task_reads_what_is_typed(self):
        self.package({'ask': {'command': "sh -c 'echo name?; read n; echo hi $n'",
                              'cache': False}})
        code, shown = self.on_terminal('run', 'ask', typed=b'Ada\n', until=rb'name\?')
        self.assertEqual(code, 0, shown)
        self.assertIn('hi Ada', shown)

    def test_ctrl_c_on_a_terminal_ends_a_cached_and_an_uncached_task(self):
        self.package({
            'cached': "sh -c 'echo ready; exec sleep 1000'",
            'uncached': {'command': "sh -c 'echo ready; exec sleep 1000'",
                         'cache': False}})
        for task in ('cached', 'uncached'):
            with self.subTest(task=task):
                code, shown = self.on_terminal(
                    'run', task, typed=b'\x03', until=rb'(?m)^ready')
                self.assertEqual(code, 130, shown)
                self.wait_gone(self.tasks)

    def test_cached_task_has_no_terminal(self):
        self.package({'tty': "sh -c 'test -t 1 || echo no-tty'"})
        code, shown = self.on_terminal('run', 'tty')
        self.assertEqual(code, 0, shown)
        self.assertIn('no-tty', shown)

    def test_terminal_gets_colours(self):
        code, shown = self.on_terminal('run', 'red')
        self.assertEqual(code, 0)
        self.assertIn('\x1b[31mred\x1b[39m', shown)

    def test_uncached_task_inherits_pipes_and_stdin(self):
        self.package({'cat': {'command': 'cat', 'cache': False}})
        result = self.assertOk(self.vt('run', 'cat', stdin='from stdin\n'))
        self.assertIn('cache disabled', result.out)
        self.assertIn('from stdin\n', result.out)

    def test_uncached_task_sees_the_whole_environment(self):
        self.package({'env': {'command': 'env', 'cache': False}})
        out = self.assertOk(self.vt('run', 'env', env={'OTHER': 'x'})).out
        self.assertIn('OTHER=x\n', out)
        self.assertIn('VP_RUN=1\n', out)

    def test_closed_pipe_ends_the_run(self):
        self.package({'yes': 'yes'})
        run = subprocess.Popen([self.vt_program, 'run', 'yes'], cwd=self.workspace,
                               env=self.environment(), stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
        run.stdout.read(1000)
        run.stdout.close()
        self.assertNotEqual(run.wait(30), 0)
        self.wait_gone(self.tasks)
