# SPDX-License-Identifier: Apache-2.0
"""Exit codes are a contract (decisions H21)."""
from vtask_e2e import VtTest


class ExitCodeTest(VtTest):

    def setUp(self):
        super().setUp()
        self.package({})

    def run_command(self, command, **options):
        self.package({'t': command})
        return self.vt('run', 't', **options)

    def test_code_of_the_task(self):
        for code in (0, 1, 7, 69, 255):
            with self.subTest(code=code):
                self.assertCode(code, self.run_command(f"sh -c 'exit {code}'"))

    def test_signal_of_the_task_is_128_more(self):
        for name, number in (('KILL', 9), ('TERM', 15), ('INT', 2)):
            with self.subTest(signal=name):
                self.assertCode(128 + number,
                                self.run_command(f"sh -c 'kill -{name} $$'"))

    def test_code_of_an_uncached_task(self):
        self.package({'t': {'command': "sh -c 'exit 5'", 'cache': False}})
        self.assertCode(5, self.vt('run', 't'))
        self.package({'t': {'command': "sh -c 'kill -TERM $$'", 'cache': False}})
        self.assertCode(143, self.vt('run', 't'))

    def test_first_failure_stops_the_task(self):
        result = self.assertCode(3, self.run_command(
            "echo one && sh -c 'exit 3' && echo two"))
        self.assertIn('one', result.out)
        self.assertNotIn('two\n', result.out)

    def test_code_is_that_of_the_task_that_failed_first(self):
        self.package({
            'all': {'command': 'echo all', 'dependsOn': ['bad', 'long']},
            'bad': "sh -c 'exit 4'",
            'long': 'sleep 1000'})
        result = self.assertCode(4, self.vt('run', 'all', patience_s=30))
        self.assertNotIn('echo all', result.out)
        self.wait_gone(self.tasks)

    def test_unknown_task_is_1_with_a_suggestion(self):
        self.package({'build': 'true'})
        result = self.assertCode(1, self.vt('run', 'buid'))
        self.assertIn('Task "buid" not found', result.text)
        self.assertCode(1, self.vt('run', 'nope#build'))
        result = self.assertCode(1, self.vt('run', '-r', 'nope'))
        self.assertIn('Task "nope" not found', result.err)

    def test_missing_program_is_1_and_nothing_runs(self):
        result = self.assertCode(1, self.run_command(
            "cat package.json && no-such-program"))
        self.assertIn('no-such-program', result.err)
        self.assertNotIn('"private"', result.out)

    def test_cycle_is_1_and_names_the_tasks(self):
        self.package({'a': {'command': 'true', 'dependsOn': ['b']},
                      'b': {'command': 'true', 'dependsOn': ['a']}})
        result = self.assertCode(1, self.vt('run', 'a'))
        self.assertRegex(result.err, r'a -> .*b -> .*a')

    def test_usage_errors_are_2(self):
        for arguments in (('run', '--nope', 'x'), ('run', '--log', 'fancy', 'x'),
                          ('run', '--cache', '--no-cache', 'x'),
                          ('run', '-r', '-t', 'x'), ('bogus',)):
            with self.subTest(arguments=arguments):
                result = self.assertCode(2, self.vt(*arguments))
                self.assertIn('error: ', result.err)
                self.assertEqual(result.out, '')

    def test_outside_of_any_package_is_an_error(self):
        result = self.vt('run', 'x', cwd=self.home)
        self.assertCode(1, result)
        self.assertIn('package', result.err.lower())

    def test_help_is_0(self):
        for arguments in (('--help',), ('run', '--help'), ('run', '-h')):
            with self.subTest(arguments=arguments):
                self.assertIn('run', self.assertOk(self.vt(*arguments)).out)
