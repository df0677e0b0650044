# SPDX-License-Identifier: Apache-2.0
"""`vt migrate`: configurations as real repositories have them, and what runs
afterwards."""
import json
import re

from vtask_e2e import VtTest, requires


def without_comments(text):
    return json.loads(re.sub(r'^\s*//.*$', '', text, flags=re.M))


class MigrateTest(VtTest):

    def manifests(self, root=None, **packages):
        """package.json files: of the root, and of packages/NAME."""
        self.write('package.json', {'name': 'monorepo', 'private': True,
                                    'workspaces': ['packages/*'], **(root or {})})
        for name, more in packages.items():
            self.write(f'packages/{name}/package.json',
                       {'name': f'@acme/{name}', 'version': '1.0.0', **more})

    def config(self, path):
        return without_comments(self.read(f'{path}/vite-task.json'))['tasks']

    def migrate(self, *args):
        """Migrates everything, and proves that the result loads."""
        result = self.assertOk(self.vt('migrate', '--move-scripts', *args))
        graph = self.assertOk(self.vt('run', '--json'))
        self.graph = json.loads(graph.out)['tasks']
        return result

    # --- turbo ---------------------------------------------------------------

    TURBO_2 = '''\
// The pipeline of the monorepo
{
  "$schema": "https://turbo.build/schema.json",
  "ui": "tui",
  "globalDependencies": ["tsconfig.base.json"],
  "globalEnv": ["CI_MODE"],
  "globalPassThroughEnv": ["AWS_TOKEN_FILE"],
  "remoteCache": { "signature": true },
  "tasks": {
    "build": {
      "dependsOn": ["^build", "codegen"],
      "inputs": ["$TURBO_DEFAULT$", "!**/*.test.ts", "!$TURBO_ROOT$/docs/**"],
      "outputs": ["dist/**", "!dist/cache/**"],
      "env": ["NODE_ENV", "NEXT_PUBLIC_*"],
      "passThroughEnv": ["SENTRY_TOKEN"],
    },
    "codegen": { "outputs": ["src/generated/**"] },
    "test": { "dependsOn": ["build", "@acme/lib#codegen"], "outputLogs": "new-only" },
    "dev": { "cache": false, "persistent": true },
    "lint": {},
    "@acme/web#lint": { "cache": false },
    "//#format": { "inputs": ["**/*.ts"] },
    "deploy": { "dependsOn": ["nope#deploy"] }
  }
}
'''

    def turbo_2(self):
        self.manifests(
            {'scripts': {'format': 'echo formatted', 'build': 'turbo run build',
                         'clean': 'rm -rf dist'}},
            lib={'scripts': {'build': 'echo lib-built', 'codegen': 'echo generated',
                             'lint': 'echo lint', 'storybook': 'echo story'}},
            web={'scripts': {'build': 'echo web-built', 'prebuild': 'echo before',
                             'test': 'echo tested', 'dev': 'echo dev',
                             'lint': 'echo lint', 'deploy': 'echo deployed'},
                 'dependencies': {'@acme/lib': 'workspace:*'}})
        self.write('turbo.json', self.TURBO_2)

    def test_turbo_2(self):
        self.turbo_2()
        result = self.migrate()
        self.assertEqual(self.config('packages/lib'), {
            'build': {
                'command': 'echo lib-built',
                'dependsOn': [{'task': 'build',
                               'from': ['dependencies', 'devDependencies']}, 'codegen'],
                'cache': {
                    'env': ['CI_MODE', 'NODE_ENV', 'NEXT_PUBLIC_*'],
                    'untrackedEnv': ['AWS_TOKEN_FILE', 'SENTRY_TOKEN'],
                    'input': [{'auto': True}, '!**/*.test.ts',
                              {'pattern': '!docs/**', 'base': 'workspace'}],
                    'output': [{'auto': True}, '!dist/cache/**']}},
            'codegen': {'command': 'echo generated',
                        'cache': {'env': ['CI_MODE'],
                                  'untrackedEnv': ['AWS_TOKEN_FILE']}},
            'lint': {'command': 'echo lint',
                     'cache': {'env': ['CI_MODE'],
                               'untrackedEnv': ['AWS_TOKEN_FILE']}}})
        web = self.config('packages/web')
        # What npm ran before; `codegen` is not a script of this package.
        self.assertEqual(web['build']['command'], ['echo before', 'echo web-built'])
        self.assertEqual(web['build']['dependsOn'],
                         [{'task': 'build', 'from': ['dependencies', 'devDependencies']}])
        self.assertEqual(web['test']['dependsOn'], ['build', '@acme/lib#codegen'])
        self.assertEqual(web['dev'], {'command': 'echo dev', 'cache': False})
        self.assertEqual(web['lint'], {'command': 'echo lint', 'cache': False})
        self.assertEqual(list(self.config('.')), ['format'])
        # Scripts that turbo did not know stay scripts.
        manifest = json.loads(self.read('packages/lib/package.json'))
        self.assertEqual(manifest['scripts'], {'storybook': 'echo story'})
        root = json.loads(self.read('package.json'))
        self.assertEqual(root['scripts'],
                         {'build': 'turbo run build', 'clean': 'rm -rf dist'})
        text = self.read('packages/web/vite-task.json')
        self.assertIn('// `outputLogs` has no equivalent; see `vt run --log`', text)
        self.assertIn('// dependsOn `nope#deploy`: there is no such task', text)
        for note in ('globalDependencies', 'remoteCache', '`ui`',
                     'script `build` calls turbo'):
            self.assertIn(note, result.out)

    def test_what_turbo_did_runs(self):
        self.turbo_2()
        self.migrate()
        result = self.assertOk(self.vt('run', '-F', '@acme/web', 'test'))
        lines = [line for line in result.out.splitlines()
                 if line.endswith(('built', 'generated', 'tested', 'before'))]
        self.assertEqual(lines, ['generated', 'lib-built', 'before', 'web-built', 'tested'])

    def test_turbo_1(self):
        self.manifests(app={'scripts': {
            'build': 'echo built', 'test': 'echo tested', 'start': 'echo started'}})
        self.write('turbo.json', {
            '$schema': 'https://turborepo.org/schema.json',
            'baseBranch': 'origin/main',
            'globalDependencies': ['$GITHUB_SHA', '.env'],
            'pipeline': {
                'build': {'dependsOn': ['^build', '$API_URL'], 'outputs': ['dist/**']},
                'test': {'dependsOn': ['build'], 'outputs': [], 'inputs': ['src/**']},
                'start': {'dependsOn': ['build'], 'cache': False, 'outputMode': 'full'}}})
        result = self.migrate()
        tasks = self.config('packages/app')
        self.assertEqual(tasks['build']['cache'], {'env': ['GITHUB_SHA', 'API_URL']})
        self.assertEqual(tasks['test']['dependsOn'], ['build'])
        self.assertEqual(tasks['start']['cache'], False)
        self.assertIn('`baseBranch` has no equivalent', result.out)
        self.assertIn('`inputs` left out', self.read('packages/app/vite-task.json'))

    def test_turbo_of_a_package_wins(self):
        self.manifests(app={'scripts': {'build': 'echo built', 'docs': 'echo docs'}})
        self.write('turbo.json', {'tasks': {
            'build': {'dependsOn': ['^build'], 'env': ['A']}}})
        self.write('packages/app/turbo.json', {'extends': ['//'], 'tasks': {
            'build': {'env': ['B']}, 'docs': {'cache': False}}})
        result = self.migrate()
        tasks = self.config('packages/app')
        self.assertEqual(tasks['build']['cache'], {'env': ['B']})
        self.assertEqual(len(tasks['build']['dependsOn']), 1)
        self.assertEqual(tasks['docs']['cache'], False)
        self.assertIn('packages/app/turbo.json', result.out)

    # --- nx ------------------------------------------------------------------

    def test_nx_with_packages(self):
        self.manifests(
            lib={'scripts': {'build': 'echo lib-built', 'test': 'echo lib-tested',
                             'other': 'echo other'}},
            app={'scripts': {'build': 'echo app-built'},
                 'dependencies': {'@acme/lib': '*'},
                 'nx': {'targets': {'serve': {
                     'command': 'echo serving {projectName} in {projectRoot}',
                     'continuous': True, 'dependsOn': ['@acme/lib:build']}}}})
        self.write('nx.json', {
            '$schema': './node_modules/nx/schemas/nx-schema.json',
            'namedInputs': {
                'default': ['{projectRoot}/**/*', 'sharedGlobals'],
                'sharedGlobals': ['{workspaceRoot}/babel.config.json', {'env': 'REGION'}],
                'production': ['default', '!{projectRoot}/**/*.spec.ts',
                               '!{workspaceRoot}/docs/**']},
            'targetDefaults': {
                'build': {'dependsOn': ['^build'], 'cache': True,
                          'inputs': ['production', '^production',
                                     {'runtime': 'node --version'}],
                          'outputs': ['{projectRoot}/dist']},
                'test': {'dependsOn': ['build'], 'cache': True,
                         'inputs': ['default', {'externalDependencies': ['vitest']}],
                         'configurations': {'ci': {}}}},
            'defaultBase': 'main', 'plugins': ['@nx/eslint/plugin'], 'parallel': 5})
        result = self.migrate()
        lib, app = self.config('packages/lib'), self.config('packages/app')
        self.assertEqual(lib['build'], {
            'command': 'echo lib-built',
            'dependsOn': [{'task': 'build', 'from': ['dependencies', 'devDependencies']}],
            'cache': {'env': ['REGION'],
                      'input': [{'auto': True}, '!**/*.spec.ts',
                                {'pattern': '!docs/**', 'base': 'workspace'}]}})
        self.assertEqual(lib['test']['dependsOn'], ['build'])
        self.assertEqual(app['serve'], {
            'command': 'echo serving @acme/app in packages/app', 'cwd': '../..',
            'dependsOn': ['@acme/lib#build'], 'cache': False})
        text = self.read('packages/lib/vite-task.json')
        self.assertIn('runtime: node --version', text)
        self.assertIn('`configurations` has no equivalent', text)
        for note in ('plugins', 'parallel', "vt run -F '...[main]' build"):
            self.assertIn(note, result.out)
        self.assertEqual(json.loads(self.read('packages/lib/package.json'))['scripts'],
                         {'other': 'echo other'})
        self.assertIn('lib-built', self.assertOk(
            self.vt('run', '-F', '@acme/app...', 'build')).out)

    def test_nx_with_project_files(self):
        self.manifests({'workspaces': ['none/*']})
        self.write('nx.json', {'tasksRunnerOptions': {'default': {
            'runner': 'nx/tasks-runners/default',
            'options': {'cacheableOperations': ['build', 'test']}}}})
        self.write('apps/shop/project.json', {
            'name': 'shop', 'projectType': 'application',
            'targets': {
                'build': {'executor': '@nx/vite:build',
                          'outputs': ['{options.outputPath}'],
                          'options': {'outputPath': 'dist/apps/shop'},
                          'dependsOn': [{'projects': ['ui'], 'target': 'build'}]},
                'steps': {'executor': 'nx:run-commands', 'options': {
                    'commands': ['echo one', {'command': 'echo two'}],
                    'cwd': '{projectRoot}', 'env': {'MODE': "it's"}}},
                'e2e': {'executor': '@acme/own:e2e'}}})
        self.write('libs/ui/project.json', {'name': 'ui', 'targets': {
            'build': {'executor': 'nx:run-commands', 'options': {
                'command': 'echo ui-built', 'parallel': False}},
            'test': {'executor': '@nx/jest:jest', 'inputs': ['!{projectRoot}/x/**'],
                     'dependsOn': ['^build']}}})
        result = self.migrate()
        tasks = self.config('.')
        self.assertEqual(tasks['shop:build'],
                         {'command': 'vite build', 'cwd': 'apps/shop',
                          'dependsOn': ['ui:build']})
        self.assertEqual(tasks['ui:build'], {'command': 'echo ui-built', 'cwd': '.'})
        self.assertEqual(tasks['shop:steps'], {
            'command': ["MODE='it'\\''s' echo one", "MODE='it'\\''s' echo two"],
            'cwd': 'apps/shop', 'cache': False})
        self.assertEqual(tasks['ui:test']['cache'], {'input': [
            {'auto': True}, {'pattern': '!libs/ui/x/**', 'base': 'workspace'}]})
        text = self.read('vite-task.json')
        self.assertIn('// was executor @nx/vite:build', text)
        self.assertIn('ran in parallel', text)
        self.assertIn('shop: target `e2e` (@acme/own:e2e) left out', result.out)
        self.assertIn('ui-built', self.assertOk(self.vt('run', 'ui:build')).out)

    # --- wireit --------------------------------------------------------------

    def test_wireit(self):
        self.manifests(
            lib={'scripts': {'build': 'wireit', 'tsc': 'wireit'},
                 'wireit': {
                     'build': {'dependencies': ['tsc']},
                     'tsc': {'command': 'echo compiled',
                             'files': ['src/**/*.ts', '!src/**/*.md'],
                             'output': ['lib/**'], 'clean': 'if-file-deleted'}}},
            app={'scripts': {'serve': 'wireit', 'test': 'wireit', 'other': 'echo o'},
                 'wireit': {
                     'serve': {'command': 'echo serving', 'service': True,
                               'files': ['server.js']},
                     'test': {'command': 'echo a && echo b',
                              'dependencies': ['serve', '../lib:build', '../lib:nope',
                                               {'script': '../lib:tsc', 'cascade': False}],
                              'files': [], 'output': [],
                              'env': {'MODE': 'test it',
                                      'CHROME': {'external': True, 'default': 'x'}}}}})
        result = self.migrate()
        lib, app = self.config('packages/lib'), self.config('packages/app')
        self.assertEqual(lib['build'], {'command': [], 'dependsOn': ['tsc']})
        self.assertEqual(lib['tsc'], {
            'command': 'echo compiled',
            'cache': {'input': [{'auto': True}, '!src/**/*.md']}})
        self.assertEqual(app['serve'], {'command': 'echo serving', 'cache': False})
        self.assertEqual(app['test'], {
            'command': "export MODE='test it' && echo a && echo b",
            'dependsOn': ['@acme/lib#build', '@acme/lib#tsc'],
            'cache': {'env': ['CHROME']}})
        text = self.read('packages/app/vite-task.json')
        for note in ('`serve` left out: it is a service', '`../lib:nope`: there is no',
                     'the default of `CHROME`', '`cascade: false`'):
            self.assertIn(note, text)
        self.assertEqual(json.loads(self.read('packages/app/package.json'))['scripts'],
                         {'other': 'echo o'})
        self.assertIn('wireit', result.out)
        run = self.assertOk(self.vt('run', 'test', cwd=self.workspace / 'packages/app'))
        self.assertRegex(run.out, r'(?s)compiled.*\na\nb\n')

    # --- what is written -------------------------------------------------------

    def small(self):
        self.manifests(app={'scripts': {'build': 'echo built', 'x': 'echo x'}})
        self.write('turbo.json', {'tasks': {'build': {'outputs': ['dist/**']}}})

    def test_dry_run_writes_nothing(self):
        self.small()
        before = self.snapshot('.')
        result = self.assertOk(self.vt('migrate', '--dry-run'))
        self.assertEqual(self.snapshot('.'), before)
        self.assertIn('--- packages/app/vite-task.json\n'
                      '// Written by `vt migrate` from turbo.json.\n', result.out)
        self.assertIn('Nothing was written.', result.out)

    def test_nothing_is_overwritten_without_force(self):
        self.small()
        self.write('packages/app/vite-task.json', '{}')
        before = self.snapshot('.')
        result = self.assertCode(1, self.vt('migrate', '--move-scripts'))
        self.assertIn('packages/app/vite-task.json exists', result.err)
        self.assertIn('--force', result.err)
        self.assertEqual(self.snapshot('.'), before)
        self.assertOk(self.vt('migrate', '--force', '--move-scripts'))
        self.assertIn('echo built', self.read('packages/app/vite-task.json'))

    def test_scripts_stay_unless_they_are_to_be_moved(self):
        self.small()
        manifest = self.read('packages/app/package.json')
        result = self.assertOk(self.vt('migrate'))
        self.assertEqual(self.read('packages/app/package.json'), manifest)
        self.assertIn('packages/app/package.json: build', result.out)
        self.assertIn('vt migrate --move-scripts --force', result.out)
        # And this is why.
        self.assertIn('conflicts with a package.json script',
                      self.assertCode(2, self.vt('run', 'x')).err)
        self.assertOk(self.vt('migrate', '--move-scripts', '--force'))
        self.assertEqual(self.read('packages/app/package.json'),
                         manifest.replace('    "build": "echo built",\n', ''))

    def test_files_have_the_modes_of_the_caller(self):
        self.small()
        self.command('sh', '-c', f'umask 027; {self.vt_program} migrate')
        mode = (self.workspace / 'packages/app/vite-task.json').stat().st_mode
        self.assertEqual(oct(mode & 0o777), '0o640')

    def test_the_tool_can_be_chosen(self):
        self.small()
        self.write('nx.json', {})
        self.assertIn('turbo.json', self.vt('migrate', '-n').out)
        self.assertCode(1, self.vt('migrate', '--from', 'wireit'))
        self.assertIn('No package has a task to migrate',
                      self.assertOk(self.vt('migrate', '--from=nx', '-n')).out)

    def test_errors(self):
        self.manifests()
        result = self.assertCode(1, self.vt('migrate'))
        self.assertIn('nothing to migrate', result.err)
        self.write('turbo.json', '{\n  "tasks": {,}\n}')
        result = self.assertCode(2, self.vt('migrate'))
        self.assertIn('turbo.json:2:', result.err)

    @requires('listener')
    def test_migrated_tasks_are_cached(self):
        self.manifests(app={'scripts': {'build': 'cp in.txt out.txt'}})
        self.write('packages/app/in.txt', 'x')
        self.write('turbo.json', {'tasks': {'build': {'outputs': ['out.txt']}}})
        self.migrate()
        app = self.workspace / 'packages/app'
        self.assertFirst(self.vt('run', 'build', cwd=app))
        (app / 'out.txt').unlink()
        self.assertHit(self.vt('run', 'build', cwd=app))
        self.assertEqual(self.read('packages/app/out.txt'), 'x')
