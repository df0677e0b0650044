# SPDX-License-Identifier: Apache-2.0
"""Workspaces: order by dependency, cold and warm, on real pnpm and others."""
import re
import shutil

from vtask_e2e import NODE_BIN, PNPM, VtTest, timeout

COUNT = 20
# Reads its sources and each dependency's dist through node_modules, as a bundler
# does; fails if a dependency was not built before.
BUILD = '''
const fs = require('fs')
const { dependencies = {} } = JSON.parse(fs.readFileSync('package.json', 'utf8'))
const parts = [fs.readFileSync('src/index.txt', 'utf8')]
for (const name of Object.keys(dependencies)) {
  parts.push(fs.readFileSync(`node_modules/${name}/dist/index.txt`, 'utf8'))
}
fs.rmSync('dist', { recursive: true, force: true })
fs.mkdirSync('dist')
fs.writeFileSync('dist/index.txt', parts.join('+'))
console.log('built ' + process.cwd().split('/').pop())
'''


def needs(i):
    """A package depends on up to three of lower number."""
    return sorted({i // 2, i // 3, i - 1} - {i, -1, 0} | ({0} if i else set()))


class PnpmTest(VtTest):

    def setUp(self):
        super().setUp()
        self.write('pnpm-workspace.yaml', 'packages:\n  - packages/*\n')
        self.write('package.json', {'name': 'root', 'private': True})
        self.write('tools/build.cjs', BUILD)
        for i in range(COUNT):
            where = f'packages/p{i:02}'
            self.package({'build': 'node ../../tools/build.cjs'}, where=where)
            self.write(f'{where}/package.json', {
                'name': f'@test/p{i:02}', 'version': '1.0.0',
                'dependencies': {f'@test/p{j:02}': 'workspace:*' for j in needs(i)}})
            self.write(f'{where}/src/index.txt', f's{i}')
        self.assertOk(self.command(
            NODE_BIN / 'node', PNPM, 'install', '--offline', '--config.confirmModulesPurge=false',
            env={'CI': '1'}))

    def expected(self, i, sources=None):
        own = (sources or {}).get(i, f's{i}')
        return '+'.join([own, *(self.expected(j, sources) for j in needs(i))])

    def check_outputs(self, sources=None):
        for i in range(COUNT):
            self.assertEqual(self.read(f'packages/p{i:02}/dist/index.txt'),
                             self.expected(i, sources), f'p{i:02}')

    def build(self, *flags):
        return self.assertOk(self.vt('run', *flags, '-r', 'build', patience_s=100))

    @timeout(120)
    def test_twenty_packages_are_built_in_order_and_hit(self):
        cold = self.build()
        self.check_outputs()
        self.assertIn(f'0/{COUNT} cache hit (0%), {COUNT}/{COUNT} successful', cold.out)
        order = re.findall(r'built p(\d\d)', cold.out)
        self.assertEqual(len(order), COUNT)
        for i in range(COUNT):
            for j in needs(i):
                self.assertLess(order.index(f'{j:02}'), order.index(f'{i:02}'))

        warm = self.build()
        self.assertIn(f'{COUNT}/{COUNT} cache hit (100%), {COUNT}/{COUNT} successful',
                      warm.out)
        self.check_outputs()

        for i in range(COUNT):
            shutil.rmtree(self.workspace / f'packages/p{i:02}/dist')
        self.assertIn(f'{COUNT}/{COUNT} cache hit', self.build().out)
        self.check_outputs()

    @timeout(120)
    def test_edits_run_what_depends_on_them_and_undo_hits(self):
        self.build()
        leaf = COUNT - 1
        self.write(f'packages/p{leaf:02}/src/index.txt', 'leaf')
        out = self.build().out
        self.assertIn(f'{COUNT - 1}/{COUNT} cache hit', out)
        self.assertIn(f"cache miss: 'packages/p{leaf:02}/src/index.txt' modified", out)
        self.check_outputs({leaf: 'leaf'})

        self.write('packages/p00/src/index.txt', 'base')
        self.assertIn(f'0/{COUNT} cache hit', self.build().out)
        self.check_outputs({leaf: 'leaf', 0: 'base'})

        self.write('packages/p00/src/index.txt', 's0')
        self.write(f'packages/p{leaf:02}/src/index.txt', f's{leaf}')
        self.assertIn(f'{COUNT}/{COUNT} cache hit', self.build().out)
        self.check_outputs()

    @timeout(120)
    def test_one_package_and_its_dependencies(self):
        self.assertOk(self.vt('run', '@test/p00#build'))
        out = self.assertOk(self.vt('run', '-t', 'build',
                                    cwd=self.workspace / 'packages/p03')).out
        self.assertIn('~/packages/p00$ node ../../tools/build.cjs ◉ cache hit', out)
        self.assertEqual(self.read('packages/p03/dist/index.txt'), self.expected(3))
        self.assertFalse((self.workspace / 'packages/p04/dist').exists())

    @timeout(120)
    def test_two_recursive_runs_at_the_same_moment(self):
        runs = [self.start_vt('run', '-r', 'build') for _ in range(2)]
        for run in runs:
            self.assertEqual(run.finish(100), 0, run.output)
        self.check_outputs()
        self.assertIn(f'{COUNT}/{COUNT} cache hit', self.build().out)

    @timeout(120)
    def test_failure_in_the_middle_stops_what_depends_on_it(self):
        (self.workspace / 'packages/p02/src/index.txt').unlink()
        result = self.vt('run', '-r', 'build')
        self.assertNotEqual(result.code, 0)
        self.assertFalse((self.workspace / 'packages/p04/dist').exists())
        self.write('packages/p02/src/index.txt', 's2')
        self.build()
        self.check_outputs()


class OtherWorkspacesTest(VtTest):

    def workspace_of(self, manifest, ranges):
        """Three packages c -> b -> a, each printing its name when it runs."""
        self.write('package.json', {'name': 'root', 'private': True, **manifest})
        for name, needed in (('a', None), ('b', 'a'), ('c', 'b')):
            self.package({'build': 'cat package.json'}, where=f'packages/{name}')
            self.write(f'packages/{name}/package.json', {
                'name': name, 'version': '1.2.0',
                'dependencies': {needed: ranges} if needed else {}})

    def order(self, *flags):
        out = self.assertOk(self.vt('run', *flags, 'build')).out
        return re.findall(r'^~/packages/(\w)\$', out, re.M)

    def test_npm_workspaces_have_an_order(self):
        self.workspace_of({'workspaces': ['packages/*']}, '^1.0.0')
        for _ in ('cold', 'warm'):
            self.assertEqual(self.order('-r'), ['a', 'b', 'c'])

    def test_yarn_workspaces_have_an_order(self):
        self.workspace_of({'workspaces': {'packages': ['packages/*']}}, '*')
        self.write('yarn.lock', '')
        self.write('.yarnrc.yml', 'nodeLinker: node-modules\n')
        for _ in ('cold', 'warm'):
            self.assertEqual(self.order('-r'), ['a', 'b', 'c'])

    def test_depends_on_names_tasks_of_other_packages(self):
        self.workspace_of({'workspaces': ['packages/*']}, '*')
        self.package({'build': {'command': 'cat package.json',
                                'dependsOn': ['c#build']}}, where='packages/a')
        self.write('packages/a/package.json', {'name': 'a'})
        out = self.assertOk(self.vt('run', 'a#build')).out
        self.assertEqual(re.findall(r'^~/packages/(\w)\$', out, re.M), ['c', 'a'])

    def test_concurrency_limit_of_one_runs_one_after_the_other(self):
        self.workspace_of({'workspaces': ['packages/*']}, 'nothing')
        for name in 'abc':
            self.package({'build': "sh -c 'mkdir $HOME/lock && rmdir $HOME/lock'"},
                         where=f'packages/{name}')
        self.assertOk(self.vt('run', '--concurrency-limit', '1', '-r', 'build'))

    def test_filter_selects_packages(self):
        self.workspace_of({'workspaces': ['packages/*']}, '*')
        self.assertEqual(self.order('--filter', 'b...'), ['a', 'b'])
        self.assertEqual(self.order('--filter', 'b'), ['b'])
