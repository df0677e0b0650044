# SPDX-License-Identifier: Apache-2.0
"""Files that tasks read and write again (decisions H4), with contents that
alternate: the real compiler, and stand-ins for a linter and a formatter.
"""
import shutil

from vtask_e2e import DEPS, VtTest, timeout

TSC = DEPS / 'ground-truth/node_modules/typescript/bin/tsc'

# Like eslint --cache: skips what its cache knows to be clean.
LINT = '''
const fs = require('fs')
const crypto = require('crypto')
let cache = {}
try { cache = JSON.parse(fs.readFileSync('.lintcache', 'utf8')) } catch {}
const next = {}
for (const name of fs.readdirSync('src').sort()) {
  const text = fs.readFileSync('src/' + name, 'utf8')
  const hash = crypto.createHash('sha1').update(text).digest('hex')
  if (cache[name] !== hash) console.log('linted ' + name)
  next[name] = hash
}
fs.writeFileSync('.lintcache', JSON.stringify(next))
'''

# Like prettier --write: only what it would change.
FORMAT = '''
const fs = require('fs')
for (const name of fs.readdirSync('src')) {
  const old = fs.readFileSync('src/' + name, 'utf8')
  const text = old.replace(/ +/g, ' ')
  if (text !== old) fs.writeFileSync('src/' + name, text)
}
'''


class LeftoversTest(VtTest):

    def sources(self, **contents):
        for name, text in contents.items():
            self.write(f'src/{name}.ts', text)

    def run_task(self):
        return self.assertOk(self.vt('run', 'make', patience_s=150))

    def project(self, **options):
        self.package({'make': f'node {TSC} -p .'})
        self.write('tsconfig.json', {
            'compilerOptions': {'outDir': 'dist', 'rootDir': 'src', 'target': 'es2022',
                                'module': 'es2022', 'types': [], **options},
            'include': ['src']})
        self.sources(a='export const a = 1;\n', b='export const b = 1;\n')

    def assertBuilt(self, a):
        self.assertEqual(self.read('dist/a.js'), f'export const a = {a};\n')
        self.assertEqual(self.read('dist/b.js'), 'export const b = 1;\n')

    def assertCompiles(self):
        if not TSC.exists():
            self.skipTest(f'{TSC} is not there')

    @timeout(180)
    def test_tsc_incremental_alternates(self):
        self.assertCompiles()
        self.project(incremental=True)
        self.assertFirst(self.run_task())
        self.assertHit(self.run_task())
        for round_number in range(3):
            for a in (2, 1):
                self.sources(a=f'export const a = {a};\n')
                result = self.run_task()
                self.assertBuilt(a)
                if round_number == 2:
                    self.assertHit(result)
                self.assertHit(self.run_task())
                self.assertBuilt(a)

    @timeout(180)
    def test_tsc_incremental_in_a_clean_checkout_gives_everything(self):
        self.assertCompiles()
        self.project(incremental=True)
        self.run_task()
        self.sources(a='export const a = 2;\n')
        self.run_task()  # emits a.js alone
        for path in ('dist', 'tsconfig.tsbuildinfo'):
            self.remove(path)
        self.run_task()
        self.assertBuilt(2)
        for path in ('dist', 'tsconfig.tsbuildinfo'):
            self.remove(path)
        self.assertHit(self.run_task())
        self.assertBuilt(2)

    @timeout(180)
    def test_tsc_alternates_and_brings_dist_back(self):
        self.assertCompiles()
        self.project()
        for expected in ('run', 'hit', 'hit'):
            for a in (2, 1):
                self.sources(a=f'export const a = {a};\n')
                result = self.run_task()
                (self.assertHit if expected == 'hit' else self.assertRan)(result)
                self.assertBuilt(a)
            self.remove('dist')
            self.assertHit(self.run_task())
            self.assertBuilt(1)

    def remove(self, path):
        for found in self.workspace.rglob(path):
            shutil.rmtree(found) if found.is_dir() else found.unlink()

    def test_a_linter_s_cache_alternates(self):
        self.package({'make': 'node lint.cjs'})
        self.write('lint.cjs', LINT)
        self.sources(a='a', b='b')
        self.assertIn('linted a.ts\nlinted b.ts', self.assertFirst(self.run_task()).out)
        self.assertHit(self.run_task())
        for round_number in range(3):
            for text in ('c', 'b'):
                self.sources(b=text)
                result = self.run_task()
                if round_number == 2:
                    self.assertHit(result)
                self.assertHit(self.run_task())
        # Without its cache a clean checkout lints all, now and in a replay.
        self.remove('.lintcache')
        self.assertIn('linted a.ts\nlinted b.ts', self.run_task().out)
        self.sources(b='new')
        self.assertIn('linted b.ts', self.assertRan(self.run_task()).out)
        self.remove('.lintcache')
        for _ in range(2):
            self.assertIn('linted a.ts\nlinted b.ts', self.run_task().out)
            self.remove('.lintcache')

    def test_a_formatter_runs_once_more_and_never_brings_a_source_back(self):
        self.package({'make': 'node format.cjs'})
        self.write('format.cjs', FORMAT)
        self.sources(a='let  a', b='let b')
        self.assertRan(self.run_task())
        self.assertRan(self.run_task())
        self.assertHit(self.run_task())
        self.sources(a='let  a')
        self.assertHit(self.run_task())
        self.assertEqual(self.read('src/a.ts'), 'let a')
        self.assertHit(self.run_task())
        (self.workspace / 'src/a.ts').unlink()
        self.assertRan(self.run_task())
        self.assertFalse((self.workspace / 'src/a.ts').exists())

    def test_notes_of_a_failed_run_are_its_own(self):
        # Like vitest run: keeps how long things took, and reads that.
        self.write('make.sh', 'cat notes 2>/dev/null; cat in.txt; date +%N > notes; '
                              'test "$(cat in.txt)" = good')
        self.package({'make': 'sh make.sh > /dev/null'})
        self.write('in.txt', 'good')
        self.assertOk(self.run_task())
        self.write('in.txt', 'bad')
        for _ in range(2):
            self.assertCode(1, self.vt('run', 'make'))
        self.write('in.txt', 'good')
        self.assertHit(self.run_task())

    def test_what_a_failed_run_made_of_a_source_is_not_its_own(self):
        self.write('make.sh', 'sed -i s/a/b/ src.txt && test ! -e fail')
        self.package({'make': 'sh make.sh'})
        self.write('src.txt', 'a')
        self.write('fail', '')
        self.assertCode(1, self.vt('run', 'make'))
        (self.workspace / 'fail').unlink()
        self.assertOk(self.run_task())
        (self.workspace / 'src.txt').unlink()
        self.assertNotEqual(self.vt('run', 'make').code, 0)

    def test_an_emptied_directory_alternates(self):
        self.package({'make': 'sh make.sh'})
        self.write('make.sh', 'rm -rf dist; mkdir dist; for f in src/*; do '
                              'cp $f dist/$(basename $f).js; done\n')
        self.sources(a='a', b='b')
        self.assertFirst(self.run_task())
        for round_number in range(3):
            for text in ('c', 'b'):
                self.sources(b=text)
                (self.assertRan if round_number == 0 and text == 'c' else
                 self.assertHit)(self.run_task())
                self.assertEqual(self.read('dist/b.ts.js'), text)
                self.assertEqual(self.read('dist/a.ts.js'), 'a')
        self.remove('dist')
        self.assertHit(self.run_task())
        self.assertEqual(self.read('dist/a.ts.js'), 'a')
