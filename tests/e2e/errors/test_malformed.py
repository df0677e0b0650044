# SPDX-License-Identifier: Apache-2.0
"""Malformed configurations and command lines: one clear error, exit code 2, and
nothing is started."""
from vtask_e2e import VtTest

# (what, vite-task.json, words that the error must hold)
CONFIGURATIONS = [
    ('not closed', '{"tasks": {"t": "touch ran"}', ('vite-task.json:1:',)),
    ('not an object', '[]', ('vite-task.json:1:1', 'object')),
    ('a word', 'tasks', ('vite-task.json:1:',)),
    ('empty file', '', ('vite-task.json:1:1',)),
    ('key twice', '{"tasks": {"t": "touch ran", "t": "true"}}',
     ('vite-task.json:1:', 't')),
    ('unknown key', '{"task": {"t": "touch ran"}}',
     ('vite-task.json:1:2', 'task', '`tasks`')),
    ('tasks is a list', '{"tasks": ["touch ran"]}',
     ('vite-task.json:1:11', 'tasks', 'array')),
    ('task is a number', '{"tasks": {"t": 7}}',
     ('vite-task.json:1:17', 'tasks.t', 'number 7', 'command')),
    ('no command', '{"tasks": {"t": {"cache": true}}}',
     ('vite-task.json:1:', 'tasks.t', 'command')),
    ('command is a number', '{"tasks": {"t": {"command": 5}}}',
     ('vite-task.json:1:', 'tasks.t.command', 'number 5')),
    ('misspelt key', '{"tasks": {"t": {"command": "touch ran", "dependOn": []}}}',
     ('vite-task.json:1:', 'dependOn', '`dependsOn`')),
    ('cache is a word', '{"tasks": {"t": {"command": "touch ran", "cache": "yes"}}}',
     ('vite-task.json:1:', 'tasks.t.cache', 'string "yes"')),
    ('env is a word', '{"tasks": {"t": {"command": "touch ran", "cache": {"env": "A"}}}}',
     ('vite-task.json:1:', 'cache.env', 'string "A"')),
    ('input is wrong',
     '{"tasks": {"t": {"command": "touch ran", "cache": {"input": [{"auto": 1}]}}}}',
     ('vite-task.json:1:', 'input', 'number 1')),
    ('bad glob',
     '{"tasks": {"t": {"command": "touch ran", "cache": {"input": ["a/{b"]}}}}',
     ('vite-task.json:1:', 'a/{b')),
    ('glob outside',
     '{"tasks": {"t": {"command": "touch ran", "cache": {"input": ["../x/**"]}}}}',
     ('vite-task.json:1:', '../x/**', 'outside')),
    ('dependsOn names nothing',
     '{"tasks": {"t": {"command": "touch ran", "dependsOn": ["nope"]}}}',
     ('vite-task.json:1:', 'nope')),
    ('dependsOn of a strange field',
     '{"tasks": {"t": {"command": "touch ran", '
     '"dependsOn": [{"task": "x", "from": "optionalDependencies"}]}}}',
     ('vite-task.json:1:', 'from', 'optionalDependencies')),
    ('older and newer form',
     '{"tasks": {"t": {"command": "touch ran", "env": ["A"], "cache": {}}}}',
     ('vite-task.json:1:', 'env', 'cache')),
    ('cwd is a list', '{"tasks": {"t": {"command": "touch ran", "cwd": ["a"]}}}',
     ('vite-task.json:1:', 'tasks.t.cwd', 'array')),
    ('pre and post', '{"enablePrePostScripts": 1, "tasks": {"t": "touch ran"}}',
     ('vite-task.json:1:', 'enablePrePostScripts', 'number 1')),
    ('cache of the root', '{"cache": {"script": true}, "tasks": {"t": "touch ran"}}',
     ('vite-task.json:1:', 'script', '`scripts`')),
]

