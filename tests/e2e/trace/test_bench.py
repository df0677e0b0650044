# SPDX-License-Identifier: Apache-2.0
"""The benchmark of tracking runs, and gives numbers that make sense."""
import json
import sys

from vtask_e2e import DIST, ROOT, VtTest, requires, timeout


class BenchTest(VtTest):

    @requires('listener')
    @timeout(120)
    def test_track_benchmark_runs(self):
        runner = DIST.parent / 'tests/bench/track/vt_track_bench'
        if not runner.exists():
            self.skipTest(f'REQUIRES(vt_track_bench): {runner} is not built')
        self.workspace.mkdir()
        raw = self.tmp / 'raw.json'
        result = self.assertOk(self.command(
            sys.executable, ROOT / 'tests/bench/track/bench_track.py', '--quick',
            '--runner', runner, '--home', self.tmp / 'b', '--raw', raw,
            patience_s=100))
        for row in ('micro', 'fork-loop', 'git-status'):
            for way in ('ours', 'notify', 'tier2'):
                self.assertRegex(result.out, rf'(?m)^{row} +{way} +\d.*\[\d')
        samples = json.loads(raw.read_text())
        files = 20  # of the small micro row, each opened and stat'ed
        for cost in samples['micro']['ours'] + samples['micro']['notify']:
            self.assertGreaterEqual(cost['paths'], files)
            self.assertEqual(cost['flaws'], 0)
            self.assertGreater(cost['cpu_us'], 0)
        for cost in samples['micro']['notify']:
            self.assertGreater(cost['notifications'], 2 * 1000)
            self.assertEqual(cost['signed'], 0)
        for cost in samples['micro']['ours']:
            self.assertLess(cost['notifications'], 1000)
        for cost in samples['micro']['untraced']:
            self.assertEqual(cost['notifications'], 0)
