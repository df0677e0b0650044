# SPDX-License-Identifier: Apache-2.0
"""Completion in real shells, and what they ask `vt __complete`."""
import os
import signal

from terminal import Terminal
from vtask_e2e import DIST, VtTest, requires


class CompletionTest(VtTest):

    def setUp(self):
        super().setUp()
        self.write('package.json', {'name': 'root', 'workspaces': ['packages/*']})
        self.write('vite-task.json', {'tasks': {
            'build': 'touch ran', 'build:prod': 'touch ran', 'test': 'touch ran'}})
        self.package({'build': 'touch ran', 'lint': 'touch ran'},
                     where='packages/lib')
        self.write('packages/web/package.json',
                   {'name': '@my/web', 'scripts': {'bundle': 'touch ran'}})

    def complete(self, *words, **options):
        """{word: description}, and the directives. Of a daemon that is there: a
        key press waits for two seconds only, also while one starts."""
        self.assertOk(self.vt('daemon', 'start'))
        result = self.assertOk(self.vt('__complete', *words, **options))
        self.assertEqual(result.err, '')
        found, directives = {}, []
        for line in result.out.splitlines():
            kind, *rest = line.split('\t')
            if kind == 'word':
                found[rest[0]] = rest[1]
            else:
                directives.append(kind)
        self.assertFalse((self.workspace / 'ran').exists())
        return found, directives

    def words(self, *words, **options):
        return sorted(self.complete(*words, **options)[0])

    def test_commands(self):
        self.assertEqual(self.words('vt', 'ru'), ['run'])
        self.assertIn('migrate', self.words('vt', ''))
        self.assertEqual(self.words('vt', 'cache', ''),
                         ['clean', 'path', 'prune', 'status', 'verify'])
        self.assertEqual(self.words('vt', 'daemon', 'st'), ['start', 'status', 'stop'])
        self.assertEqual(self.words('vt', 'daemon', 'stop', ''), ['--now'])
        self.assertEqual(self.words('vt', 'completion', ''), ['bash', 'fish', 'zsh'])
        self.assertEqual(self.words('vt', 'migrate', '--from', ''),
                         ['nx', 'turbo', 'wireit'])
        self.assertIn('--help', self.words('vt', '--'))

    def test_tasks(self):
        found, _ = self.complete('vt', 'run', '')
        self.assertEqual(found, {'build': 'touch ran', 'build:prod': 'touch ran',
                                 'test': 'touch ran'})
        self.assertEqual(self.words('vtr', ''), sorted(found))
        self.assertEqual(self.words('vt', 'run', 'li'), ['lib#build', 'lib#lint'])
        self.assertEqual(self.words('vt', 'run', '@my/web#'), ['@my/web#bundle'])
        self.assertEqual(self.words('vt', 'run', 'root#t'), ['root#test'])
        self.assertEqual(self.words('vt', 'run', '', cwd=self.workspace / 'packages/lib'),
                         ['build', 'lint'])
        # With several packages selected a name is enough.
        found, _ = self.complete('vt', 'run', '-r', '')
        self.assertEqual(found['build'], 'in 2 packages')
        self.assertIn('bundle', found)

    def test_many_tasks_are_offered_by_package(self):
        for i in range(60):
            self.write(f'packages/p{i}/package.json', {
                'name': f'p{i}', 'scripts': {'a': 'true', 'b': 'true'}})
        found, directives = self.complete('vt', 'run', 'p')
        self.assertEqual(found['p7#'], '2 tasks')
        self.assertEqual(directives, ['nospace'])
        self.assertEqual(self.words('vt', 'run', 'p7#'), ['p7#a', 'p7#b'])

    def test_flags_and_their_values(self):
        found, _ = self.complete('vt', 'run', '--re')
        self.assertEqual(list(found), ['--recursive'])
        self.assertIn('package', found['--recursive'])
        self.assertIn('-F', self.words('vt', 'run', '-'))
        modes = ['grouped', 'interleaved', 'labeled']
        self.assertEqual(self.words('vt', 'run', '--log', ''), modes)
        self.assertEqual(self.words('vt', 'run', '--log=l'), ['--log=labeled'])
        self.assertIn('50%', self.words('vt', 'run', '--concurrency-limit', ''))

    def test_filters(self):
        names = ['@my/*', '@my/web', 'lib', 'root']
        self.assertEqual(self.words('vt', 'run', '--filter', ''), names)
        self.assertEqual(self.words('vt', 'run', '-rF', 'l'), ['lib'])
        self.assertEqual(self.words('vt', 'run', '-F', '!l'), ['!lib'])
        self.assertEqual(self.words('vt', 'run', '-F', '...^@'),
                         ['...^@my/*', '...^@my/web'])
        self.assertEqual(self.words('vt', 'run', '--filter=@my/w'), ['--filter=@my/web'])
        self.assertEqual(self.words('vt', 'run', '-F', './'),
                         ['./packages/lib', './packages/web'])
        self.assertEqual(self.words('vt', 'run', '-F', '{p'),
                         ['{packages/lib}', '{packages/web}'])

    def test_arguments_of_a_task_are_files(self):
        self.assertEqual(self.complete('vt', 'run', 'build', ''), ({}, ['files']))
        self.assertEqual(self.complete('vt', 'trace', ''), ({}, ['files']))

    def test_bad_configurations_leave_the_flags(self):
        self.write('vite-task.json', '{')
        self.assertEqual(self.words('vt', 'run', ''), [])
        self.assertEqual(self.words('vt', 'run', '--par'), ['--parallel'])
        self.assertEqual(self.words('vt', 'ru', cwd=self.home), ['run'])
        self.assertEqual(self.words('vt', 'run', 'b', cwd=self.home), [])

    def test_unknown_dependencies_leave_the_tasks(self):
        self.write('vite-task.json', {'tasks': {
            't': {'command': 'true', 'dependsOn': ['nope']}}})
        self.assertEqual(self.words('vt', 'run', ''), ['t'])

    def test_says_nothing_when_there_can_be_no_daemon(self):
        (self.tmp / 'r').write_text('a file where the directory should be')
        found = self.vt('__complete', 'vt', 'run', '', env={'VT_CACHE_DIR': '/proc/x'})
        self.assertOk(found)
        self.assertEqual(found.text, '')

    def test_starts_a_daemon(self):
        self.assertOk(self.vt('__complete', 'vt', 'run', ''))
        self.wait_until(self.daemons, 'a daemon')

    def test_does_not_wait_for_a_daemon_that_hangs(self):
        self.words('vt', 'run', '')
        pid = self.daemon_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            result = self.assertOk(self.vt('__complete', 'vt', 'run', ''))
            self.assertEqual(result.text, '')
            self.assertLess(result.seconds, 10)
        finally:
            os.kill(pid, signal.SIGCONT)

    def test_the_scripts_need_no_daemon(self):
        for shell in ('bash', 'zsh', 'fish'):
            script = self.assertOk(self.vt('completion', shell, cwd=self.tmp))
            self.assertIn('__complete', script.out)
        self.assertEqual(self.daemons(), {})
        self.assertIn('bashrc', self.assertOk(
            self.vt('completion', '--help', cwd=self.tmp)).out)

    def test_the_scripts_are_installed(self):
        for path, shell in (('bash-completion/completions/vt', 'bash'),
                            ('zsh/site-functions/_vt', 'zsh'),
                            ('fish/vendor_completions.d/vt.fish', 'fish')):
            script = self.vt('completion', shell, cwd=self.tmp).out
            self.assertEqual((DIST / 'share' / path).read_text(), script)


