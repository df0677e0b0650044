# SPDX-License-Identifier: Apache-2.0
"""`vt doctor`: what it finds on this machine, and on a worse one."""
import json

from vtask_e2e import VtTest


class DoctorTest(VtTest):

    def setUp(self):
        super().setUp()
        self.package({})

    def checks(self, result):
        answer = json.loads(result.out)
        self.assertEqual(answer['ok'], result.code == 0)
        return {check['name']: check for check in answer['checks']}

    def test_healthy_machine(self):
        text = self.assertOk(self.vt('doctor')).out
        for name in ('version', 'daemon', 'tracing', 'endpoints', 'runtime dir',
                     'cache dir', 'state dir', 'inotify', 'descriptors', 'node'):
            self.assertRegex(text, rf'(?m)^(ok|warning) +{name} ')
        checks = self.checks(self.assertOk(self.vt('doctor', '--json')))
        self.assertEqual(checks['endpoints']['state'], 'ok')
        self.assertIn(' v2', checks['node']['text'])
        self.assertEqual(self.sockets()[0].suffix, '.sock')

    def test_machine_without_node_is_warned(self):
        checks = self.checks(self.assertOk(
            self.vt('doctor', '--json', env={'PATH': '/nowhere'})))
        self.assertEqual(checks['node']['state'], 'warning')
        self.assertIn('not in PATH', checks['node']['text'])

    def test_daemon_that_cannot_start_is_a_problem(self):
        self.write('file', '')
        result = self.assertCode(1, self.vt('doctor', '--json', env={
            'VT_CACHE_DIR': str(self.workspace / 'file/cache')}))
        checks = self.checks(result)
        self.assertEqual(checks['daemon']['state'], 'problem')
        self.assertEqual(checks['cache dir']['state'], 'problem')

    def test_unknown_flag_is_refused(self):
        self.assertCode(2, self.vt('doctor', '--nonsense'))
        self.assertIn('Usage: vt doctor', self.assertOk(self.vt('doctor', '--help')).out)
