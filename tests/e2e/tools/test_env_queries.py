# SPDX-License-Identifier: Apache-2.0
"""What tools ask of the environment, and what a change of it does (tool
endpoint, cases 54 to 75), through the unmodified npm wrapper."""
import os

from tool_task import ToolTest
from vtask_e2e import timeout

# Every two bytes of these tell a match of case 61 from another.
TABLE = {'P_A': 'a', 'P_B': 'b', 'P_AB': 'ab', 'P_': 'e', 'P_*': 's', 'Q_A': 'q',
         'P.X': 'x', 'P/Y': 'y', '!P_A': 'n', 'p_low': 'l'}


class EnvQueriesTest(ToolTest):

    def test_case_54_tracked_variable(self):
        self.script("say([process.env.PROBE ?? null, getEnv('PROBE') ?? null]);")
        self.assertEqual(self.said_once(self.t(PROBE='1')), [None, '1'])
        self.assertHit(self.t(PROBE='1'))
        second = self.t(PROBE='2')
        self.assertMiss("env 'PROBE' changed", second)
        self.assertEqual(self.said_once(second), [None, '2'])
        self.assertMiss("env 'PROBE' removed", self.t())
        self.assertHit(self.t())
        self.assertMiss("env 'PROBE' added", self.t(PROBE=''))
        self.assertHit(self.t(PROBE='', UNRELATED='x'))
        # Many results for one key (D9).
        for value in ('1', '2', '1'):
            again = self.assertHit(self.t(PROBE=value))
            self.assertEqual(self.said_once(again), [None, value])

    def test_case_55_untracked_variable_is_served_and_does_not_count(self):
        self.script("say(getEnv('PROBE', { tracked: false }));")
        self.assertEqual(self.said_once(self.t(PROBE='1')), '1')
        self.assertEqual(self.said_once(self.assertHit(self.t(PROBE='2'))), '1')

    def test_case_56_any_tracked_use_wins(self):
        self.script("""
          getEnv('A', { tracked: false }); getEnv('A');
          getEnv('B'); getEnv('B', { tracked: false });
          getEnvs('C_*', { tracked: false }); getEnvs('C_*');
          getEnvs('D_*'); getEnvs('D_*', { tracked: false });
        """)
        self.assertStored()
        for name in ('A', 'B', 'C_1', 'D_1'):
            self.assertMiss(f"env '{name}' added", self.t(**{name: 'x'}))
            self.assertHit(self.t())

    def test_case_57_declared_variable_is_in_both(self):
        self.script("say([process.env.PROBE, getEnv('PROBE')]);", env=['PROBE'])
        self.assertEqual(self.said_once(self.t(PROBE='1')), ['1', '1'])
        self.assertMiss("env 'PROBE' changed", self.t(PROBE='2'))
        self.assertHit(self.t(PROBE='1'))
        self.assertHit(self.t(PROBE='2'))

    def test_case_58_untracked_env_wins_over_a_tracked_call(self):
        self.script("say(getEnv('PROBE'));", untrackedEnv=['PROBE'])
        self.assertEqual(self.said_once(self.t(PROBE='1')), '1')
        self.assertEqual(self.said_once(self.assertHit(self.t(PROBE='2'))), '1')
        self.assertHit(self.t())

    def test_case_58_pattern_of_untracked_env_wins_too(self):
        self.script("getEnv('PROBE'); getEnv('OTHER');", untrackedEnv=['PRO*'])
        self.assertStored()
        self.assertHit(self.t(PROBE='2'))
        self.assertMiss("env 'OTHER' added", self.t(OTHER='1'))

    def test_exception_from_untracked_env_counts(self):
        self.script("getEnv('PROBE'); getEnvs('PROB*');",
                    untrackedEnv=['PRO*', '!PROBE'])
        self.assertStored()
        self.assertHit(self.t(PROBA='1'))
        self.assertMiss("env 'PROBE' added", self.t(PROBE='1'))

    @timeout(90)
    def test_case_59_bulk_queries_leave_out_what_is_untracked(self):
        self.script("getEnvs({ prefix: 'R' }); getEnvs('MY_*'); getEnvs('**_ID');",
                    untrackedEnv=['MY_SECRET', 'MY_X_*'])
        self.assertStored()
        for name in ('MY_SECRET', 'MY_X_1', 'RUNNER_X', 'GITHUB_RUN_ID'):
            self.assertHit(self.t(**{name: '1'}))
        for name in ('MY_NAME', 'RX', 'SOME_ID'):
            self.assertMiss(f"env '{name}' added", self.t(**{name: '1'}))
            self.assertHit(self.t())

    @timeout(90)
    def test_case_59_family_that_a_tool_asks_for_counts(self):
        # A token of the tool's own is no ambient one, and who asks for GITHUB_*
        # asks by name.
        self.script("getEnvs({ prefix: 'VITE_' }); getEnvs('GITHUB_*'); "
                    "getEnv('RUNNER_X');")
        self.assertStored()
        for name in ('VITE_API_TOKEN', 'GITHUB_RUN_ID', 'RUNNER_X'):
            self.assertMiss(f"env '{name}' added", self.t(**{name: '1'}))
            self.assertHit(self.t())

    def test_case_60_bulk_query_over_a_declared_name(self):
        self.script("getEnvs('PROBE_*');", env=['PROBE_A'])
        self.assertRan(self.t(PROBE_A='1'))
        self.assertMiss("env 'PROBE_A' changed", self.t(PROBE_A='2'))
        self.assertHit(self.t(PROBE_A='1'))
        self.assertMiss("env 'PROBE_B' added", self.t(PROBE_A='1', PROBE_B='1'))
        self.assertHit(self.t(PROBE_A='1'))

    def test_case_61_globs(self):
        expected = {
            'P_*': ['P_', 'P_*', 'P_A', 'P_AB', 'P_B'],
            '*_A': ['!P_A', 'P_A', 'Q_A'],
            'P_?': ['P_*', 'P_A', 'P_B'],
            'P_[AB]': ['P_A', 'P_B'],
            'P_[!A]': ['P_*', 'P_B'],
            'P_[^A]': ['P_*', 'P_B'],
            'P_{A,B}': ['P_A', 'P_B'],
            '{P,Q}_A': ['P_A', 'Q_A'],
            '!P_A': ['!P_A'],
            'p_*': ['p_low'],
            r'P_\*': ['P_*'],
            'P/*': ['P/Y'],
            'P.*': ['P.X'],
            '': [],
            '*': [],
        }
        self.write('globs.json', list(expected))
        self.script("""
          for (const glob of JSON.parse(read('globs.json')))
            say([glob, sorted(getEnvs(glob))]);
          say(sorted(getEnvs('**')));
        """)
        said = self.said(self.assertOk(self.t(**TABLE)))
        everything = dict(said.pop())
        self.assertEqual({**everything, **TABLE}, everything)
        self.assertIn('PATH', everything)
        self.assertEqual(dict((glob, dict(found)) for glob, found in said),
                         {glob: {name: TABLE[name] for name in names}
                          for glob, names in expected.items()})

    def test_case_62_globs_that_do_not_parse(self):
        # Ours: an error for that call alone (D3); the run is stored.
        self.write('globs.json', ['[', 'a{', 'a}', '{a,{b}', 'a[b-a]', 'a\\'])
        self.script("""
          for (const glob of JSON.parse(read('globs.json')))
            say(thrown(() => getEnvs(glob)));
          say(getEnvs('a\\\\\\\\'));
          say(getEnv('PROBE'));
        """)
        said = self.said(self.assertStored(PROBE='1'))
        self.assertEqual(said[6:], [{}, '1'])
        for error in said[:6]:
            self.assertEqual(error[0], 'GenericFailure')
            self.assertIn('invalid glob pattern from the task: "', error[1])

    def test_case_63_prefixes_are_literal(self):
        self.script("""
          for (const prefix of ['P_', 'P_*', 'p_']) say(sorted(getEnvs({ prefix })));
        """)
        self.assertEqual(self.said(self.assertOk(self.t(
            **{'P_*X': 's', 'P_A': 'a', 'P_B': 'b', 'p_low': 'l'}))),
            [[['P_*X', 's'], ['P_A', 'a'], ['P_B', 'b']], [['P_*X', 's']],
             [['p_low', 'l']]])

    def test_case_64_everything_is_nothing(self):
        self.script("say([getEnvs('*'), getEnvs({ prefix: '' })]);")
        self.assertEqual(self.said_once(self.t(A='1')), [{}, {}])
        self.assertHit(self.t(A='2', B='1'))

    def test_case_65_two_stars_are_everything_and_count(self):
        self.script("getEnvs('**');")
        self.assertStored()
        self.assertMiss("env 'DUMMY_CI_RUN_ID' added", self.t(DUMMY_CI_RUN_ID='1'))

    def test_case_66_tracked_prefix_names_what_changed(self):
        self.script("getEnvs({ prefix: 'PROBE_' });")
        self.assertRan(self.t(PROBE_B='1', PROBE_D='1'))
        second = self.t('-v', PROBE_A='1', PROBE_B='2', PROBE_D='1')
        self.assertMiss("envs 'PROBE_A', 'PROBE_B' changed", second)
        self.assertIn("env 'PROBE_A' added", second.out)
        self.assertIn("env 'PROBE_B' changed", second.out)
        self.assertMiss("env 'PROBE_B' removed", self.t(PROBE_A='1', PROBE_D='1'))
        self.assertHit(self.t(PROBE_A='1', PROBE_D='1', OTHER='1'))

    def test_case_67_prefix_assignments_and_later_changes(self):
        text = """
          process.env.MUT = 'x';
          say([getEnv('PFX') ?? null, process.env.PFX ?? null, getEnv('MUT') ?? null]);
        """
        self.script(text, command='PFX=pre node t.mjs')
        self.assertEqual(self.said_once(self.t()), ['pre', 'pre', None])
        self.assertHit(self.t(PFX='parent'))
        self.script(text, command='PFX=pre node t.mjs | cat')
        self.assertEqual(self.said_once(self.t()), [None, 'pre', None])

    def test_case_68_what_we_inject_is_not_served(self):
        self.script("""
          say(['FORCE_COLOR', 'VP_RUN', 'VP_RUN_IPC_NAME', 'LD_PRELOAD']
              .map(name => getEnv(name) ?? null));
          say(getEnv('PATH').includes('/node_modules/.bin'));
        """)
        self.assertEqual(self.said(self.assertOk(self.t())), [[None] * 4, True])

    def test_case_69_declared_input_and_output_track_variables_too(self):
        self.script("say(getEnv('PROBE') ?? null);", input=[], output=[])
        self.assertStored()
        self.assertMiss("env 'PROBE' added", self.t(PROBE='1'))

    def test_case_70_what_three_processes_ask_is_united(self):
        self.write('ask.mjs', "import { getEnv } from '@voidzero-dev/vite-task-client';"
                              'getEnv(process.argv[2]);')
        self.package({'t': 'node ask.mjs A | node ask.mjs B | node ask.mjs C'})
        self.assertStored()
        for name in 'ABC':
            self.assertMiss(f"env '{name}' added", self.t(**{name: '1'}))
            self.assertHit(self.t())

    def test_case_71_variables_are_named_before_files(self):
        self.write('in1', '1')
        self.write('in2', '1')
        self.script("read('in1'); read('in2'); getEnv('PROBE');")
        self.assertStored()
        self.write('in1', '2')
        self.write('in2', '2')
        result = self.t('-v', PROBE='1')
        self.assertMiss("env 'PROBE' added", result)
        details = result.out.rpartition('Cache miss: ')[2]
        places = [details.find(text) for text in
                  ("env 'PROBE' added", "'in1' modified", "'in2' modified")]
        self.assertEqual(places, sorted(places), details)
        self.assertGreaterEqual(places[0], 0, details)

    def test_case_72_only_what_this_way_asked_counts(self):
        self.script("if (getEnv('MODE') !== 'y') getEnv('ONLY_X');")
        self.assertRan(self.t(MODE='x'))
        self.assertMiss("env 'MODE' changed", self.t(MODE='y'))
        self.assertHit(self.t(MODE='y', ONLY_X='1'))
        self.assertRan(self.t(MODE='x', ONLY_X='1'))

    def test_case_73_dry_run_and_details(self):
        self.script("getEnv('PROBE');")
        self.assertStored(PROBE='1')
        dry = self.assertOk(self.t('--dry-run', PROBE='2'))
        self.assertIn("cache miss: env 'PROBE' changed", dry.out)
        self.assertIn("env 'PROBE'", self.assertHit(self.t(PROBE='1')).out +
                      self.t('-vv', PROBE='1').out)

    def test_case_74_values_are_never_stored(self):
        self.script("getEnv('SECRET'); getEnvs('HIDDEN*');")
        self.assertStored(SECRET='hunter2hunter2', HIDDEN_1='swordfish77')
        self.assertOk(self.vt('daemon', 'stop'))
        names = 0
        for path in (self.tmp / 'c').rglob('*'):
            if path.is_file():
                content = path.read_bytes()
                self.assertNotIn(b'hunter2hunter2', content, path)
                self.assertNotIn(b'swordfish77', content, path)
                names += b'SECRET' in content
        self.assertGreater(names, 0)

    def test_environment_larger_than_a_frame_is_served(self):
        # The addon then asks the daemon for each variable.
        big = {f'BIG_{i}': os.urandom(50000).hex() for i in range(12)}
        self.script("""
          say([getEnv('BIG_3').length, Object.keys(getEnvs({ prefix: 'SMALL_' })),
               getEnv('NONE') ?? null, thrown(() => getEnvs('BIG_*'))]);
        """)
        said = self.said_once(self.t(SMALL_A='1', **big))
        self.assertEqual(said[:3], [100000, ['SMALL_A'], None])
        self.assertHit(self.t(SMALL_A='1', **big))
        self.assertMiss("env 'SMALL_A' changed", self.t(SMALL_A='2', **big))
