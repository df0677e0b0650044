# SPDX-License-Identifier: Apache-2.0
"""Unmodified Vite 8 and Vitest 5 in one application (tests/examples/tools-app):
build, dev, preview and tests, cold and warm (tool endpoint, cases 106 to 115)."""
import os
import shutil
import signal
import subprocess
import urllib.request

from vtask_e2e import DEPS, ROOT, VtTest, serial, timeout


class ToolsAppTest(VtTest):

    def setUp(self):
        super().setUp()
        installed = DEPS / 'tools/node_modules'
        if not installed.is_dir():
            self.fail(f'{installed} is not there: tests/run.sh installs it')
        shutil.copytree(ROOT / 'tests/examples/tools-app', self.workspace,
                        ignore=shutil.ignore_patterns('node_modules', 'out'))
        subprocess.run(['cp', '-a', '--reflink=auto', installed, self.workspace],
                       check=True)

    def run_task(self, task, *flags, **env):
        return self.vt('run', *flags, task, env={'WHO': 'you', **env})

    def build(self, *flags, **env):
        return self.run_task('build', *flags, **env)

    def bundle(self):
        return ''.join(path.read_text() for path in
                       (self.workspace / 'out/site/assets').glob('*.js'))

    @timeout(120)
    def test_build_with_everything_away_from_its_default(self):
        self.assertFirst(self.build())
        built = self.snapshot('out')
        self.assertIn('site/icon.txt', built)
        self.assertIn('Good day,', self.bundle())
        self.assertHit(self.build())
        shutil.rmtree(self.workspace / 'out')
        self.assertHit(self.build(VITE_OTHER='x', UNRELATED='x'))
        self.assertEqual(self.snapshot('out'), built)
        for change in ({'APP_X': '1'}, {'SITE_X': '1'}, {'NODE_ENV': 'development'}):
            name, = change
            self.assertMiss(f"env '{name}' added", self.build(**change))
            self.assertHit(self.build())
        self.assertMiss("env 'WHO' changed", self.build(WHO='all'))
        self.assertHit(self.build())
        self.assertEqual(self.snapshot('out'), built)

    @timeout(120)
    def test_build_sees_edits_of_all_that_it_read(self):
        self.assertFirst(self.build())
        for path in ('.env', 'src/main.js', 'src/words/a.js', 'assets/icon.txt',
                     'index.html', 'vite.config.js'):
            before = self.read(path)
            self.write(path, before.replace('brave', 'brand-new') + '\n')
            self.assertMiss(f"'{path}' modified", self.build())
            self.write(path, before)
            self.assertHit(self.build())
        self.write('src/words/c.js', "export const word = 'again'\n")
        self.assertMiss("'c.js' added in 'src/words'", self.build())
        self.assertIn('again', self.bundle())
        (self.workspace / 'src/words/c.js').unlink()
        self.assertHit(self.build())

    def test_case_115_unrelated_file_beside_a_glob_misses(self):
        # The glob was evaluated by listing the directory: its names count.
        self.assertFirst(self.build())
        self.write('src/words/readme.md', 'x\n')
        self.assertMiss("'readme.md' added in 'src/words'", self.build())

    @timeout(120)
    def test_case_110_load_env_of_everything_gets_nothing_undeclared(self):
        self.write('vite.config.js', """
          import { loadEnv } from 'vite'
          const found = loadEnv('production', process.cwd(), '')
          console.log('FOUND', found.SECRET, found.GITHUB_RUN_ID, found.APP_GREETING)
          export default {}
        """)
        self.assertIn('FOUND undefined', self.assertFirst(
            self.build(SECRET='1', CI_RUN='1')).out)
        self.assertHit(self.build(SECRET='2', CI_RUN='2', GITHUB_SHA='3'))

    def test_details_name_the_package_that_asked(self):
        # Vite's own words, and who said them (provenance).
        first = self.assertOk(self.build('-vv')).out
        reports = first.partition('Reports:')[2]
        self.assertRegex(reports, r"ignore output '\S*node_modules/\.vite-temp\S*'.* "
                                  r"← vite: \S*node\S* \[\d+\]")
        self.assertRegex(reports, r"envs beginning with 'APP_' ← vite: ")
        self.assertRegex(reports, r"ignore input '\S*/\.modules\.yaml'.* ← vite: ")
        again = self.assertOk(self.build('-vv', APP_X='1')).out
        self.assertOk(self.build(APP_X='1'))
        warm = self.assertOk(self.build('-vv', APP_X='1')).out
        self.assertRegex(warm, r"env 'APP_X' ← vite: \S*node\S* \[\d+\]\n")
        self.assertRegex(warm, r"env 'WHO' ← a reference in a \.env file\n")
        self.assertIn("'src/main.js'\n", warm)
        self.assertIn("envs beginning with 'SITE_'", warm)
        self.assertIn('Reports:', again)

    @timeout(120)
    def test_case_112_vitest_run_is_stored(self):
        cold = self.assertFirst(self.run_task('test'))
        self.assertIn('1 passed', cold.out)
        # It calls disableCache() when it makes a server that never serves (D5).
        warm = self.assertHit(self.run_task('test'))
        self.assertIn('1 passed', warm.out)
        text = self.read('src/sentence.js')
        self.write('src/sentence.js', text.replace("' '", "'-'"))
        failed = self.run_task('test')
        self.assertNotEqual(failed.code, 0)
        self.assertIn("'src/sentence.js' modified", failed.out)
        self.assertNotEqual(self.run_task('test').code, 0)
        self.write('src/sentence.js', text)
        # The failed run has left its results, which nobody stored, for the next
        # one to read and to write anew: they are its own all the same.
        self.assertOk(self.run_task('test'))
        self.assertHit(self.run_task('test'))
        shutil.rmtree(self.workspace / 'node_modules/.vite')
        self.assertHit(self.run_task('test'))
        self.write('test/more.test.js', "import { test } from 'vitest'\n"
                                        "test('more', () => {})\n")
        self.assertIn('2 passed', self.assertRan(self.run_task('test')).out)

    def served(self, task):
        run = self.start_vt('run', task)
        url = run.wait_for(r'(http://127\.0\.0\.1:\d+/)').group(1)
        page = urllib.request.urlopen(url, timeout=20).read().decode()
        self.assertIn('vtask tools example', page)
        self.assertNotIn('cache hit', run.output)
        return run

    @serial
    @timeout(120)
    def test_dev_and_preview_are_served_and_never_stored(self):
        self.assertFirst(self.build())
        for task in ('dev', 'preview'):
            for _ in range(2):
                run = self.served(task)
                run.signal(signal.SIGINT)
                self.assertEqual(run.finish(), 130)
                self.wait_gone(self.tasks, patience_s=5)

    SERVE = """
      import { createServer, preview } from 'vite'
      const server = await (process.argv[2] === 'dev'
        ? createServer({ server: { host: '127.0.0.1' } })
        : preview({ preview: { host: '127.0.0.1' } }))
      await server.listen?.()
      await server.close()
      process.exit(0)
    """

    @timeout(120)
    def test_server_that_ends_well_is_not_stored(self):
        self.assertFirst(self.build())
        self.write('serve.mjs', self.SERVE)
        for kind in ('dev', 'preview'):
            self.package({'t': f'node serve.mjs {kind}'})
            for _ in range(2):
                result = self.assertRan(self.vt('run', 't'))
                self.assertIn('not cached: the task opted out of caching', result.out)
                self.assertRegex(result.out, r'node_modules/vite/dist/\S+:\d+')

    @timeout(120)
    def test_case_111_server_that_never_listens_is_stored(self):
        self.write('middle.mjs', """
          import { createServer } from 'vite'
          const server = await createServer({ server: { middlewareMode: true, ws: false, hmr: false } })
          console.log(Object.keys(await server.ssrLoadModule('/src/sentence.js')))
          await server.close()
          process.exit(0)
        """)
        self.package({'t': 'node middle.mjs'})
        self.assertRan(self.vt('run', 't'))
        self.vt('run', 't')
        self.assertHit(self.vt('run', 't'))
        self.write('src/sentence.js', 'export const other = 1\n')
        self.assertIn('other', self.assertRan(self.vt('run', 't')).out)
