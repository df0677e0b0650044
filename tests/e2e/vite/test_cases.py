# SPDX-License-Identifier: Apache-2.0
"""The Vite cases of the tool endpoint's specification (106 to 109, 113), as far
as test_build.py does not have them already."""
import shutil

from vtask_e2e import VtTest, timeout


class CasesTest(VtTest):

    def setUp(self):
        super().setUp()
        self.example()

    def build(self, *flags, **env):
        return self.vt('run', *flags, 'build', env=env)

    def bundle(self):
        return ''.join(path.read_text()
                       for path in (self.workspace / 'dist/assets').glob('*.js'))

    def test_case_106_details_name_what_vite_asked_for(self):
        self.assertFirst(self.build())
        details = self.assertHit(self.build()).out
        details = self.assertOk(self.build('-vv')).out
        self.assertIn("env 'NODE_ENV'", details)
        outputs = [line.split("'")[1] for line in
                   details.partition('Outputs:')[2]
                   .partition('Reports:')[0].splitlines() if "'" in line]
        self.assertTrue(outputs, details)
        for path in outputs:
            self.assertTrue(path.startswith('dist/'), path)

    @timeout(90)
    def test_case_107_env_prefix_and_out_dir(self):
        self.write('vite.config.js',
                   "export default { envPrefix: 'MY_', build: { outDir: 'out' } }\n")
        self.assertFirst(self.build())
        built = self.snapshot('out')
        self.assertHit(self.build(VITE_FOO='1'))
        self.assertMiss("env 'MY_FOO' added", self.build(MY_FOO='1'))
        shutil.rmtree(self.workspace / 'out')
        self.assertHit(self.build())
        self.assertEqual(self.snapshot('out'), built)

    @timeout(90)
    def test_case_108_reference_in_env_file_counts(self):
        # Vite expands $SECRET_PART from an environment that does not have it; what
        # the file names is tracked all the same (tool endpoint, D15).
        self.write('.env', 'VITE_GREETING=pre-$SECRET_PART\n')
        self.assertFirst(self.build(SECRET_PART='one'))
        self.assertIn('pre-', self.bundle())
        self.assertHit(self.build(SECRET_PART='one'))
        self.assertMiss("env 'SECRET_PART' changed", self.build(SECRET_PART='two'))
        self.assertHit(self.build(SECRET_PART='one'))
        self.write('.env', 'VITE_GREETING=post-$SECRET_PART\n')
        self.assertMiss("'.env' modified", self.build(SECRET_PART='one'))

    def test_case_109_untracked_env_wins_over_the_reference(self):
        self.write('vite-task.json', {'tasks': {'build': {
            'command': 'vite build', 'cache': {'untrackedEnv': ['SECRET_PART']}}}})
        self.write('.env', 'VITE_GREETING=pre-$SECRET_PART\n')
        self.assertFirst(self.build(SECRET_PART='one'))
        self.assertIn('pre-one', self.bundle())
        self.assertHit(self.build(SECRET_PART='two'))

    def test_case_113_stale_file_in_dist_survives_a_hit_not_a_build(self):
        self.assertFirst(self.build())
        stale = self.write('dist/stale.txt', 'x')
        self.assertHit(self.build())
        self.assertTrue(stale.exists())
        self.write('public/q.txt', 'q\n')
        self.assertMiss("'q.txt' added in 'public'", self.build())
        self.assertFalse(stale.exists())
        self.assertEqual(self.read('dist/q.txt'), 'q\n')
        (self.workspace / 'public/q.txt').unlink()
        self.assertHit(self.build())
