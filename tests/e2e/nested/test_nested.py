# SPDX-License-Identifier: Apache-2.0
"""`vt run` started by a task (decisions H2): the task around it takes over what
the nested tasks read, asked for and made. Each rule cold, warm, and after a
change of what the nested task, its configuration or the plan depends on.
"""
import os
import pathlib
import re
import shutil
import unittest

from vtask_e2e import DIST, HIT, VtTest

INNER = '''mkdir -p dist
tr a-z A-Z < in.txt > dist/out.txt
echo inner ran
'''


class NestedTest(VtTest):

    def setUp(self):
        super().setUp()
        self.env['PATH'] = f'{DIST}/bin:{self.env["PATH"]}'
        self.tasks({})

    def tasks(self, more, outer='vt run inner', **config):
        """`inner` makes dist/out.txt of in.txt; `outer` runs the script."""
        self.package({'inner': 'sh inner.sh', 'outer': 'sh outer.sh', **more},
                     **config)
        self.write('inner.sh', INNER)
        self.write('outer.sh', f'echo outer begins\n{outer}\necho outer ends\n')
        self.write('in.txt', 'one\n')

    def outer(self, *flags, task='outer', **options):
        return self.vt('run', *flags, task, **options)

    def line(self, result, task='outer'):
        """The start line of the task itself: nested runs have some, too."""
        for line in result.out.splitlines():
            if f'$ sh {task}.sh' in line:
                return line
        self.fail(f'no start line of {task}\n{result}')

    def assertOuterHit(self, result, task='outer'):
        self.assertOk(result)
        self.assertIn(HIT, self.line(result, task), f'\n{result}')
        self.assertIn('outer ends\n', result.out)
        return result

    def assertOuterRan(self, result, task='outer'):
        self.assertOk(result)
        self.assertNotIn(HIT, self.line(result, task), f'\n{result}')
        return result

    def assertOuterMiss(self, reason, result, task='outer'):
        self.assertOk(result)
        self.assertIn(f'cache miss: {reason}', self.line(result, task),
                      f'\n{result}')
        return result

    def assertHitRestores(self, text='ONE\n'):
        """A hit puts back what the nested task had made."""
        shutil.rmtree(self.workspace / 'dist')
        result = self.assertOuterHit(self.outer())
        self.assertEqual(self.read('dist/out.txt'), text)
        return result

    def assertNotStored(self, reason, result):
        """The summary of the outermost run says why."""
        self.assertIn('→ Not cached: ', result.out, f'\n{result}')
        self.assertIn(reason, result.out, f'\n{result}')
        self.assertOuterRan(self.outer())
        return result

    # --- inputs and outputs of the nested task -------------------------------

    def test_its_inputs_and_outputs_are_those_of_the_task_around_it(self):
        cold = self.assertOuterRan(self.outer())
        self.assertIn('inner ran\n', cold.out)
        self.assertOuterHit(self.outer())
        self.assertIn('inner ran\n', self.assertHitRestores().out)

    def test_a_changed_input_of_it_is_a_miss(self):
        self.assertOuterRan(self.outer())
        self.write('in.txt', 'two\n')
        self.assertOuterMiss("'in.txt' modified", self.outer())
        self.assertEqual(self.read('dist/out.txt'), 'TWO\n')
        for text in ('one', 'two', 'one'):
            self.write('in.txt', text + '\n')
            self.assertOuterHit(self.outer())
            self.assertEqual(self.read('dist/out.txt'), text.upper() + '\n')

    def test_the_same_if_the_nested_task_is_a_hit(self):
        self.assertOk(self.vt('run', 'inner'))
        cold = self.assertOuterRan(self.outer())
        self.assertIn(f'$ sh inner.sh ◉ {HIT}', cold.out)
        self.assertOuterHit(self.outer())
        self.assertHitRestores()
        self.write('in.txt', 'two\n')
        self.assertOuterMiss("'in.txt' modified", self.outer())
        self.assertEqual(self.read('dist/out.txt'), 'TWO\n')

    def test_the_same_if_a_hit_of_it_restores_files(self):
        self.assertOk(self.vt('run', 'inner'))
        shutil.rmtree(self.workspace / 'dist')
        self.assertOuterRan(self.outer())
        self.assertOuterHit(self.outer())
        self.assertHitRestores()
        self.write('in.txt', 'two\n')
        self.assertOuterMiss("'in.txt' modified", self.outer())

    def test_a_probe_of_it_that_appears_is_a_miss(self):
        self.write('inner.sh', INNER + 'cat extra.txt 2>/dev/null || true\n')
        self.assertOuterRan(self.outer())
        self.assertOuterHit(self.outer())
        self.write('extra.txt', 'extra\n')
        result = self.assertOuterRan(self.outer())
        self.assertIn('extra\n', result.out)

    def test_explicit_inputs_of_it_count(self):
        self.tasks({'inner': {'command': 'sh inner.sh', 'cache': {
            'input': ['in.txt', 'inner.sh'], 'output': ['dist/**']}}})
        self.assertOuterRan(self.outer())
        self.assertOuterHit(self.outer())
        self.assertHitRestores()
        self.write('in.txt', 'two\n')
        self.assertOuterRan(self.outer())
        self.assertEqual(self.read('dist/out.txt'), 'TWO\n')

    def test_what_it_writes_and_does_not_declare_is_no_output_of_either(self):
        self.tasks({'inner': {'command': 'sh inner.sh', 'cache': {
            'output': ['dist/**']}}})
        self.write('inner.sh', INNER + 'echo note > note.txt\n')
        self.assertOuterRan(self.outer())
        (self.workspace / 'note.txt').unlink()
        self.assertHitRestores()
        self.assertFalse((self.workspace / 'note.txt').exists())

    def test_what_it_removes_a_hit_removes(self):
        self.write('inner.sh', INNER + 'rm -f old.txt\n')
        self.write('old.txt', 'old\n')
        self.assertOuterRan(self.outer())
        self.write('old.txt', 'old\n')
        self.assertOuterHit(self.outer())
        self.assertFalse((self.workspace / 'old.txt').exists())
        # The same when it was a hit itself (decisions H5).
        self.write('old.txt', 'old\n')
        self.write('outer.sh', 'vt run inner\necho outer ends\n')
        result = self.assertOuterRan(self.outer())
        self.assertIn(f'$ sh inner.sh ◉ {HIT}', result.out)
        self.write('old.txt', 'old\n')
        self.assertOuterHit(self.outer())
        self.assertFalse((self.workspace / 'old.txt').exists())

    def test_another_clone_hits(self):
        self.assertOuterRan(self.outer())
        clone = self.tmp / 'clone'
        shutil.copytree(self.workspace, clone,
                        ignore=shutil.ignore_patterns('dist'))
        self.assertOuterHit(self.outer(cwd=clone))
        self.assertEqual((clone / 'dist/out.txt').read_text(), 'ONE\n')

    # --- what the task around it does itself ---------------------------------

    def test_what_is_made_around_it_is_no_input(self):
        self.tasks({}, outer='tr o 0 < source.txt > in.txt\nvt run inner')
        (self.workspace / 'in.txt').unlink()
        self.write('source.txt', 'one\n')
        self.assertOuterRan(self.outer())
        self.assertEqual(self.read('dist/out.txt'), '0NE\n')
        self.assertOuterHit(self.outer())
        (self.workspace / 'in.txt').unlink()
        shutil.rmtree(self.workspace / 'dist')
        self.assertOuterHit(self.outer())
        self.assertEqual(self.read('in.txt'), '0ne\n')
        self.assertEqual(self.read('dist/out.txt'), '0NE\n')
        self.write('source.txt', 'two\n')
        self.assertOuterMiss("'source.txt' modified", self.outer())
        self.assertEqual(self.read('dist/out.txt'), 'TW0\n')

    def test_what_one_nested_task_makes_is_no_input_by_another(self):
        self.tasks({'second': 'sh second.sh'},
                   outer='vt run inner\nvt run second')
        self.write('second.sh', 'cat dist/out.txt > last.txt\n')
        self.assertOuterRan(self.outer())
        self.assertOuterHit(self.outer())
        shutil.rmtree(self.workspace / 'dist')
        (self.workspace / 'last.txt').unlink()
        self.assertOuterHit(self.outer())
        self.assertEqual(self.read('last.txt'), 'ONE\n')
        self.write('in.txt', 'two\n')
        self.assertOuterMiss("'in.txt' modified", self.outer())
        self.assertEqual(self.read('last.txt'), 'TWO\n')

    def test_its_output_may_be_read_and_changed_afterwards(self):
        self.tasks({}, outer='vt run inner\necho more >> dist/out.txt\n'
                             'cat dist/out.txt')
        self.assertOuterRan(self.outer())
        self.assertEqual(self.read('dist/out.txt'), 'ONE\nmore\n')
        shutil.rmtree(self.workspace / 'dist')
        self.assertOuterHit(self.outer())
        self.assertEqual(self.read('dist/out.txt'), 'ONE\nmore\n')
        self.write('in.txt', 'two\n')
        self.assertOuterMiss("'in.txt' modified", self.outer())
        self.assertEqual(self.read('dist/out.txt'), 'TWO\nmore\n')

    def test_an_input_that_is_changed_after_it_counts_as_it_was(self):
        self.tasks({}, outer='vt run inner\necho changed > in.txt')
        self.assertOuterRan(self.outer())
        # In the state that the task has left, another run gives another result.
        result = self.assertOuterRan(self.outer())
        self.assertEqual(self.read('dist/out.txt'), 'CHANGED\n')
        self.write('in.txt', 'one\n')
        self.outer()
        self.assertEqual(self.read('dist/out.txt'), 'ONE\n', f'\n{result}')

    def test_what_it_did_not_run_for_is_not_replaced(self):
        self.tasks({}, outer='test -f dist/out.txt || vt run inner')
        self.assertOuterRan(self.outer())
        self.write('dist/out.txt', 'by hand\n')
        self.assertOuterRan(self.outer())
        self.assertEqual(self.read('dist/out.txt'), 'by hand\n')

    def test_an_edited_output_is_made_anew(self):
        self.assertOuterRan(self.outer())
        self.write('dist/out.txt', 'by hand\n')
        self.assertOk(self.outer())
        self.assertEqual(self.read('dist/out.txt'), 'ONE\n')

    # --- the plan of the nested run ------------------------------------------

    def test_another_command_of_it_is_a_miss(self):
        self.assertOuterRan(self.outer())
        self.assertOuterHit(self.outer())
        self.package({'inner': 'sh other.sh', 'outer': 'sh outer.sh'})
        self.write('other.sh', 'echo other > other.txt\n')
        self.assertOuterMiss("'vite-task.json' modified", self.outer())
        self.assertEqual(self.read('other.txt'), 'other\n')

    def test_a_script_of_a_manifest_counts(self):
        self.package({'outer': 'sh outer.sh'}, scripts={'inner': 'sh inner.sh'},
                     cache={'scripts': True})
        self.assertOuterRan(self.outer())
        self.assertOuterHit(self.outer())
        self.package({'outer': 'sh outer.sh'},
                     scripts={'inner': 'sh inner.sh', 'postinner': 'echo post'},
                     cache={'scripts': True})
        result = self.assertOuterMiss("'package.json' modified", self.outer())
        self.assertIn('post\n', result.out)

    def test_a_new_package_is_a_miss(self):
        self.tasks({}, outer='vt run -r build')
        self.write('package.json', {'name': 'app', 'private': True,
                                    'workspaces': ['packages/*']})
        self.package({'build': 'echo a'}, where='packages/a')
        self.assertOuterRan(self.outer())
        self.assertOuterHit(self.outer())
        self.write('packages/a/unrelated.txt', 'x')
        self.write('unrelated.txt', 'x')
        self.assertOuterHit(self.outer())
        self.package({'build': 'echo b was built'}, where='packages/b')
        result = self.assertOuterRan(self.outer())
        self.assertIn('b was built\n', result.out)

    def test_a_program_that_comes_before_is_a_miss(self):
        self.tasks({'inner': 'tool'})
        self.write('node_modules/.bin/.keep', '')
        self.write('tools/tool', '#!/bin/sh\necho first\n', mode=0o755)
        self.env['PATH'] = f'{self.workspace}/tools:{self.env["PATH"]}'
        self.assertOuterRan(self.outer())
        self.assertOuterHit(self.outer())
        self.write('node_modules/.bin/tool', '#!/bin/sh\necho second\n', mode=0o755)
        result = self.assertOuterRan(self.outer())
        self.assertIn('second\n', result.out)

    def test_what_its_configuration_imports_counts(self):
        self.write('package.json', {'name': 'app', 'private': True})
        os.unlink(self.workspace / 'vite-task.json')
        self.write('vite.config.mjs', "import { tasks } from './tasks.mjs'\n"
                                      'export default { run: { tasks } }\n')
        tasks = "export const tasks = { inner: 'sh %s.sh', outer: 'sh outer.sh' }\n"
        self.write('tasks.mjs', tasks % 'inner')
        self.write('other.sh', 'echo other > other.txt\n')
        self.assertOuterRan(self.outer())
        self.assertOuterHit(self.outer())
        self.write('tasks.mjs', tasks % 'other')
        self.assertOuterMiss("'tasks.mjs' modified", self.outer())
        self.assertEqual(self.read('other.txt'), 'other\n')

    # --- environment ---------------------------------------------------------

    def test_variables_that_count_for_it_count(self):
        self.tasks({'inner': {'command': 'sh inner.sh',
                              'cache': {'env': ['MODE']}},
                    'outer': {'command': 'sh outer.sh',
                              'cache': {'untrackedEnv': ['MODE']}}})
        self.write('inner.sh', INNER + 'echo mode $MODE\n')
        first = self.assertOuterRan(self.outer(env={'MODE': 'x'}))
        self.assertIn('mode x\n', first.out)
        self.assertOuterHit(self.outer(env={'MODE': 'x'}))
        other = self.assertOuterMiss("env 'MODE' changed",
                                     self.outer(env={'MODE': 'y'}))
        self.assertIn('mode y\n', other.out)
        self.assertOuterRan(self.outer())
        self.assertOuterHit(self.outer(env={'MODE': 'x'}))

    def test_it_is_recognised_without_its_environment(self):
        keep = ' '.join(f'{name}="${name}"' for name in self.env)
        self.tasks({'outer': {'command': 'sh outer.sh',
                              'cache': {'untrackedEnv': ['XDG_*']}}},
                   outer=f'env -i {keep} vt run inner')
        self.assertOuterRan(self.outer())
        self.assertOuterHit(self.outer())
        self.write('in.txt', 'two\n')
        self.assertOuterMiss("'in.txt' modified", self.outer())

    # --- not stored ----------------------------------------------------------

    def test_one_that_failed_leaves_the_task_around_it_unstored(self):
        self.tasks({}, outer='vt run inner || true')
        self.write('inner.sh', 'exit 3\n')
        self.assertNotStored('nested `app#inner`: it failed with exit code 3',
                             self.outer('-v'))
        self.write('inner.sh', INNER)
        self.assertOuterRan(self.outer())
        self.assertOuterHit(self.outer())

    def test_one_that_cannot_be_planned_leaves_it_unstored(self):
        self.tasks({}, outer='vt run nope || true')
        self.assertNotStored('nested `vt run nope`: it ran no tasks',
                             self.outer('-v'))

    def test_one_in_another_workspace_leaves_it_unstored(self):
        other = self.tmp / 'other'
        other.mkdir()
        (other / 'package.json').write_text('{"name": "other"}')
        (other / 'vite-task.json').write_text('{"tasks": {"inner": "echo hi"}}')
        self.tasks({}, outer=f'(cd {other} && vt run inner)')
        self.assertNotStored(f'it ran in another workspace, {other}',
                             self.outer('-v'))

    def test_one_that_is_not_stored_leaves_it_unstored(self):
        self.tasks({'inner': {'command': 'sh inner.sh', 'cache': {
            'track': False, 'input': ['in.txt'], 'output': ['dist/**']}}})
        self.assertNotStored('nested `app#inner`: it ran untracked',
                             self.outer('-v'))

    def test_a_question_to_the_daemon_leaves_it_unstored(self):
        self.tasks({}, outer='vt run --dry-run inner')
        self.assertNotStored('nested `vt run --dry-run inner`: it ran no tasks',
                             self.outer('-v'))
        self.tasks({}, outer='vt daemon status')
        self.assertNotStored('asked vtask something other than to run tasks',
                             self.outer('-v'))

    def test_an_uncached_one_runs_in_its_tree_and_counts(self):
        self.tasks({'inner': {'command': 'sh inner.sh', 'cache': False}})
        self.assertOuterRan(self.outer())
        self.assertOuterHit(self.outer())
        self.assertHitRestores()
        self.write('in.txt', 'two\n')
        self.assertOuterMiss("'in.txt' modified", self.outer())

    def test_an_uncached_one_outside_its_tree_leaves_it_unstored(self):
        self.tasks({'inner': {'command': 'sh inner.sh', 'cache': False}},
                   outer='vt run --log=labeled inner')
        self.assertNotStored('nested `app#inner`: it is not cached',
                             self.outer('-v'))

    # --- depth, limits, recursion --------------------------------------------

    def test_three_deep(self):
        self.tasks({'middle': 'sh middle.sh'}, outer='vt run middle')
        self.write('middle.sh', 'vt run inner\ncat dist/out.txt > middle.txt\n')
        self.assertOuterRan(self.outer())
        self.assertOuterHit(self.outer())
        shutil.rmtree(self.workspace / 'dist')
        (self.workspace / 'middle.txt').unlink()
        self.assertOuterHit(self.outer())
        self.assertEqual(self.read('dist/out.txt'), 'ONE\n')
        self.assertEqual(self.read('middle.txt'), 'ONE\n')
        self.write('in.txt', 'two\n')
        self.assertOuterMiss("'in.txt' modified", self.outer())
        self.assertEqual(self.read('middle.txt'), 'TWO\n')
        # The middle one knows it as well, and so does an outer one that finds it.
        self.assertOk(self.vt('run', 'middle'))
        self.write('outer.sh', 'vt run middle\necho outer ends\n')
        self.assertOuterRan(self.outer())
        self.write('in.txt', 'three\n')
        self.assertOuterMiss("'in.txt' modified", self.outer())
        self.assertEqual(self.read('middle.txt'), 'THREE\n')

    def test_an_uncached_task_between_them(self):
        self.tasks({'middle': {'command': 'sh middle.sh', 'cache': False}},
                   outer='vt run middle')
        self.write('middle.sh', 'vt run inner\n')
        self.assertOuterRan(self.outer())
        self.assertOuterHit(self.outer())
        self.write('in.txt', 'two\n')
        self.assertOuterMiss("'in.txt' modified", self.outer())

    def test_a_limit_of_one_does_not_keep_it_waiting(self):
        self.tasks({'middle': 'sh middle.sh'}, outer='vt run middle')
        self.write('middle.sh', 'vt run inner\n')
        self.assertOuterRan(self.outer('--concurrency-limit', '1',
                                       env={'VP_RUN_CONCURRENCY_LIMIT': '1'}))

    def test_recursion_is_an_error_that_prints_the_chain(self):
        self.tasks({'again': 'sh again.sh'}, outer='vt run again || exit 1')
        self.write('again.sh', 'vt run outer\n')
        result = self.assertCode(1, self.outer())
        self.assertRegex(result.text, r'app#outer.*app#again.*app#outer')

    def test_its_summary_is_not_in_the_midst_of_the_output(self):
        for command, shown in (('vt run two', False), ('vt run two >&2', False),
                               ('vt run two | cat', True), ('vt run -v two', True),
                               ('vt run two > log; cat log', True),
                               ('env -u VP_RUN vt run two', True)):
            for more in ({}, {'cache': False}):
                with self.subTest(command=command, more=more):
                    self.tasks({'two': ['cat in.txt', 'cat in.txt -'],
                                'outer': {'command': 'sh outer.sh', **more}},
                               outer=command)
                    result = self.assertOuterRan(self.outer('--force'))
                    summary = re.search('2/2 successful|Statistics:   2 tasks',
                                        result.text)
                    # Uncached, its output is the caller's own.
                    self.assertEqual(summary is not None, shown or bool(more),
                                     f'\n{result}')

    def test_two_nested_runs_at_once(self):
        self.tasks({'second': 'sh second.sh'},
                   outer='vt run inner & vt run second & wait')
        self.write('other.txt', 'other\n')
        self.write('second.sh', 'cat other.txt > second.txt\n')
        self.assertOuterRan(self.outer())
        self.assertOuterHit(self.outer())
        (self.workspace / 'second.txt').unlink()
        self.assertOuterHit(self.outer())
        self.assertEqual(self.read('second.txt'), 'other\n')
        self.write('other.txt', 'new\n')
        self.assertOuterMiss("'other.txt' modified", self.outer())


if __name__ == '__main__':
    unittest.main()