class ShellTest(VtTest):
    """Keys typed into real shells."""

    def setUp(self):
        super().setUp()
        self.package({'build': 'echo it-ran', 'build:prod': 'echo prod-ran',
                      'unique': 'echo unique-ran'})
        self.write('argument.txt', '')

    def start(self, shell, setup):
        terminal = Terminal(self, columns=100, shell=shell)
        terminal.wait_for(r'\S')
        # Also starts the daemon, so that the first Tab is like the others.
        terminal.enter(f'{setup}; vt daemon start')
        terminal.wait_for('vtaskd .* runs, pid')
        terminal.clear()
        return terminal

    def check(self, terminal):
        # A command, then a task, by Tab alone; what comes out is run.
        terminal.type('vt ru')
        terminal.key('Tab')
        terminal.wait_for(r'vt run\b')
        terminal.type('uni')
        terminal.key('Tab')
        terminal.wait_for(r'vt run unique')
        terminal.key('Enter')
        terminal.wait_for(r'^unique-ran')
        # A name with a colon is one word, as typed and as completed.
        terminal.clear()
        terminal.type('vt run build:p')
        terminal.key('Tab')
        terminal.wait_for(r'vt run build:prod')
        terminal.key('Enter')
        terminal.wait_for(r'^prod-ran')
        # Flags, and values behind "=".
        terminal.clear()
        terminal.type('vtr --log=la')
        terminal.key('Tab')
        terminal.wait_for(r'vtr --log=labeled')
        terminal.type(' --dry')
        terminal.key('Tab')
        terminal.wait_for(r'--log=labeled +--dry-run')
        terminal.cancel()
        # Files for the arguments of a task.
        terminal.clear()
        terminal.type('vt run build argu')
        terminal.key('Tab')
        terminal.wait_for(r'argument\.txt')
        terminal.cancel()

    @requires('tmux')
    def test_bash(self):
        terminal = self.start(['bash', '--norc', '--noprofile'],
                              'eval "$(vt completion bash)"')
        self.check(terminal)
        # Several candidates are listed on the second Tab.
        terminal.clear()
        terminal.type('vt run b')
        terminal.key('Tab', 'Tab', 'Tab')
        terminal.wait_for(r'^build +build:prod')

    @requires('tmux', 'zsh')
    def test_zsh(self):
        terminal = self.start(
            ['zsh', '-f'],
            "PS1='%%%% '; autoload -Uz compinit && compinit -u -d $HOME/z; "
            'eval "$(vt completion zsh)"')
        self.check(terminal)
        terminal.clear()
        terminal.type('vt run b')
        terminal.key('Tab', 'Tab')
        # With what they run.
        terminal.wait_for(r'build:prod +-- echo prod-ran')

    @requires('tmux', 'zsh')
    def test_zsh_with_an_installed_function(self):
        terminal = self.start(
            ['zsh', '-f'],
            f"PS1='%%%% '; fpath=({DIST}/share/zsh/site-functions $fpath); "
            'autoload -Uz compinit && compinit -u -d $HOME/z')
        self.check(terminal)

    @requires('tmux', 'fish')
    def test_fish(self):
        terminal = self.start(
            ['fish', '--no-config'],
            "function fish_prompt; printf '%%%% '; end; "
            'vt completion fish | source')
        self.check(terminal)
