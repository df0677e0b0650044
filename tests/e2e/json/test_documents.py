# SPDX-License-Identifier: Apache-2.0
"""The two documents of --json (spec/runner.md 7.3), and their schemas."""
import json
import pathlib
import urllib.parse

import json_schema
from vtask_e2e import ROOT, VtTest, requires


class DocumentTest(VtTest):

    def setUp(self):
        super().setUp()
        self.write('package.json', {'name': 'root', 'workspaces': ['packages/*'],
                                    'scripts': {'build': 'echo root'}})
        self.write('packages/lib/package.json', {
            'name': '@my/lib', 'version': '1.0.0',
            'scripts': {'build': 'echo lib', 'prebuild': 'echo first'}})
        self.write('packages/app/package.json', {
            'name': '@my/app', 'dependencies': {'@my/lib': 'workspace:*'},
            'devDependencies': {'a#b%': 'workspace:*'}})
        self.write('packages/odd/package.json', {'name': 'a#b%', 'scripts': {
            'x#y%': 'echo odd'}})
        self.write('packages/app/vite-task.json', {'tasks': {
            'build': {'command': ['cat in.txt', 'echo done'],
                      'dependsOn': [{'task': 'build', 'from': 'dependencies'}]},
            'list': {'command': 'cat in.txt', 'cwd': '../..'},
            'off': {'command': 'cat in.txt', 'cache': False},
            'gen': {'command': 'cp in.txt out.txt && cat out.txt'},
            'all': {'command': 'vt run -r build x'}}})
        self.write('packages/app/in.txt', 'one\n')
        self.write('in.txt', 'root\n')
        self.app = self.workspace / 'packages/app'

    def document(self, *args, **options):
        result = self.assertOk(self.vt('run', '--json', *args, **options))
        self.assertEqual(result.out.count('\n'), 1)
        self.assertTrue(result.out.endswith('\n'))
        document = json.loads(result.out)
        kind = 'run-plan' if 'plan' in document else 'task-graph'
        schema = json.loads((ROOT / f'docs/schema/{kind}.schema.json').read_text())
        self.assertEqual(json_schema.problems(document, schema), [])
        # The URL leads to the schema, wherever we are installed.
        url = urllib.parse.urlparse(document['$schema'])
        self.assertEqual((url.scheme, url.netloc), ('file', ''))
        installed = pathlib.Path(urllib.parse.unquote(url.path))
        self.assertEqual(json.loads(installed.read_text()), schema)
        self.assertEqual(document['version'], 1)
        self.assertEqual(document['workspaceRoot'], str(self.workspace))
        return document

    def step(self, *args, task='packages/app#build', index=0, **options):
        plan = self.document('--dry-run', *args, cwd=self.app, **options)['plan']
        return plan[task]['steps'][index]

    def test_graph(self):
        graph = self.document()
        self.assertEqual(graph, self.document(cwd=self.app))
        self.assertEqual(graph['packages'], {
            '.': {'name': 'root'},
            'packages/app': {'name': '@my/app', 'dependencies': ['packages/lib'],
                             'devDependencies': ['packages/odd']},
            'packages/lib': {'name': '@my/lib'},
            'packages/odd': {'name': 'a#b%'}})
        tasks = graph['tasks']
        self.assertEqual(tasks['build'],
                         {'package': '.', 'name': 'build', 'command': 'echo root'})
        self.assertEqual(tasks['packages/app#build'], {
            'package': 'packages/app', 'name': 'build',
            'command': ['cat in.txt', 'echo done'],
            'dependsOn': ['packages/lib#build']})
        self.assertEqual(tasks['packages/app#list']['cwd'], '.')
        self.assertEqual(tasks['packages/odd#x%23y%25']['name'], 'x#y%')
        self.assertIn('packages/lib#prebuild', tasks)

    def test_plan_lists_steps_with_hooks(self):
        plan = self.document('--dry-run', 'build', cwd=self.app)['plan']
        self.assertEqual(set(plan), {'packages/app#build', 'packages/lib#build'})
        self.assertEqual(plan['packages/lib#build']['steps'], [
            {'program': 'echo', 'args': ['first'], 'hook': 'prebuild'},
            {'program': 'echo', 'args': ['lib']}])
        app = plan['packages/app#build']
        self.assertEqual(app['dependsOn'], ['packages/lib#build'])
        self.assertEqual(app['steps'][0]['args'], ['in.txt'])
        self.assertEqual(app['steps'][0]['cache'], {'status': 'noBaseline'})

    @requires('listener')
    def test_plan_tells_hits_and_changes(self):
        self.assertOk(self.vt('run', 'build', cwd=self.app))
        cache = self.step('build')['cache']
        self.assertEqual(cache['status'], 'hit')
        self.assertEqual(set(cache), {'status', 'baseline'})
        self.assertGreaterEqual(cache['baseline']['durationMs'], 0)
        self.write('packages/app/in.txt', 'two\n')
        cache = self.step('build')['cache']
        self.assertEqual(cache['status'], 'changed')
        change = {'kind': 'file', 'path': 'packages/app/in.txt', 'change': 'changed'}
        self.assertEqual(cache['changes'], [change])
        self.assertTrue(cache['changesPartial'])
        cache = self.step('-v', 'build')['cache']
        self.assertEqual(cache['changes'], [change])
        self.assertNotIn('changesPartial', cache)
        # Nothing was run, and nothing stored.
        self.assertEqual(self.step('build')['cache']['status'], 'changed')

    @requires('listener')
    def test_plan_after_a_writer_is_unknown(self):
        self.assertOk(self.vt('run', 'gen', cwd=self.app))
        self.write('packages/app/in.txt', 'two\n')
        first = self.step('gen', task='packages/app#gen')
        second = self.step('gen', task='packages/app#gen', index=1)
        self.assertEqual(first['cache']['status'], 'changed')
        self.assertEqual(second['cache']['status'], 'unknown')

    @requires('listener')
    def test_plan_names_what_a_result_was_made_from(self):
        self.assertOk(self.vt('run', 'gen', cwd=self.app))
        baseline = self.step('-vv', 'gen', task='packages/app#gen')['cache']['baseline']
        entry = baseline['fingerprint']['inputs']['packages/app/in.txt']
        self.assertEqual(entry['type'], 'file')
        self.assertRegex(entry['hash'], r'^[0-9a-f]{16}$')
        self.assertEqual(baseline['outputs'], ['packages/app/out.txt'])

    @requires('listener')
    def test_plan_tells_changed_settings(self):
        self.assertOk(self.vt('run', 'list', cwd=self.app))
        self.write('packages/app/vite-task.json', {'tasks': {
            'list': {'command': 'head -n1 in.txt', 'cwd': '.',
                     'cache': {'env': ['MODE']}}}})
        cache = self.step('list', task='packages/app#list', env={'MODE': 'x'})['cache']
        self.assertEqual(cache['status'], 'changed')
        self.assertEqual(cache['changes'], [
            {'kind': 'program', 'from': 'cat', 'to': 'head'},
            {'kind': 'args', 'from': ['in.txt'], 'to': ['-n1', 'in.txt']},
            {'kind': 'cwd', 'from': '.', 'to': 'packages/app'},
            {'kind': 'env', 'name': 'MODE', 'change': 'added'}])
        self.assertTrue(cache['changesPartial'])
        self.assertNotIn('baseline', cache)

    def test_plan_of_an_uncached_step(self):
        step = self.step('off', task='packages/app#off')
        self.assertEqual(step['cache'], {'status': 'disabled'})
        self.assertTrue(step['program'].endswith('/cat'))
        self.assertNotIn('cwd', step)

    def test_plan_of_a_step_elsewhere(self):
        self.assertEqual(self.step('list', task='packages/app#list')['cwd'], '.')

    def test_plan_in_a_plan(self):
        step = self.step('all', task='packages/app#all')
        self.assertEqual(step['expandedFrom'], 'vt run -r build x')
        self.assertEqual(set(step['plan']),
                         {'build', 'packages/app#build', 'packages/lib#build'})
        self.assertEqual(step['plan']['build']['steps'],
                         [{'program': 'echo', 'args': ['root', 'x']}])

    def test_errors_are_texts(self):
        for args, text in (
                (('--dry-run', 'nope'), 'Task "nope" not found'),
                (('build',), '--dry-run'),
                (('-r',), '--json'),
                (('--last-details',), '--last-details')):
            with self.subTest(args=args):
                result = self.vt('run', '--json', *args)
                self.assertIn(result.code, (1, 2))
                self.assertEqual(result.out, '')
                self.assertIn(text, result.err)

    def test_a_filter_without_packages_gives_an_empty_plan(self):
        document = self.document('--dry-run', '--filter', 'nope', 'build')
        self.assertEqual(document['plan'], {})
