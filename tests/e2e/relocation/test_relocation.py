# SPDX-License-Identifier: Apache-2.0
"""Results of one clone in another (decisions H8), and of one branch after another."""
import shutil

from vtask_e2e import NODE_BIN, PNPM, VtTest, timeout

BUILD = '''
const fs = require('fs')
const text = fs.readFileSync('in.txt', 'utf8')
fs.mkdirSync('dist', { recursive: true })
fs.writeFileSync('dist/out.txt', text.toUpperCase())
console.log('built ' + text)
'''
# A tool of one package that the others use through pnpm's .bin script.
TOOL = '''#!/usr/bin/env node
const fs = require('fs')
const config = require('@test/config')
fs.mkdirSync('dist', { recursive: true })
fs.writeFileSync('dist/out.txt', config.prefix + fs.readFileSync('in.txt', 'utf8'))
console.log('compiled with ' + config.prefix)
'''
COUNT = 20


class CloneTest(VtTest):
    """Two clones of one repository, made by git."""

    def setUp(self):
        super().setUp()
        self.clone = self.tmp / 'a' / 'longer' / 'path'
        self.env.update(GIT_CONFIG_GLOBAL='/dev/null', GIT_AUTHOR_NAME='n',
                        GIT_AUTHOR_EMAIL='e', GIT_COMMITTER_NAME='n', GIT_COMMITTER_EMAIL='e')
        self.workspace.mkdir()
        self.git('init', '-q', '-b', 'main')
        self.write('.gitignore', 'dist\nnode_modules\n')

    def git(self, *args, cwd=None):
        return self.assertOk(self.command('git', *args, cwd=cwd)).out

    def commit(self):
        self.git('add', '-A')
        self.git('commit', '-q', '-m', 'one')

    def make_clone(self):
        self.commit()
        self.git('clone', '-q', '.', str(self.clone))
        return self.clone

    def build(self, *flags, cwd=None):
        return self.vt('run', *flags, 'build', cwd=cwd)

    def simple(self, more='', **task):
        self.package({'build': {'command': 'node build.cjs', **task}})
        self.write('build.cjs', BUILD + more)
        self.write('in.txt', 'one')

    def test_a_fresh_clone_hits_without_building(self):
        self.simple()
        clone = self.make_clone()
        first = self.assertFirst(self.build())
        hit = self.assertHit(self.build(cwd=clone))
        self.assertIn('built one\n', first.out)
        self.assertIn('built one\n', hit.out)
        self.assertEqual((clone / 'dist/out.txt').read_text(), 'ONE')
        # And the other way round, after an edit there.
        (clone / 'in.txt').write_text('two')
        self.assertMiss("'in.txt' modified", self.build(cwd=clone))
        self.write('in.txt', 'two')
        self.assertHit(self.build())
        self.assertEqual(self.read('dist/out.txt'), 'TWO')

    def test_a_git_worktree_of_the_same_commit_hits_without_building(self):
        self.simple()
        self.commit()
        self.assertFirst(self.build())
        tree = self.tmp / 'tree'
        self.git('worktree', 'add', '-q', '--detach', str(tree))
        self.assertHit(self.build(cwd=tree))
        self.assertEqual((tree / 'dist/out.txt').read_text(), 'ONE')

    def test_an_output_with_the_root_in_it_counts_in_this_root_only(self):
        self.simple("fs.writeFileSync('dist/where.txt', process.cwd())")
        clone = self.make_clone()
        note = 'counts only in this directory: an output, or what was printed, names it'
        self.assertIn(note, self.assertOk(self.build('-vv')).out)
        self.assertNotIn(note, self.assertRan(self.build(cwd=clone)).out)
        for root in (self.workspace, clone):
            shutil.rmtree(root / 'dist')
            self.assertIn(note, self.assertOk(self.build('-vv', cwd=root)).out)
            self.assertHit(self.build(cwd=root))
            self.assertEqual((root / 'dist/where.txt').read_text(), str(root))

    def test_terminal_output_with_the_root_in_it_counts_in_this_root_only(self):
        self.simple("console.log('in ' + encodeURIComponent(process.cwd()))")
        clone = self.make_clone()
        quoted = [str(root).replace('/', '%2F') for root in (self.workspace, clone)]
        self.assertFirst(self.build())
        self.assertIn(f'in {quoted[1]}\n', self.assertRan(self.build(cwd=clone)).out)
        self.assertIn(f'in {quoted[0]}\n', self.assertHit(self.build()).out)
        self.assertIn(f'in {quoted[1]}\n', self.assertHit(self.build(cwd=clone)).out)
        self.assertIn('counts only in this directory', self.build('-vv').out)

    def test_share_root_keeps_a_result_to_this_root(self):
        self.simple(cache={'share': 'root'})
        clone = self.make_clone()
        self.assertFirst(self.build())
        self.assertRan(self.build(cwd=clone))
        self.assertHit(self.build())
        self.assertHit(self.build(cwd=clone))
        self.assertIn('counts only in this directory: `share` is "root"',
                      self.build('-vv').out)

    def test_an_input_with_the_root_in_it_hits_in_the_other_clone(self):
        self.simple("fs.readFileSync('local.txt', 'utf8')")
        clone = self.make_clone()
        self.write('local.txt', f'{self.workspace}/x')
        (clone / 'local.txt').write_text(f'{clone}/x')
        self.assertFirst(self.build())
        self.assertHit(self.build(cwd=clone))
        # That the root is replaced does not make any path equal.
        (clone / 'local.txt').write_text(f'{clone}/y')
        self.assertMiss("'local.txt' modified", self.build(cwd=clone))
        (clone / 'local.txt').write_text(f'{self.workspace}/x')
        self.assertMiss("'local.txt' modified", self.build(cwd=clone))

    def install(self, root):
        self.assertOk(self.command(
            NODE_BIN / 'node', PNPM, 'install', '--offline', '--config.confirmModulesPurge=false',
            cwd=root, env={'CI': '1'}))

    @timeout(120)
    def test_what_pnpm_installed_in_two_clones_hits(self):
        self.write('pnpm-workspace.yaml', 'packages:\n  - packages/*\n')
        self.write('package.json', {'name': 'root', 'private': True})
        self.write('packages/config/package.json', {'name': '@test/config', 'version': '1.0.0'})
        self.write('packages/config/index.js', "exports.prefix = 'v1 '")
        self.write('packages/tool/package.json', {
            'name': '@test/tool', 'version': '1.0.0', 'bin': {'compile': 'compile.js'},
            'dependencies': {'@test/config': 'workspace:*'}})
        self.write('packages/tool/compile.js', TOOL, mode=0o755)
        self.write('packages/app/package.json', {
            'name': '@test/app', 'version': '1.0.0',
            'devDependencies': {'@test/tool': 'workspace:*'}})
        self.write('packages/app/vite-task.json', {'tasks': {'build': 'compile'}})
        self.write('packages/app/in.txt', 'one')
        self.install(self.workspace)
        clone = self.make_clone()
        self.install(clone)
        # The script that is executed names the root of its clone.
        for root in (self.workspace, clone):
            script = root / 'packages/app/node_modules/.bin/compile'
            self.assertIn(str(root), script.read_text())
        self.assertFirst(self.build(cwd=self.workspace / 'packages/app'))
        self.assertHit(self.build(cwd=self.workspace / 'packages/app'))
        self.assertHit(self.build(cwd=clone / 'packages/app'))
        self.assertEqual((clone / 'packages/app/dist/out.txt').read_text(), 'v1 one')
        # What the tool takes from a package that it depends on counts as well.
        (clone / 'packages/config/index.js').write_text("exports.prefix = 'v2 '")
        self.assertMiss("'packages/config/index.js' modified",
                        self.build(cwd=clone / 'packages/app'))
        self.assertEqual((clone / 'packages/app/dist/out.txt').read_text(), 'v2 one')
        tree = self.tmp / 'tree'
        self.git('worktree', 'add', '-q', '--detach', str(tree))
        self.install(tree)
        self.assertHit(self.build(cwd=tree / 'packages/app'))
        self.assertEqual((tree / 'packages/app/dist/out.txt').read_text(), 'v1 one')

    # --- branches -----------------------------------------------------------

    def expected(self, i, states):
        own = f'{states[i % len(states)]}{i}'
        return own + (f'+{self.expected(i // 2, states)}' if i else '')

    @timeout(180)
    def test_branches_that_alternate_hit_from_the_third_run_on(self):
        self.write('pnpm-workspace.yaml', 'packages:\n  - packages/*\n')
        self.write('package.json', {'name': 'root', 'private': True})
        for i in range(COUNT):
            where = f'packages/p{i:02}'
            below = f'../p{i // 2:02}/dist/out.txt' if i else '/dev/null'
            self.package(
                {'build': {
                    'command': f"sh -c 'mkdir -p dist && {{ cat src.txt && cat {below}; }} "
                               f"> dist/out.txt && cat dist/out.txt'",
                    'dependsOn': [f'p{i // 2:02}#build'] if i else []}}, where=where)
        branches = {'main': 'ab', 'other': 'xb', 'third': 'xy'}
        for branch, states in branches.items():
            if branch != 'main':
                self.git('checkout', '-q', '-b', branch)
            for i in range(COUNT):
                plus = '+' if i else ''
                self.write(f'packages/p{i:02}/src.txt', f'{states[i % 2]}{i}{plus}')
            self.commit()
        seen = set()
        for branch in ('main', 'other') * 2 + ('third', 'main', 'other', 'third'):
            self.git('checkout', '-q', branch)
            result = self.assertOk(self.vt('run', '-r', 'build', patience_s=100))
            if branch in seen:
                self.assertIn(f'{COUNT}/{COUNT} cache hit (100%)', result.out, branch)
            seen.add(branch)
            for i in range(COUNT):
                text = self.expected(i, branches[branch])
                self.assertEqual(self.read(f'packages/p{i:02}/dist/out.txt'), text)
                self.assertIn(text, result.out)