# (what, arguments of vt, words)
COMMAND_LINES = [
    ('unknown command', ('rum', 't'), ('rum', '`run`')),
    ('unknown flag', ('run', '--recursiv', 't'), ('--recursiv', '`--recursive`')),
    ('unknown short flag', ('run', '-x', 't'), ('-x',)),
    ('value missing', ('run', '--filter'), ('--filter',)),
    ('value too much', ('run', '--recursive=yes', 't'), ('--recursive', 'yes')),
    ('log mode', ('run', '--log', 'groupd', 't'), ('groupd', '`grouped`', 'labeled')),
    ('limit', ('run', '--concurrency-limit', 'many', 't'), ('many', 'number')),
    ('cache and not', ('run', '--cache', '--no-cache', 't'), ('--cache', '--no-cache')),
    ('everywhere and up', ('run', '-r', '-t', 't'), ('--recursive', '--transitive')),
    ('filter and everywhere', ('run', '-r', '-F', 'app', 't'), ('--filter', '--recursive')),
    ('empty filter', ('run', '-F', '', 't'), ('--filter', 'empty')),
    ('filter of signs', ('run', '-F', '...', 't'), ('...',)),
    ('filter that does not parse', ('run', '-F', '@my/[', 't'), ('@my/[',)),
    ('package and everywhere', ('run', '-r', 'app#t'), ('--recursive',)),
    ('no task', ('run', '-r'), ('task',)),
    ('details and a task', ('run', '--last-details', 't'), ('--last-details',)),
    ('json and a task', ('run', '--json', 't'), ('--json', '--dry-run')),
    ('cache command', ('cache', 'clena'), ('clena', '`clean`')),
    ('cache argument', ('cache', 'clean', 'all'), ('all',)),
    ('completion', ('completion', 'tcsh'), ('tcsh', 'bash')),
    ('migrate flag', ('migrate', '--dryrun'), ('--dryrun', '`--dry-run`')),
    ('migrate from', ('migrate', '--from', 'turbot'), ('turbot', '`turbo`')),
    ('daemon command', ('daemon', 'restart'), ('restart',)),
]


class MalformedTest(VtTest):

    def assertOneError(self, result, words):
        self.assertCode(2, result)
        self.assertEqual(result.out, '')
        self.assertEqual(result.err.count('error: '), 1, result.err)
        for word in words:
            self.assertIn(word, result.err)
        self.assertFalse((self.workspace / 'ran').exists(), 'a task was run')

    def test_there_are_enough(self):
        self.assertGreaterEqual(len(CONFIGURATIONS) + len(COMMAND_LINES), 30)

    def test_configurations(self):
        self.package({})
        for what, text, words in CONFIGURATIONS:
            with self.subTest(what):
                self.write('vite-task.json', text)
                self.assertOneError(self.vt('run', 't'), words)

    def test_configurations_below_the_root(self):
        self.write('package.json', {'name': 'root', 'workspaces': ['p/*'],
                                    'scripts': {'t': 'touch ran'}})
        self.write('p/a/package.json', {'name': 'a'})
        for text, words in (
                ('{"cache": true}', ('p/a/vite-task.json', '`cache`', 'root')),
                ('{"enablePrePostScripts": true}',
                 ('p/a/vite-task.json', '`enablePrePostScripts`', 'root')),
                ('{', ('p/a/vite-task.json:1:',))):
            with self.subTest(text):
                self.write('p/a/vite-task.json', text)
                self.assertOneError(self.vt('run', 't'), words)

    def test_two_configurations(self):
        self.package({'t': 'touch ran'})
        self.write('vite.config.mjs', 'export default { run: { tasks: {} } };\n')
        self.assertOneError(self.vt('run', 't'),
                            ('vite.config.mjs', 'vite-task.json'))

    def test_a_task_and_a_script_of_one_name(self):
        self.package({'t': 'touch ran'}, scripts={'t': 'touch ran'})
        self.assertOneError(self.vt('run', 't'), ('t', 'package.json'))

    def test_manifests(self):
        self.package({'t': 'touch ran'})
        self.write('package.json', '{"name": "app",\n "scripts": }')
        self.assertOneError(self.vt('run', 't'), ('package.json:2:',))

    def test_command_lines(self):
        self.package({'t': 'touch ran', 'rum': 'touch ran'})
        for what, args, words in COMMAND_LINES:
            with self.subTest(what):
                self.assertOneError(self.vt(*args), words)
