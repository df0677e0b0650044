# SPDX-License-Identifier: Apache-2.0
"""Plans in real runs: nested runs, failures, limits, --force, filters, dry runs."""
import re

from vtask_e2e import HIT, VtTest

ACCOUNT = 'Run `vt run --last-details`'


class PlanTest(VtTest):

    def setUp(self):
        super().setUp()
        self.write('package.json', {'name': 'root', 'workspaces': ['p/*'],
                                    'private': True})

    def member(self, name, tasks, needs=(), **options):
        self.package(tasks, where=f'p/{name}', **options)
        self.write(f'p/{name}/package.json', {
            'name': name, 'dependencies': {n: 'workspace:*' for n in needs}})

    def root(self, tasks):
        self.write('vite-task.json', {'tasks': tasks})

    # ------------------------------------------------------------ nested runs

    def test_a_nested_run_is_part_of_the_run_cold_and_warm(self):
        self.member('a', {'build': 'cat in'}, needs=['b'])
        self.member('b', {'build': 'cat in'})
        self.write('p/a/in', 'from a\n')
        self.write('p/b/in', 'from b\n')
        self.root({'ci': 'echo first && vt run -r build && echo last'})
        cold = self.assertOk(self.vt('run', 'ci'))
        self.assertEqual(re.findall(r'^(?:first|from .|last)$', cold.out, re.M),
                         ['first', 'from b', 'from a', 'last'])
        self.assertEqual(cold.out.count(ACCOUNT), 1)
        self.assertIn('4/4 successful', cold.out)
        warm = self.assertOk(self.vt('run', 'ci'))
        self.assertEqual(warm.out.count(HIT), 2)
        # The same results, however they are asked for.
        self.assertEqual(self.assertOk(self.vt('run', '-r', 'build')).out.count(HIT), 2)

    def test_a_nested_failure_ends_everything_with_its_code(self):
        self.member('a', {'t': "sh -c 'exit 7'"})
        self.member('b', {'t': 'sleep 1000'})
        self.root({'ci': 'vt run -r t && echo not this', 'all': {
            'command': 'echo nor this', 'dependsOn': ['ci', 'long']},
            'long': 'sleep 1000'})
        result = self.assertCode(7, self.vt('run', 'all', patience_s=40))
        self.assertNotIn('echo', result.out)
        self.wait_gone(self.tasks)

    def test_nested_plans_have_limits_of_their_own(self):
        # Both must be there at once for either to end.
        meet = ("sh -c 'touch $1.here; while [ ! -e $2.here ]; do sleep 0.05; "
                "done' sh ../%s ../%s")
        self.member('a', {'t': meet % ('a', 'b')})
        self.member('b', {'t': meet % ('b', 'a')})
        self.root({'ci': 'vt run --no-cache --concurrency-limit 2 -r t'})
        self.assertOk(self.vt('run', '--concurrency-limit', '1', 'ci', patience_s=40))

    # ------------------------------------------------------------ failures

    def failing(self):
        self.member('a', {'t': "sh -c 'exit 5'"})
        self.member('b', {'t': 'echo b'}, needs=['a'])
        self.member('c', {'t': 'echo c && echo more'})
        self.member('d', {'t': "sh -c 'exit 6'"}, needs=['c'])

    def test_continue_runs_all_that_does_not_depend_on_a_failure(self):
        self.failing()
        for flag in ('--continue', '--fail-fast=no'):
            with self.subTest(flag=flag):
                result = self.assertCode(5, self.vt(
                    'run', flag, '--concurrency-limit', '1', '-r', 't'))
                self.assertIn('more', result.out)
                self.assertNotIn('echo b', result.out)
                self.assertIn('2/4 successful', result.out)

    def test_without_it_nothing_new_starts(self):
        self.failing()
        result = self.assertCode(5, self.vt(
            'run', '--concurrency-limit', '1', '-r', 't'))
        self.assertNotIn('echo c', result.out)

    def test_a_nested_run_may_continue_where_the_outer_one_does_not(self):
        self.failing()
        self.root({'ci': 'vt run --continue --concurrency-limit 1 -r t && echo x'})
        result = self.assertCode(5, self.vt('run', 'ci'))
        self.assertIn('more', result.out)
        self.assertNotIn('echo x', result.out)

    def test_siblings_that_we_end_are_cancelled_not_failed(self):
        self.member('a', {'t': "sh -c 'while [ ! -e ../here ]; do sleep 0.05; "
                               "done; exit 9'"})
        self.member('b', {'t': "sh -c 'touch ../here; exec sleep 1000'"})
        result = self.assertCode(9, self.vt('run', '-v', '-r', 't', patience_s=40))
        self.assertIn('(cancelled)', result.out)
        self.assertIn('1 failed', result.out)

    # ------------------------------------------------------------ --force

    def test_force_runs_and_stores_anew(self):
        self.root({'t': "sh -c 'date +%N; cat in'"})
        self.write('in', 'x\n')
        first = self.assertOk(self.vt('run', 't'))
        forced = self.assertOk(self.vt('run', '--force', 't'))
        self.assertIn('○ forced, executing', forced.out)
        stamps = [re.search(r'^\d{9}$', r.out, re.M)[0] for r in (first, forced)]
        self.assertNotEqual(*stamps)
        hit = self.assertOk(self.vt('run', 't'))
        self.assertIn(HIT, hit.out)
        self.assertIn(stamps[1], hit.out)
        self.assertIn('→ Forced', self.vt('run', '--force', '-v', 't').out)

    # ------------------------------------------------------------ dry runs

    def test_a_dry_run_does_not_guess_behind_a_writer(self):
        self.root({'w': "sh -c 'cp a.txt w.txt' && cat w.txt"})
        self.write('a.txt', 'A\n')
        self.assertOk(self.vt('run', 'w'))
        dry = self.assertOk(self.vt('run', '--dry-run', 'w'))
        self.assertRegex(dry.out, r"w\.txt' ◉ cache hit\n"
                                  r"\$ cat w\.txt ◌ depends on earlier steps")
        self.assertIn('1/2 cache hit (50%), nothing was run.', dry.out)

    def test_a_dry_run_of_a_nested_run_shows_its_steps(self):
        self.member('a', {'t': 'cat in'})
        self.write('p/a/in', '1')
        self.root({'ci': 'vt run a#t'})
        self.assertOk(self.vt('run', 'ci'))
        dry = self.assertOk(self.vt('run', '--dry-run', 'ci'))
        self.assertIn('~/p/a$ cat in ◉ cache hit', dry.out)

    # ------------------------------------------------------------ filters

    def test_changed_packages_are_selected(self):
        if self.command('sh', '-c', 'command -v git').code:
            self.skipTest('REQUIRES(git): not in PATH')
        for name in 'ab':
            self.member(name, {'t': f'echo {name}{name}'})
        git = ['git', '-c', 'user.name=x', '-c', 'user.email=x@x']
        for words in (['init', '-q'], ['add', '.'], ['commit', '-q', '-m', 'x']):
            self.assertOk(self.command(*git, *words))
        none = self.assertOk(self.vt('run', '-F', '[HEAD]', 't'))
        self.assertEqual(none.err, 'No packages matched the filter: [HEAD]\n')
        self.write('p/b/new', 'x')
        result = self.assertOk(self.vt('run', '-F', '[HEAD]', 't'))
        self.assertIn('bb\n', result.out)
        self.assertNotIn('aa\n', result.out)
        bad = self.assertCode(1, self.vt('run', '-F', '[nope]', 't'))
        self.assertIn('git does not know `nope`', bad.err)

    # ------------------------------------------------------------ deviations

    def test_x8_a_bridge_is_no_cycle(self):
        self.member('a', {'only': 'echo here'}, needs=['b'])
        self.member('b', {}, needs=['a'])
        self.assertIn('here', self.assertOk(self.vt('run', '-r', 'only')).out)

    def test_x12_directories_are_normalised(self):
        self.root({'t': 'cd p/../p/a && pwd'})
        self.member('a', {})
        self.assertIn('~/p/a$ pwd', self.assertOk(self.vt('run', 't')).out)

    def test_x13_dollar_quotes_are_decoded(self):
        self.root({'t': "printf %s $'a\\tb'"})
        self.assertIn('a\tb', self.assertOk(self.vt('run', 't')).out)

    def test_x14_arguments_of_shell_steps_are_shown_and_stay_out_of_comments(self):
        self.root({'t': 'echo a | cat # note'})
        self.write('in', 'text\n')
        result = self.assertOk(self.vt('run', 't', 'in'))
        self.assertIn('$ echo a | cat in # note', result.out)

    def test_x16_a_task_with_a_hash_in_its_name(self):
        self.root({'v#w': 'echo yes'})
        self.assertIn('yes', self.assertOk(self.vt('run', 'v#w')).out)
        self.assertIn('yes', self.assertOk(self.vt('run', 'root#v#w')).out)

    def test_x22_flags_for_the_chosen_task_are_accepted_by_the_list(self):
        self.root({'t': 'echo'})
        for flag in ('-v', '--no-cache', '--log=labeled', '--continue'):
            with self.subTest(flag=flag):
                self.assertIn('t: echo', self.assertOk(self.vt('run', flag)).out)

    def test_x6_a_star_is_every_package(self):
        self.member('a', {'t': 'echo a'})
        self.write('p/b/package.json', {'name': '@s/b', 'scripts': {'t': 'echo b'}})
        result = self.assertOk(self.vt('run', '-F', '*', 't'))
        self.assertIn('2/2 successful', result.out)
