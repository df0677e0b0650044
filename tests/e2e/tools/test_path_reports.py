# SPDX-License-Identifier: Apache-2.0
"""What reports about paths do to inputs and outputs (tool endpoint, cases 76 to
105), through the unmodified npm wrapper."""
import os
import shutil

from tool_task import ToolTest
from vtask_e2e import timeout


class PathReportsTest(ToolTest):

    def files(self, *paths):
        for path in paths:
            self.write(path, '1')

    def edit(self, path, text='edited'):
        self.write(path, text)

    def check_hits(self, *paths):
        """Edits of these hit."""
        for path in paths:
            before = self.read(path)
            self.edit(path)
            self.assertHit(self.t())
            self.write(path, before)
        self.assertHit(self.t())

    def check_misses(self, *paths):
        """Edits of these miss, one at a time."""
        for path in paths:
            before = self.read(path)
            self.edit(path)
            self.assertMiss(f"'{path}' modified", self.t())
            self.write(path, before)
            self.assertHit(self.t())

    def test_case_76_ignored_directory_in_every_way(self):
        self.files('cache/a', 'cache/b')
        self.script("""
          read('cache/a'); fs.readdirSync('cache'); fs.existsSync('cache/probe');
          ignoreInput('cache');
        """)
        self.assertStored()
        self.check_hits('cache/a')
        self.write('cache/new', '1')
        self.assertHit(self.t())
        self.write('cache/probe', '1')
        self.assertHit(self.t())
        shutil.rmtree(self.workspace / 'cache')
        self.assertHit(self.t())

    @timeout(90)
    def test_case_77_components_are_whole(self):
        self.files('c/a', 'cc/a', 'c.txt', 'd/f', 'd/ff')
        self.script("""
          ['c/a', 'cc/a', 'c.txt', 'd/f', 'd/ff'].forEach(read);
          ignoreInput('c'); ignoreInput('d/f');
        """)
        self.assertStored()
        self.check_misses('cc/a', 'c.txt', 'd/ff')
        self.check_hits('c/a', 'd/f')

    def test_case_78_ignored_entry_of_a_listed_directory(self):
        self.files('p/ign', 'p/k1', 'p/k2')
        self.script("fs.readdirSync('p'); ignoreInput('p/ign');")
        self.assertStored()
        (self.workspace / 'p/ign').unlink()
        self.assertHit(self.t())
        self.files('p/ign')
        self.assertHit(self.t())
        (self.workspace / 'p/k2').unlink()
        self.assertMiss("'k2' removed from 'p'", self.t())
        self.files('p/k2')
        self.assertHit(self.t())
        self.files('p/new')
        self.assertMiss("'new' added in 'p'", self.t())

    def test_case_78_entry_ignored_while_it_was_absent(self):
        self.files('p/k1')
        self.script("fs.readdirSync('p'); ignoreInput('p/ign');")
        self.assertStored()
        self.files('p/ign')
        self.assertHit(self.t())

    def test_case_79_probes_of_what_is_missing(self):
        self.script("fs.existsSync('maybe'); fs.existsSync('maybe2'); "
                    "ignoreInput('maybe');")
        self.assertStored()
        self.files('maybe')
        self.assertHit(self.t())
        self.files('maybe2')
        self.assertMiss("'maybe2' added in workspace root", self.t())

    def test_case_80_reports_of_parent_and_child_unite(self):
        self.files('x', 'y')
        self.write('child.mjs', "import { ignoreInput } from "
                   "'@voidzero-dev/vite-task-client'; ignoreInput('y');")
        self.script("""
          read('x'); read('y');
          childProcess.execFileSync(process.execPath, ['child.mjs']);
          ignoreInput('x');
        """)
        self.assertStored()
        self.check_hits('x', 'y')

    def test_case_81_relative_to_the_directory_at_the_time(self):
        self.files('sub/k', 'k')
        self.script("read('k'); read('sub/k'); process.chdir('sub'); ignoreInput('k');")
        self.assertStored()
        self.check_hits('sub/k')
        self.check_misses('k')

    @timeout(120)
    def test_case_82_spellings(self):
        inside = [f'a{i}' for i in (1, 2, 3, 4, 5, 6, 9)]
        outside = ['a7', 'a8', 'b1']
        self.files('sub/x', *inside, *outside)
        self.script("""
          const root = process.cwd(), name = root.split('/').pop();
          ['a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a9', 'a7', 'a8', 'b1'].forEach(read);
          for (const path of ['a1/', './a2', 'sub/../a3', `${root}/a4/../a4`,
              `${root}//a5`, `${root}/./a6/.`, `//${root}/a9`,
              `${root}/../${name}/a7`, `/../..${root}/a8`,
              `nonexist/../../${name}/b1`]) ignoreInput(path);
        """)
        self.assertStored()
        self.check_hits(*inside)
        self.check_misses(*outside)

    def test_case_83_the_root_covers_everything(self):
        # Even the script is ignored then, so each needs a command of its own.
        self.files('in')
        for i, (spelling, covers) in enumerate((
                ('process.cwd()', True), ("''", True), ("'.'", True),
                ("'..'", False), ("'/'", False))):
            with self.subTest(spelling):
                self.script(f"read('in'); ignoreInput({spelling});",
                            command=f'node t.mjs {i}')
                self.assertStored()
                (self.check_hits if covers else self.check_misses)('in')

    def test_case_84_names_are_literal(self):
        self.files('c/a', '[x]/a', 'Up')
        self.script("['c/a', '[x]/a', 'Up'].forEach(read);"
                    "['c/*', '[x]', 'up'].forEach(path => ignoreInput(path));")
        self.assertStored()
        self.check_misses('c/a', 'Up')
        self.check_hits('[x]/a')

    @timeout(120)
    def test_case_85_links(self):
        # Ours (D14): matched as spelled and after resolving links, on both sides.
        for read, ignored in (('link/f', 'link'), ('link/f', 'real'),
                              ('real/f', 'link'), ('real/f', 'real')):
            with self.subTest(read=read, ignored=ignored):
                shutil.rmtree(self.workspace / 'real', ignore_errors=True)
                self.files('real/f')
                if not os.path.lexists(self.workspace / 'link'):
                    os.symlink('real', self.workspace / 'link')
                self.script(f"read('{read}'); ignoreInput('{ignored}');")
                self.assertStored()
                self.check_hits('real/f')

    def test_case_85_chdir_through_a_link(self):
        self.files('real/f', 'real/g')
        os.symlink('real', self.workspace / 'link')
        self.script("process.chdir('link'); read('f'); read('g'); ignoreInput('f');")
        self.assertStored()
        self.check_hits('real/f')
        self.check_misses('real/g')

    def test_case_86_paths_outside_have_no_effect(self):
        self.files('in')
        self.script("read('in'); ignoreInput('/etc'); ignoreInput('../x'); "
                    "ignoreOutput('/tmp'); write('out', '1');")
        self.assertStored()
        (self.workspace / 'out').unlink()
        self.assertHit(self.t())
        self.assertEqual(self.read('out'), '1')
        self.check_misses('in')

    def test_case_87_ignored_outputs_are_not_restored(self):
        self.script("ignoreOutput('scratch'); ignoreOutput('dist/cache');"
                    "write('scratch/s', '1'); write('dist/a', 'a'); write('dist/cache/c', 'c');")
        self.assertStored()
        shutil.rmtree(self.workspace / 'scratch')
        shutil.rmtree(self.workspace / 'dist')
        self.assertHit(self.t())
        self.assertEqual(list(self.snapshot('dist')), ['a'])
        self.assertFalse((self.workspace / 'scratch').exists())

    def test_case_88_ignored_input_is_still_an_output(self):
        self.script("write('out', 'made'); read('out'); ignoreInput('out');")
        self.assertStored()
        self.edit('out')
        self.assertHit(self.t())
        self.assertEqual(self.read('out'), 'made')

    STATE = "fs.existsSync('state') && read('state'); write('state', 'made');"

    def test_case_89_state_that_is_read_and_written(self):
        self.script(self.STATE)
        self.assertStored()
        (self.workspace / 'state').unlink()
        self.assertHit(self.t())
        self.assertEqual(self.read('state'), 'made')
        self.edit('state')
        self.assertMiss("'state' modified", self.t())

    def check_state_must_be_there(self):
        """D10: read and written, not restored: present and unchanged for a hit."""
        first = self.assertRan(self.t())
        self.assertIn("read and changed what a hit would not restore: 'state'",
                      first.out)
        self.assertStored()
        (self.workspace / 'state').unlink()
        self.assertRan(self.t())
        self.assertEqual(self.read('state'), 'made')
        self.edit('state')
        self.assertRan(self.t())
        self.assertHit(self.t())

    def test_case_90_state_that_is_ignored_as_output(self):
        self.script(self.STATE + "ignoreOutput('state');")
        self.check_state_must_be_there()

    def test_case_91_state_that_is_no_declared_output(self):
        self.script(self.STATE, output=[])
        self.check_state_must_be_there()

    def test_case_91_state_that_is_excluded_from_outputs(self):
        self.script(self.STATE, output=[{'auto': True}, '!state'])
        self.check_state_must_be_there()

    def test_case_92_both_ignores_make_it_invisible(self):
        self.script(self.STATE + "ignoreInput('state'); ignoreOutput('state');")
        self.assertStored()
        self.edit('state')
        self.assertHit(self.t())
        self.assertEqual(self.read('state'), 'edited')
        (self.workspace / 'state').unlink()
        self.assertHit(self.t())
        self.assertFalse((self.workspace / 'state').exists())

    def test_case_93_declared_inputs_stay(self):
        for config in (['src/**'], [{'auto': True}, 'src/**']):
            with self.subTest(config):
                self.files('src/a')
                self.script("read('src/a'); ignoreInput('src/a');", input=config)
                self.assertStored()
                self.check_misses('src/a')

    def test_case_94_exclusions_of_user_and_tool_unite(self):
        self.files('u/a', 't/a', 'k')
        self.script("['u/a', 't/a', 'k'].forEach(read); ignoreInput('t');",
                    input=[{'auto': True}, '!u/**'])
        self.assertStored()
        self.check_hits('u/a', 't/a')
        self.check_misses('k')

    def test_case_95_declared_outputs_stay(self):
        for config, restored in ((['dist/**'], True),
                                 ([{'auto': True}, 'dist/**'], True), ([], False)):
            with self.subTest(config):
                self.script("write('dist/a', 'a'); ignoreOutput('dist/a');",
                            output=config)
                self.assertStored()
                shutil.rmtree(self.workspace / 'dist')
                self.assertHit(self.t())
                self.assertEqual((self.workspace / 'dist/a').exists(), restored)
                shutil.rmtree(self.workspace / 'dist', ignore_errors=True)

    def test_case_96_rename_out_of_an_ignored_directory(self):
        self.script("ignoreInput('tmp'); ignoreOutput('tmp'); write('tmp/x', 'x');"
                    "fs.mkdirSync('dist', { recursive: true });"
                    "fs.renameSync('tmp/x', 'dist/x');")
        self.assertStored()
        shutil.rmtree(self.workspace / 'dist')
        self.assertHit(self.t())
        self.assertEqual(self.read('dist/x'), 'x')

    @timeout(90)
    def test_case_97_directory_that_is_emptied_and_refilled(self):
        for report in ('', "ignoreInput('dist');"):
            with self.subTest(report):
                shutil.rmtree(self.workspace / 'dist', ignore_errors=True)
                self.script(report + """
                  fs.mkdirSync('dist', { recursive: true });
                  for (const name of fs.readdirSync('dist')) fs.rmSync(`dist/${name}`);
                  write('dist/a', 'a'); write('dist/b', 'b');
                """)
                self.assertStored()
                self.write('dist/extra', 'e')
                self.assertHit(self.t())
                self.assertTrue((self.workspace / 'dist/extra').exists())
                (self.workspace / 'dist/a').unlink()
                self.edit('dist/b')
                self.assertHit(self.t())
                self.assertEqual((self.read('dist/a'), self.read('dist/b')), ('a', 'b'))

    def test_case_98_reports_reach_the_whole_workspace(self):
        self.package({})
        self.write('package.json', {'name': 'root', 'workspaces': ['packages/*']})
        self.files('shared/k', 'other')
        self.script("read('../../shared/k'); read('../../other'); "
                    "ignoreInput('../../shared');", where='packages/app')
        run = lambda: self.vt('run', 't', cwd=self.workspace / 'packages/app')
        self.assertRan(run())
        self.assertHit(run())
        self.edit('shared/k')
        self.assertHit(run())
        self.edit('other')
        self.assertMiss("'other' modified", run())

    def test_case_99_workspace_entered_through_a_link(self):
        self.files('a', 'b')
        alias = self.tmp / 'alias'
        alias.symlink_to(self.workspace)
        self.script("read('a'); read('b'); ignoreInput('a');"
                    f"ignoreInput('{alias}/b');")
        run = lambda: self.vt('run', 't', cwd=alias)
        self.assertRan(run())
        self.assertHit(run())
        self.edit('a')
        self.assertHit(run())
        self.edit('b')
        # The reference misses; ours resolves links on both sides (D14).
        self.assertHit(run())

    def test_case_100_ignores_are_not_remembered(self):
        self.files('in', 'mode')
        self.script("read('in'); if (read('mode') === '1') ignoreInput('in');")
        self.assertStored()
        self.check_hits('in')
        self.write('mode', '2')
        self.assertMiss("'mode' modified", self.t())
        self.check_misses('in')

    def test_case_101_names_that_are_not_utf8(self):
        self.script("say(String(fs.readFileSync(Buffer.from([0x61, 0xff]))));")
        path = self.workspace / os.fsdecode(b'a\xff')
        path.write_text('1')
        self.assertStored()
        path.write_text('2')
        self.assertRan(self.t())

    def test_case_102_git_never_counts_and_node_modules_do(self):
        self.files('.git/HEAD', 'node_modules/x', 'node_modules/y')
        self.script("['.git/HEAD', 'node_modules/x', 'node_modules/y'].forEach(read);"
                    "ignoreInput('node_modules/x');")
        self.assertStored()
        self.check_hits('.git/HEAD', 'node_modules/x')
        self.check_misses('node_modules/y')

    def test_case_103_tasks_at_once_do_not_mix(self):
        for name in ('one', 'two'):
            self.script(f"ignoreInput('{name}.in'); read('one.in'); read('two.in');",
                        name=name)
        self.package({'one': 'node one.mjs', 'two': 'node two.mjs',
                      'both': {'command': '', 'dependsOn': ['one', 'two']}})
        self.files('one.in', 'two.in')
        self.assertOk(self.vt('run', 'both'))
        self.edit('one.in')
        self.assertHit(self.t(name='one'))
        self.assertMiss("'one.in' modified", self.t(name='two'))

    def test_case_104_tmpdir_inside_the_workspace(self):
        self.files('in')
        self.script("read('in'); ignoreInput('in'); say(addonPath);",
                    untrackedEnv=['TMPDIR'])
        tmpdir = str(self.workspace / 'tmp')
        self.assertOk(self.t(TMPDIR=tmpdir))
        shown = self.t('-vv', TMPDIR=tmpdir).out
        self.assertIn('Cache hit', shown)
        inputs = [line for line in shown.partition('Unchanged:')[2]
                  .partition('Reports:')[0].splitlines()
                  if 'program' not in line]
        for ours in ('.node', '.sock', "'tmp"):
            self.assertNotIn(ours, '\n'.join(inputs))

    def test_case_105_declared_input_that_the_task_edits(self):
        # A hint instead of a silent miss for ever.
        self.files('src/a')
        self.script("write('src/a', read('src/a') + '+');", input=['src/**'])
        self.assertIn('it changed its own input', self.assertOk(self.t()).out)
        self.assertMiss("'src/a' modified", self.t())
