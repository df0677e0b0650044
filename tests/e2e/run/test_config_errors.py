# SPDX-License-Identifier: Apache-2.0
"""Mistakes in vite-task.json: exit 2, with file, line, key, and what is allowed."""
from vtask_e2e import VtTest

# name: (vite-task.json, line of the mistake, words that the message must have)
ERRORS = {
    'unknown root key': (
        '{\n  "task": {}\n}\n', 2, ['task', 'tasks', 'cache']),
    'unknown task key': (
        '{"tasks": {\n  "t": {\n    "command": "true",\n    "cach": true\n}}}\n',
        4, ['cach', 'cache', 'dependsOn']),
    'unknown cache key': (
        '{"tasks": {"t": {"command": "true", "cache": {\n  "inputs": []\n}}}}\n',
        2, ['inputs', 'input', 'output']),
    'missing command': (
        '{"tasks": {\n  "t": {}\n}}\n', 2, ['command']),
    'number as task': (
        '{"tasks": {\n  "t": 7\n}}\n', 2, ['7', 'string']),
    'number as command': (
        '{"tasks": {"t": {\n  "command": 5\n}}}\n', 2, ['command', 'string']),
    'string as cache': (
        '{"tasks": {"t": {"command": "true",\n  "cache": "yes"\n}}}\n',
        2, ['cache', 'boolean']),
    'string as list of variables': (
        '{"tasks": {"t": {"command": "true", "cache": {\n  "env": "FOO"\n}}}}\n',
        2, ['env', 'array']),
    'bad input entry': (
        '{"tasks": {"t": {"command": "true", "cache": {\n  "input": [3]\n}}}}\n',
        2, ['input']),
    'bad base': (
        '{"tasks": {"t": {"command": "true", "cache": {"input": [\n'
        '  {"pattern": "x", "base": "here"}\n]}}}}\n',
        2, ['here', 'workspace', 'package']),
    'bad from': (
        '{"tasks": {"t": {"command": "true", "dependsOn": [\n'
        '  {"task": "t", "from": "nowhere"}\n]}}}\n',
        2, ['nowhere', 'devDependencies']),
    'list instead of object': (
        '{\n  "tasks": []\n}\n', 2, ['tasks', 'object']),
    'syntax': (
        '{\n  "tasks": {\n    "t" "true"\n  }\n}\n', 3, []),
    'unclosed': (
        '{\n  "tasks": {\n', 3, []),
    'duplicate key': (
        '{"tasks": {\n  "t": "true",\n  "t": "false"\n}}\n', 3, ['t']),
    'both forms in one task': (
        '{"tasks": {"t": {"command": "true",\n  "cache": {"env": ["A"]},\n'
        '  "env": ["B"]\n}}}\n', None, ['env']),
}


class ConfigErrorTest(VtTest):

    def test_each_mistake_names_file_line_and_what_is_allowed(self):
        for name, (text, line, words) in ERRORS.items():
            with self.subTest(mistake=name):
                self.write('package.json', {'name': 'app'})
                self.write('vite-task.json', text)
                result = self.assertCode(2, self.vt('run', 't'))
                self.assertEqual(result.out, '', result)
                place = 'vite-task.json' if line is None else f'vite-task.json:{line}'
                self.assertIn(place, result.err)
                for word in words:
                    self.assertIn(word, result.err)

    def test_comments_trailing_commas_crlf_and_byte_order_mark_are_accepted(self):
        self.write('package.json', {'name': 'app'})
        text = ('\ufeff{\r\n  // a comment\r\n  "$schema": "x",\r\n'
                '  /* another */ "tasks": {\r\n    "t": ["cat package.json",],\r\n'
                '  },\r\n}\r\n')
        (self.workspace / 'vite-task.json').write_bytes(text.encode())
        self.assertFirst(self.vt('run', 't'))
        self.assertHit(self.vt('run', 't'))

    def test_task_and_script_of_one_name_conflict(self):
        self.package({'build': 'true'}, scripts={'build': 'true'})
        result = self.assertCode(2, self.vt('run', 'build'))
        self.assertIn('build', result.err)
        self.assertIn('conflict', result.err)

    def test_mistake_in_another_package_stops_every_run(self):
        self.write('pnpm-workspace.yaml', 'packages: ["packages/*"]\n')
        self.package({'t': 'true'})
        self.package({'u': 'true'}, where='packages/b')
        self.write('packages/b/vite-task.json', '{"tasks": {"u": 7}}')
        result = self.assertCode(2, self.vt('run', 't'))
        self.assertIn('packages/b/vite-task.json:1', result.err)

    def test_root_keys_are_refused_elsewhere(self):
        self.write('pnpm-workspace.yaml', 'packages: ["packages/*"]\n')
        self.package({'t': 'true'})
        self.package({'u': 'true'}, where='packages/b', cache=True)
        result = self.assertCode(2, self.vt('run', 't'))
        self.assertIn('`cache` can only be set in the workspace root', result.err)

    def test_correcting_the_mistake_is_seen_at_once(self):
        self.package({'t': 'cat package.json'})
        self.assertFirst(self.vt('run', 't'))
        self.write('vite-task.json', '{"tasks": {"t": 7}}')
        self.assertCode(2, self.vt('run', 't'))
        self.package({'t': 'cat package.json'})
        self.assertHit(self.vt('run', 't'))
