# SPDX-License-Identifier: Apache-2.0
"""Under GITHUB_ACTIONS: folded groups, annotations, and no surprise for others."""
from vtask_e2e import VtTest

ON = {'GITHUB_ACTIONS': 'true'}


class GithubActionsTest(VtTest):

    def setUp(self):
        super().setUp()
        self.package({
            'one': 'echo alone',
            'bad': "sh -c 'echo before; exit 3'",
            'all': {'command': 'echo last', 'dependsOn': ['one']},
            'both': {'command': 'echo last', 'dependsOn': ['one', 'bad']}})

    def test_several_commands_are_folded(self):
        result = self.assertOk(self.vt('run', 'all', env=ON))
        self.assertIn('::group::[app#one] $ echo alone ⊘ cache disabled\n'
                      'alone\n::endgroup::\n', result.out)
        self.assertIn('::group::[app#all] $ echo last', result.out)

    def test_a_failure_is_annotated_and_not_folded(self):
        result = self.assertCode(3, self.vt('run', 'both', env=ON))
        self.assertIn("── [app#bad] ──\nbefore\n", result.out)
        self.assertIn("\n::error title=app#bad::$ sh -c 'echo before; exit 3': "
                      'exit code 3\n', result.out)

    def test_one_command_is_streamed_as_ever(self):
        result = self.assertOk(self.vt('run', 'one', env=ON))
        self.assertEqual(result.out, self.vt('run', 'one').out)
        result = self.assertCode(3, self.vt('run', 'bad', env=ON))
        self.assertIn('\nbefore\n', result.out)
        self.assertIn('\n::error title=app#bad::', result.out)

    def test_a_log_mode_that_is_asked_for_stays(self):
        result = self.assertOk(self.vt('run', '--log', 'labeled', 'all', env=ON))
        self.assertIn('[app#one] alone\n', result.out)
        self.assertNotIn('::group::', result.out)

    def test_nothing_of_it_elsewhere(self):
        for env in ({}, {'CI': 'true'}, {'GITHUB_ACTIONS': 'false'}):
            result = self.vt('run', 'both', env=env)
            self.assertNotIn('::', result.out)
