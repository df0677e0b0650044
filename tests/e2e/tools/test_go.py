# SPDX-License-Identifier: Apache-2.0
"""A tool in Go (client/go/example) as a real task, cold and warm."""
from vtask_e2e import ROOT, VtTest, requires, timeout


class GoTest(VtTest):

    @requires('go')
    @timeout(180)
    def test_go_example_reports_what_it_cares_about(self):
        self.write('greetings/en.txt', 'Hello\n')
        self.write('greetings/de.txt', 'Moin\n')
        self.package({'greet': './greet'})
        environment = {'GOCACHE': str(self.tmp / 'go'), 'GOFLAGS': '-mod=mod',
                       'GOPROXY': 'off', 'CGO_ENABLED': '0', 'GOTOOLCHAIN': 'local'}
        self.assertOk(self.command(
            'go', 'build', '-o', self.workspace / 'greet', './example',
            cwd=ROOT / 'client/go', env=environment, patience_s=150))
        self.addCleanup(self.command, 'chmod', '-R', 'u+w', self.tmp / 'go',
                        cwd='/')
        # Outside of a run it just works.
        self.assertEqual(self.command('./greet').out, 'Hello\n')

        def greet(**env):
            return self.vt('run', 'greet', env=env)
        first = self.assertFirst(greet())
        self.assertIn('Hello\n', first.out)
        self.assertHit(greet())
        # The counter changed with each run, and is ignored.
        self.write('.greet-cache', 'edited')
        self.assertHit(greet())
        german = greet(GREETING_LANG='de')
        self.assertMiss("env 'GREETING_LANG' added", german)
        self.assertIn('Moin\n', german.out)
        self.write('greetings/de.txt', 'Servus\n')
        self.assertMiss("'greetings/de.txt' modified", greet(GREETING_LANG='de'))
        self.assertHit(greet())
        self.assertEqual(self.read('greeting.txt'), 'Hello\n')
        for _ in range(2):
            result = self.assertRan(greet(GREETING_RANDOM='1'))
            self.assertIn('a random greeting is another each time', result.out)
