# SPDX-License-Identifier: Apache-2.0
"""Which program a name means depends on PATH: a result is of the one that ran
(decisions H6), wherever the name was looked up."""
import unittest

from vtask_e2e import VtTest


class ProgramsOnPathTest(VtTest):

    def setUp(self):
        super().setUp()
        self.rest = self.env['PATH']

    def tool(self, place, text):
        """The program `tool` in a directory outside of the workspace, which
        prints `text`."""
        file = self.tmp / place / 'tool'
        file.parent.mkdir(exist_ok=True)
        file.write_text(f'#!/bin/sh\necho {text}\n')
        file.chmod(0o755)

    def path(self, *places):
        """An environment whose PATH has these directories first."""
        return {'PATH': ':'.join([*(str(self.tmp / p) for p in places), self.rest])}

    def assertPrints(self, text, env):
        """Cold, then warm."""
        cold = self.assertRan(self.vt('run', 't', env=env))
        self.assertIn(text + '\n', cold.out)
        self.assertStillPrints(text, env)

    def assertStillPrints(self, text, env):
        self.assertIn(text + '\n', self.assertHit(self.vt('run', 't', env=env)).out)

    def check_the_first_on_path_counts(self):
        self.tool('two', 'of-two')
        both = self.path('one', 'two')
        self.assertPrints('of-two', both)
        # Another one comes to stand before it.
        self.tool('one', 'of-one')
        self.assertPrints('of-one', both)
        # PATH itself is another one.
        self.assertStillPrints('of-two', self.path('two'))
        self.assertStillPrints('of-one', both)
        # The same program elsewhere is the same program.
        self.tool('three', 'of-two')
        self.assertStillPrints('of-two', self.path('three'))
        # One that nobody may execute is none.
        (self.tmp / 'one/tool').chmod(0o644)
        self.assertStillPrints('of-two', both)

    def test_of_a_program_that_is_started(self):
        self.package({'t': {'command': 'tool', 'cache': True}})
        self.check_the_first_on_path_counts()

    def test_of_a_program_that_a_shell_starts(self):
        self.package({'t': {'command': 'tool | cat', 'cache': True}})
        self.check_the_first_on_path_counts()

    def test_of_an_interpreter_behind_env(self):
        self.package({'t': {'command': './script', 'cache': True}})
        self.write('script', '#!/usr/bin/env tool\n')
        (self.workspace / 'script').chmod(0o755)
        self.check_the_first_on_path_counts()


if __name__ == '__main__':
    unittest.main()
