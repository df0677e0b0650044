# SPDX-License-Identifier: Apache-2.0
"""A hit leaves the disk as the run would have, or there is no hit.

Each test makes a task, runs it, changes something as a user would, and compares
what `vt run` leaves with what the task itself leaves in a copy of the workspace.
"""
import os
import shutil
import stat
import subprocess

from vtask_e2e import HIT, VtTest


class LikeARunTest(VtTest):

    def setUp(self):
        super().setUp()
        self.package({'make': 'sh make.sh'})

    def task(self, script, setup=''):
        self.write('make.sh', script)
        self.edit(setup)
        self.assertEqual(self.run_and_compare(), 'ran')

    def edit(self, script):
        subprocess.run(['sh', '-ec', script], cwd=self.workspace, check=True)

    def disk(self, root):
        """What is below `root`, in the words of its content and modes."""
        found = {}
        for path in sorted(root.rglob('*')):
            info, name = path.lstat(), str(path.relative_to(root))
            if stat.S_ISLNK(info.st_mode):
                found[name] = ('link', os.readlink(path))
            elif stat.S_ISREG(info.st_mode):
                found[name] = (oct(info.st_mode), path.read_bytes())
            else:
                found[name] = (oct(info.st_mode),)
        return found

    def run_and_compare(self, umask=-1):
        """'hit' or 'ran': what became of a run, after it was compared."""
        copy = self.tmp / 'copy'
        if copy.exists():
            shutil.rmtree(copy)
        subprocess.run(['cp', '-a', self.workspace, copy], check=True)
        truth = subprocess.run(['sh', 'make.sh'], cwd=copy, env=self.environment(),
                               capture_output=True, text=True, umask=umask,
                               check=False)
        set_mask = [] if umask == -1 else ['sh', '-c', f'umask {umask:o}; exec "$@"', 'sh']
        result = self.command(*set_mask, self.vt_program, 'run', 'make')
        self.assertEqual(self.disk(self.workspace), self.disk(copy), f'\n{result}')
        self.assertEqual(result.code == 0, truth.returncode == 0, f'\n{result}')
        for line in truth.stdout.splitlines():
            self.assertIn(line, result.out)
        return 'hit' if HIT in result.out else 'ran'

    def assertHits(self, edit=''):
        self.edit(edit)
        self.assertEqual(self.run_and_compare(), 'hit', self.history[-1])

    def assertRuns(self, edit=''):
        self.edit(edit)
        self.assertEqual(self.run_and_compare(), 'ran', self.history[-1])

    # --- directories that the task makes ------------------------------------

    def test_a_file_where_the_task_makes_a_directory_stays(self):
        self.task('mkdir -p dist && echo x > dist/out')
        self.assertHits()
        self.assertRuns('rm -r dist; echo mine > dist')
        self.assertIn("cache miss: 'dist' modified", self.history[-1])
        self.assertEqual(self.read('dist'), 'mine\n')
        self.assertHits('rm dist')

    def test_a_link_where_the_task_makes_a_directory_is_followed(self):
        self.task('mkdir -p dist && echo x > dist/out')
        self.assertRuns('rm -r dist; mkdir else; echo m > else/m; ln -s else dist')
        self.assertEqual(self.read('else/out'), 'x\n')
        self.assertHits()
        self.assertHits('rm dist')

    def test_a_file_at_a_directory_that_was_there_before_stays(self):
        self.task('mkdir -p dist && echo x > dist/out', setup='mkdir dist')
        self.assertHits('rm -r dist')
        self.assertRuns('rm -r dist; echo mine > dist')

    def test_a_directory_that_the_task_needs_is_not_made_by_a_hit(self):
        self.task('echo x > dist/out', setup='mkdir dist')
        self.assertHits('rm dist/out')
        self.assertRuns('rm -r dist')

    def test_a_directory_that_is_only_looked_at_is_not_made_by_a_hit(self):
        self.task('test -d dist && echo x > dist/out', setup='mkdir dist')
        self.assertRuns('rm -r dist')

    def test_a_directory_that_the_task_once_made_may_be_missing(self):
        # As tsc does: it tries to write, and makes the directory if that fails.
        self.task('cat in.txt; (echo x > dist/out) 2>/dev/null || '
                  '{ mkdir dist; echo x > dist/out; }', setup='echo 1 > in.txt')
        self.assertRuns('echo 2 > in.txt')
        self.assertHits('rm -r dist')

    def test_the_directory_above_the_one_that_the_task_makes_must_be_there(self):
        self.task('mkdir dist/sub; echo x > dist/sub/out', setup='mkdir -p dist/sub')
        self.assertHits('rm -r dist/sub')
        self.assertRuns('rm -r dist')

    def test_above_a_directory_that_is_made_at_once_nothing_need_be(self):
        # Node's recursive mkdir says no more than this.
        self.write('make.js', "fs = require('fs'); fs.mkdirSync('a/b', {recursive: true});"
                              " fs.writeFileSync('a/b/out', 'x')")
        self.task('node make.js', setup='mkdir a')
        self.assertHits('rm -r a')

    def test_above_a_directory_that_the_task_makes_with_its_parents_nothing_need_be(self):
        self.write('make.js', "fs = require('fs'); fs.mkdirSync('a/b/c', {recursive: true});"
                              " fs.writeFileSync('a/b/c/out', 'x')")
        self.task('node make.js', setup='mkdir -p a/b/c; echo mine > a/b/c/hand')
        self.assertHits('rm -r a')

    def test_a_directory_that_is_made_private_is_restored_so(self):
        self.task('mkdir -m 700 -p dist; cat in.txt; echo x > dist/out',
                  setup='echo 1 > in.txt')
        self.edit('echo 2 > in.txt')
        self.run_and_compare()
        self.edit('rm -r dist')
        self.run_and_compare()

    def test_a_directory_that_comes_on_the_way_to_what_is_missing_changes_nothing(self):
        self.task('cat lib/deep/x; echo done')
        self.assertHits('mkdir lib')
        self.assertHits('mkdir lib/deep')
        self.assertRuns('echo hello > lib/deep/x')
        self.assertRuns('rm -r lib; echo mine > lib')  # "Not a directory"
        self.assertHits('rm lib; mkdir gone; ln -s gone lib')
        self.assertRuns('rm lib; ln -s lib lib')  # "Too many levels"

    def test_a_directory_that_comes_where_a_file_could_not_be_made_is_seen(self):
        self.task('(echo x > lib/deep/out) 2>/dev/null; echo done')
        self.assertHits('mkdir lib')
        self.assertRuns('mkdir lib/deep')
        self.task('mkdir lib/deep/new 2>/dev/null; echo done', setup='rm -r lib')
        self.assertRuns('mkdir -p lib/deep')

    def test_what_blocked_the_way_and_was_removed_counts(self):
        self.task('cat lib/x; rm -f lib; mkdir -p lib; echo 1 > lib/x; echo done',
                  setup='echo mine > lib')
        self.assertRuns('rm -r lib')
        self.assertRuns('rm -r lib; echo mine > lib')

    def test_a_directory_becomes_a_link_to_an_equal_one(self):
        self.task('rm -f gen/old; echo done', setup='mkdir gen; echo o > gen/old')
        self.assertRuns('mv gen gen2; ln -s gen2 gen; echo o > gen2/old')

    def test_a_directory_of_outputs_becomes_a_link(self):
        self.task('echo x > dist/out', setup='mkdir dist')
        self.assertRuns('rm -r dist; mkdir else; ln -s else dist')

    # --- files that the task writes -----------------------------------------

    def test_a_link_at_an_output_is_written_through(self):
        self.task('echo hi > out')
        self.assertRuns('rm out; echo mine > target; ln -s target out')
        self.assertEqual(self.read('target'), 'hi\n')
        self.assertHits('echo other > target')
        self.assertHits('rm out target')
        self.assertRuns('rm out; ln -s /dev/null out')

    def test_a_directory_at_an_output_stays(self):
        self.task('echo hi > out')
        self.assertRuns('rm out; mkdir out')
        self.assertHits('rmdir out')

    def test_a_directory_where_a_file_is_moved_takes_it_in(self):
        self.task('echo x > t; mv t out')
        self.assertRuns('rm out; mkdir out')

    def test_what_stands_at_a_draft_is_seen(self):
        self.task('echo x > out.tmp && mv out.tmp out; echo y > t; rm t')
        self.assertHits('rm out')
        self.assertRuns('echo mine > target; ln -s target out.tmp')
        self.edit('rm -f out.tmp target')
        self.assertRuns('mkdir t')
        self.assertHits('rmdir t')

    def test_an_output_edited_by_hand_is_made_again(self):
        self.task('echo hi > out')
        self.assertHits('echo mine > out')

    def test_permissions_set_by_hand_are_the_tasks_to_change(self):
        self.task('echo hi > out')
        self.assertRuns('chmod +x out')
        self.assertHits()
        self.task('rm -f out; echo hello > out; chmod 755 out')
        self.assertRuns('chmod 644 out')
        self.assertHits('rm out')

    def test_permissions_that_were_there_before_are_not_those_of_a_new_file(self):
        self.task('echo hi > out', setup='echo old > out; chmod 755 out')
        self.assertHits()
        self.assertRuns('rm out')  # a new one cannot be executed
        self.assertHits('rm out')
        self.assertHits('chmod 755 out')

    def test_permissions_of_an_earlier_output_are_not_those_of_a_new_file(self):
        self.task('cat in.txt; echo hi > out', setup='echo 1 > in.txt')
        self.assertRuns('echo 2 > in.txt; chmod 755 out')
        self.assertRuns('rm out')
        self.task('cat in.txt; test -f out; echo hi > out; :', setup='rm out')
        self.assertRuns('echo 3 > in.txt; chmod 600 out')
        self.assertRuns('rm out')

    def test_permissions_that_the_task_sets_are_its_own(self):
        self.task('cat in.txt; echo hi > out; chmod +x out', setup='echo 1 > in.txt')
        self.assertRuns('echo 2 > in.txt')
        self.assertHits('rm out')  # of the second run, over the first one's file
        self.assertHits('echo 1 > in.txt; rm out')

    def test_permissions_that_the_task_only_passes_on_are_not_its_own(self):
        self.task('cat in.txt; echo hi > out; chmod a+X out',
                  setup='echo 1 > in.txt; echo old > out; chmod 755 out')
        self.assertRuns('rm out')
        self.assertRuns('echo 2 > in.txt; chmod 755 out')
        self.assertRuns('rm out')

    def test_an_umask_of_the_task_s_own_counts(self):
        self.task('umask 077; echo hi > out', setup='echo old > out; chmod 644 out')
        self.assertRuns('rm out')
        self.assertHits('rm out')

    def test_what_can_only_be_overwritten_must_be_there(self):
        self.task('test -e skip || truncate -c -s 0 out; echo done',
                  setup='echo old > out')
        self.edit('rm out')
        self.assertRuns()

    def test_a_write_protected_output_is_not_replaced(self):
        self.task('echo hi > out')
        self.assertRuns('echo mine > out; chmod 444 out')

    def test_an_output_with_another_name_is_written_under_both(self):
        self.task('echo hi > out')
        self.assertHits('ln out other')
        self.assertRuns('echo mine > other')
        self.assertEqual(self.read('other'), 'hi\n')

    def test_outputs_are_made_with_the_umask_of_the_caller(self):
        self.task('mkdir -p dist/deep; echo hi > dist/deep/out')
        self.edit('rm -r dist')
        self.assertEqual(self.run_and_compare(umask=0o077), 'ran')
        self.assertIn('cache miss: umask changed', self.history[-1])
        for umask in (0o022, 0o077):
            self.edit('rm -r dist')
            self.assertEqual(self.run_and_compare(umask=umask), 'hit')

    # --- what is left from last time (decisions H4) -------------------------

    def test_a_hit_for_a_fresh_clone_is_not_made_of_what_was_left(self):
        # Like `tsc --incremental`: writes only what is new by its own notes.
        self.task('for f in src/*; do grep -qxF "$(cksum $f)" .state || '
                  '{ mkdir -p dist; cp $f dist/; }; done 2>/dev/null; '
                  'cksum src/* > .state',
                  setup='mkdir src; echo a > src/a; echo b > src/b')
        self.edit('echo c > src/b')
        self.assertOk(self.vt('run', 'make'))
        self.assertHit(self.vt('run', 'make'))
        # All of dist, not only what the second run wrote.
        self.edit('rm -r dist .state')
        self.assertRan(self.vt('run', 'make'))
        self.assertEqual(self.read('dist/a') + self.read('dist/b'), 'a\nc\n')
        self.edit('rm -r dist .state')
        self.assertHit(self.vt('run', 'make'))
        self.assertEqual(self.read('dist/a') + self.read('dist/b'), 'a\nc\n')

    def test_an_appending_task_gives_a_fresh_clone_what_a_clean_run_does(self):
        self.task('cat in.txt; echo + >> acc', setup='echo 1 > in.txt')
        self.edit('echo 2 > in.txt')
        self.assertRan(self.vt('run', 'make'))
        self.assertEqual(self.read('acc'), '+\n+\n')
        self.assertHit(self.vt('run', 'make'))
        self.assertEqual(self.read('acc'), '+\n+\n')
        for _ in range(2):
            self.edit('rm acc')
            self.run_and_compare()
            self.assertEqual(self.read('acc'), '+\n')

    def test_a_forced_run_does_not_spoil_the_result_of_a_clean_one(self):
        self.task('n=$(cat count 2>/dev/null || echo 0); echo $((n+1)) > count')
        self.assertOk(self.vt('run', '--force', 'make'))
        self.assertEqual(self.read('count'), '2\n')
        self.assertHits('rm count')

    # --- words ----------------------------------------------------------------

    def test_what_was_emptied_before_it_was_removed_is_said_to_be(self):
        self.task(': > f; rm f', setup='echo old > f')
        self.edit('echo old > f')
        result = self.vt('run', '-v', 'make')
        self.assertRegex(result.out, 'Not cached: .*had been overwritten before')
