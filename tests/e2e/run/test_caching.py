# SPDX-License-Identifier: Apache-2.0
"""What counts and what is put back, on tasks of one line. Cold and warm."""
import os
import shutil

from vtask_e2e import VtTest, timeout

BUILD = '''
const fs = require('fs')
const text = fs.readFileSync('in.txt', 'utf8')
fs.mkdirSync('dist/deep', { recursive: true })
fs.writeFileSync('dist/out.txt', text.toUpperCase())
fs.writeFileSync('dist/run.sh', '#!/bin/sh\\necho ' + text)
fs.chmodSync('dist/run.sh', 0o755)
fs.rmSync('dist/link', { force: true })
fs.symlinkSync('out.txt', 'dist/link')
fs.mkdirSync('dist/empty', { recursive: true })
console.log('to stdout')
console.error('to stderr')
'''


class CachingTest(VtTest):

    def setUp(self):
        super().setUp()
        self.package({'build': 'node build.cjs'})
        self.write('build.cjs', BUILD)
        self.write('in.txt', 'one')

    def build(self, *flags, **options):
        return self.vt('run', *flags, 'build', **options)

    def test_outputs_are_restored_with_modes_links_and_empty_directories(self):
        self.assertFirst(self.build())
        built = self.snapshot('dist')
        self.assertIn('empty', built)
        shutil.rmtree(self.workspace / 'dist')
        self.assertHit(self.build())
        self.assertEqual(self.snapshot('dist'), built)

    def test_output_is_replayed_to_the_streams_it_came_from(self):
        cold, warm = self.build(), self.build()
        self.assertFirst(cold)
        self.assertHit(warm)
        for result in (cold, warm):
            self.assertIn('to stdout\n', result.out)
            self.assertNotIn('to stderr', result.out)
            self.assertEqual(result.err, 'to stderr\n')

    def test_contents_seen_before_hit_again(self):
        self.assertFirst(self.build())
        self.write('in.txt', 'two')
        self.assertMiss("'in.txt' modified", self.build())
        for text in ('one', 'two', 'one'):
            self.write('in.txt', text)
            self.assertHit(self.build())
            self.assertEqual(self.read('dist/out.txt'), text.upper())

    def test_missing_probe_that_appears_misses(self):
        self.package({'build': "sh -c 'test -e flag && echo flag || echo plain'"})
        self.assertFirst(self.build())
        self.assertHit(self.build())
        self.write('flag', '')
        result = self.assertMiss("'flag' added in workspace root", self.build())
        self.assertIn('flag\n', result.out)
        (self.workspace / 'flag').unlink()
        self.assertHit(self.build())

    def test_listing_counts_names_not_contents(self):
        self.package({'build': 'ls src'})
        self.write('src/a', '1')
        self.assertFirst(self.build())
        self.write('src/a', '2')
        self.assertHit(self.build())
        self.write('src/b', '')
        self.assertMiss("'b' added in 'src'", self.build())
        (self.workspace / 'src/a').unlink()
        self.assertMiss("'a' removed from 'src'", self.build())

    def test_failure_keeps_its_code_and_is_not_stored(self):
        self.package({'build': "sh -c 'cat in.txt; exit 7'"})
        self.assertCode(7, self.build())
        again = self.assertCode(7, self.build())
        self.assertNotIn('cache hit', again.text)

    def test_no_cache_flag_neither_looks_nor_stores(self):
        self.assertRan(self.build('--no-cache'))
        self.assertFirst(self.build())
        self.assertIn('cache disabled', self.assertOk(self.build('--no-cache')).text)
        self.assertHit(self.build())

    def test_scripts_are_cached_only_on_request(self):
        self.package({}, scripts={'show': 'cat in.txt'})
        self.assertRan(self.vt('run', 'show'))
        self.assertRan(self.vt('run', 'show'))
        self.assertRan(self.vt('run', '--cache', 'show'))
        self.assertHit(self.vt('run', '--cache', 'show'))

    def test_declared_variable_counts_and_others_are_invisible(self):
        self.package({'build': {'command': 'env', 'cache': {'env': ['MODE']}}})
        first = self.assertFirst(self.build(env={'MODE': 'a', 'OTHER': 'x'}))
        self.assertIn('MODE=a\n', first.out)
        self.assertNotIn('OTHER=', first.out)
        self.assertHit(self.build(env={'MODE': 'a', 'OTHER': 'y'}))
        self.assertMiss("env 'MODE' changed", self.build(env={'MODE': 'b'}))
        self.assertHit(self.build(env={'MODE': 'a'}))

    def test_older_form_of_the_keys_is_accepted(self):
        self.package({'build': {'command': 'cat in.txt', 'cache': True,
                                'env': ['MODE'], 'input': ['in.txt']}})
        self.assertFirst(self.build(env={'MODE': 'a'}))
        self.assertHit(self.build(env={'MODE': 'a'}))
        self.assertMiss("env 'MODE' changed", self.build(env={'MODE': 'b'}))

    def test_explicit_inputs_and_outputs(self):
        self.package({'build': {'command': 'node build.cjs', 'cache': {
            'input': ['*.txt'], 'output': ['dist/**', '!dist/link']}}})
        self.assertFirst(self.build())
        shutil.rmtree(self.workspace / 'dist')
        self.assertHit(self.build())
        self.assertEqual(self.read('dist/out.txt'), 'ONE')
        self.assertFalse(os.path.lexists(self.workspace / 'dist/link'))
        self.write('more.txt', '')
        self.assertMiss("'more.txt' added in workspace root", self.build())

    def test_two_actions_of_one_command_are_cached_separately(self):
        self.package({'build': 'cat in.txt && cat other.txt'})
        self.write('other.txt', 'x')
        self.assertRan(self.build())
        self.write('other.txt', 'y')
        result = self.assertOk(self.build())
        self.assertIn('cat in.txt ◉ cache hit', result.out)
        self.assertIn("cat other.txt ○ cache miss: 'other.txt' modified", result.out)
        self.assertIn('1/2 cache hit (50%)', result.out)

    def test_rewritten_file_runs_once_more_then_hits(self):
        # Decisions H4: an input with its content from before, never resurrected.
        self.package({'build': "sh -c 'tr a-z A-Z <in.txt >t; cat t >in.txt; rm t'"})
        self.assertRan(self.build())
        self.assertRan(self.build())
        self.assertHit(self.build())
        self.assertEqual(self.read('in.txt'), 'ONE')

    def test_extra_arguments_are_part_of_the_key(self):
        self.package({'build': 'cat'})
        self.assertFirst(self.vt('run', 'build', 'in.txt'))
        self.assertHit(self.vt('run', 'build', 'in.txt'))
        self.assertFirst(self.vt('run', 'build', 'in.txt', 'in.txt'))

    @timeout(90)
    def test_second_clone_at_another_path_hits_at_once(self):
        self.assertFirst(self.build())
        clone = self.tmp / 'x/y/clone'
        shutil.copytree(self.workspace, clone, ignore=shutil.ignore_patterns('dist'))
        self.assertHit(self.build(cwd=clone))
        self.workspace = clone
        self.assertEqual(self.read('dist/out.txt'), 'ONE')

    def test_output_that_names_the_root_stays_in_its_root(self):
        self.package({'build': "sh -c 'pwd >where.txt; cat in.txt'"})
        self.assertFirst(self.build())
        self.assertHit(self.build())
        clone = self.tmp / 'clone'
        shutil.copytree(self.workspace, clone)
        self.assertRan(self.build(cwd=clone))
        self.assertEqual((clone / 'where.txt').read_text(), f'{clone}\n')

    def test_input_changed_while_it_ran_is_not_stored(self):
        self.package({'build': "sh -c 'cat in.txt; echo ready; cat ../h/pipe'"})
        os.mkfifo(self.home / 'pipe')
        run = self.start_vt('run', 'build')
        run.wait_for('oneready')  # not the start line, which says it too
        self.write('in.txt', 'two')
        with open(self.home / 'pipe', 'w') as pipe:
            pipe.write('go\n')
        self.assertEqual(run.finish(), 0, run.output)
        run = self.start_vt('run', 'build')
        run.wait_for('twoready')
        self.assertNotIn('cache hit', run.output)
        with open(self.home / 'pipe', 'w') as pipe:
            pipe.write('go\n')
        self.assertEqual(run.finish(), 0, run.output)
        self.assertIn('two', run.output)

    def test_dry_run_changes_nothing(self):
        self.assertIn('$ node build.cjs', self.assertOk(self.build('--dry-run')).out)
        self.assertFalse((self.workspace / 'dist').exists())
        self.assertFirst(self.build())
        self.assertIn('cache hit', self.assertOk(self.build('--dry-run')).out)
        self.write('in.txt', 'two')
        self.assertIn("cache miss: 'in.txt' modified",
                      self.assertOk(self.build('--dry-run')).out)
        self.assertEqual(self.read('dist/out.txt'), 'ONE')

    def test_two_runs_at_the_same_moment_execute_once(self):
        # The count lies outside the workspace, so it is neither input nor output.
        self.package({'build': "sh -c 'cat in.txt >out.txt; echo built; "
                               "echo x >>$HOME/count'"})
        runs = [self.start_vt('run', 'build') for _ in range(2)]
        for run in runs:
            self.assertEqual(run.finish(), 0, run.output)
            self.assertIn('built', run.output)
        self.assertEqual((self.home / 'count').read_text(), 'x\n')
        self.assertEqual(sum('cache hit, replaying' in run.output for run in runs), 1)
        self.assertEqual(self.read('out.txt'), 'one')
        self.assertHit(self.build())
