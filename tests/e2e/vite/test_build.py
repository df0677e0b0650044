# SPDX-License-Identifier: Apache-2.0
"""`vt run build` on the example: unmodified Vite, nothing configured but the
command. What hits, what misses, and the reason that is given."""
import shutil

from vtask_e2e import VtTest, timeout


class BuildTest(VtTest):

    def setUp(self):
        super().setUp()
        self.example()

    def build(self, **env):
        return self.vt('run', 'build', env=env)

    def bundle(self):
        return ''.join(path.read_text()
                       for path in (self.workspace / 'dist/assets').glob('*.js'))

    def test_second_run_hits_and_replays_the_output(self):
        cold = self.assertFirst(self.build())
        self.assertIn('✓ built in', cold.out)
        warm = self.assertHit(self.build())
        self.assertIn('✓ built in', warm.out)
        # The very bytes, but for the start line and the summary.
        body = cold.out.split('\n', 1)[1]
        self.assertIn(body.rstrip('\n'), warm.out)

    def test_example_configuration_is_one_line(self):
        self.assertEqual(self.read('vite-task.json'),
                         '{"tasks": {"build": "vite build"}}\n')
        self.assertNotIn('"build"', self.read('package.json'))

    def test_dist_is_restored_byte_for_byte_with_modes(self):
        self.assertFirst(self.build())
        built = self.snapshot('dist')
        self.assertIn('icon.svg', built)
        shutil.rmtree(self.workspace / 'dist')
        self.assertHit(self.build())
        self.assertEqual(self.snapshot('dist'), built)
        # Again, over what is there: nothing changes.
        self.assertHit(self.build())
        self.assertEqual(self.snapshot('dist'), built)

    def test_files_that_need_no_restoring_keep_their_mtime(self):
        self.assertFirst(self.build())
        index = self.workspace / 'dist/index.html'
        before = index.stat().st_mtime_ns
        self.assertHit(self.build())
        self.assertEqual(index.stat().st_mtime_ns, before)

    def test_damaged_output_is_put_right(self):
        self.assertFirst(self.build())
        built = self.snapshot('dist')
        self.write('dist/index.html', 'damaged')
        self.assertHit(self.build())
        self.assertEqual(self.snapshot('dist'), built)

    def test_source_edit_misses_and_undo_hits(self):
        self.assertFirst(self.build())
        old, text = self.snapshot('dist'), self.read('src/main.js')
        self.write('src/main.js', text.replace("'Hello'", "'Good day'"))
        self.assertMiss("'src/main.js' modified", self.build())
        self.assertIn('Good day', self.bundle())
        self.assertHit(self.build())
        self.write('src/main.js', text)
        self.assertHit(self.build())
        self.assertEqual(
            {k: v for k, v in self.snapshot('dist').items() if k in old}, old)
        self.write('src/main.js', text.replace("'Hello'", "'Good day'"))
        self.assertHit(self.build())

    def test_style_and_html_edits_miss(self):
        self.assertFirst(self.build())
        css = self.read('src/style.css')
        self.write('src/style.css', css + '.more { color: red; }\n')
        self.assertMiss("'src/style.css' modified", self.build())
        self.write('src/style.css', css)
        self.assertHit(self.build())
        html = self.read('index.html')
        self.write('index.html', html.replace('vtask example', 'other'))
        self.assertMiss("'index.html' modified", self.build())
        self.write('index.html', html)
        self.assertHit(self.build())

    def test_touch_hits(self):
        self.assertFirst(self.build())
        (self.workspace / 'src/main.js').touch()
        self.assertHit(self.build())

    def test_new_vite_variable_misses_and_undo_hits(self):
        self.assertFirst(self.build())
        self.assertMiss("env 'VITE_GREETING' added", self.build(VITE_GREETING='Moin'))
        self.assertIn('Moin', self.bundle())
        self.assertHit(self.build(VITE_GREETING='Moin'))
        self.assertMiss("env 'VITE_GREETING' changed", self.build(VITE_GREETING='Servus'))
        self.assertIn('Servus', self.bundle())
        self.assertHit(self.build())
        self.assertHit(self.build(VITE_GREETING='Moin'))

    def test_removed_vite_variable_misses(self):
        self.assertFirst(self.build(VITE_GREETING='Moin'))
        self.assertMiss("env 'VITE_GREETING' removed", self.build())
        self.assertNotIn('Moin', self.bundle())

    def test_node_env_misses_and_undo_hits(self):
        self.assertFirst(self.build())
        production = self.snapshot('dist')
        self.assertMiss("env 'NODE_ENV' added", self.build(NODE_ENV='development'))
        self.assertNotEqual(self.snapshot('dist'), production)
        self.assertHit(self.build(NODE_ENV='development'))
        self.assertHit(self.build())

    def test_env_file_misses_and_undo_hits(self):
        self.assertFirst(self.build())
        self.write('.env', 'VITE_GREETING=One\n')
        self.assertMiss("'.env' added in workspace root", self.build())
        self.assertIn('One', self.bundle())
        self.write('.env', 'VITE_GREETING=Two\n')
        self.assertMiss("'.env' modified", self.build())
        self.assertIn('Two', self.bundle())
        self.write('.env', 'VITE_GREETING=One\n')
        self.assertHit(self.build())
        (self.workspace / '.env').unlink()
        self.assertHit(self.build())

    @timeout(90)
    def test_env_prefix_misses_and_undo_hits(self):
        self.write('vite.config.js', 'export default {}\n')
        self.assertFirst(self.build())
        self.write('vite.config.js', "export default { envPrefix: 'MY_' }\n")
        self.assertMiss("'vite.config.js' modified", self.build())
        self.assertHit(self.build(VITE_GREETING='no longer of interest'))
        self.assertMiss("env 'MY_NAME' added", self.build(MY_NAME='x'))
        self.assertHit(self.build())
        self.write('vite.config.js', 'export default {}\n')
        self.assertHit(self.build())

    def test_unrelated_variable_hits(self):
        self.assertFirst(self.build())
        self.assertHit(self.build(UNRELATED='1', EDITOR='vi'))

    def test_unrelated_file_hits(self):
        self.assertFirst(self.build())
        self.write('README.md', 'other words\n')
        self.write('docs/notes.txt', 'x\n')
        self.write('src/unused.js', 'export {}\n')
        self.assertHit(self.build())

    def test_upgraded_dependency_misses(self):
        self.assertFirst(self.build())
        module = 'node_modules/clsx/dist/clsx.mjs'
        self.write(module, self.read(module) + '\n// patched\n')
        self.assertMiss(f"'{module}' modified", self.build())

    @timeout(90)
    def test_second_clone_at_another_path_hits_at_once(self):
        self.assertFirst(self.build())
        built = self.snapshot('dist')
        self.workspace = self.example(self.tmp / 'elsewhere/deeper/clone', 'example-2')
        self.assertHit(self.build())
        self.assertEqual(self.snapshot('dist'), built)
        text = self.read('src/main.js')
        self.write('src/main.js', text + '\n// edited in the clone\n')
        self.assertMiss("'src/main.js' modified", self.build())
        self.workspace = self.tmp / 'w'
        self.assertHit(self.build())

    def test_failing_build_is_not_stored(self):
        text = self.read('src/main.js')
        self.write('src/main.js', 'import "./missing.js"\n')
        self.assertNotEqual(self.build().code, 0)
        again = self.build()
        self.assertNotEqual(again.code, 0)
        self.assertNotIn('cache hit', again.text)
        self.write('src/main.js', text)
        self.assertRan(self.build())
        self.assertHit(self.build())

    def test_results_survive_a_new_daemon(self):
        self.assertFirst(self.build())
        self.assertOk(self.vt('daemon', 'stop'))
        self.assertHit(self.build())
