# SPDX-License-Identifier: Apache-2.0
"""Short runs of tests/oracle: random workspaces against the truth, a daemon that is
killed, edits while tasks run. `tests/run.sh --oracle|--crash|--race` are the long ones.
"""
import os
import subprocess
import sys
import unittest

from vtask_e2e import DIST, ROOT, requires, timeout


class OracleTest(unittest.TestCase):

    def play(self, script, *args):
        done = subprocess.run(
            [sys.executable, ROOT / 'tests/oracle' / script, *args],
            env={**os.environ, 'VT_TEST_DIST': str(DIST)}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors='replace', check=False)
        print(done.stdout)
        self.assertEqual(done.returncode, 0)

    @requires('listener')
    @timeout(400)
    def test_no_hit_of_random_workspaces_is_wrong(self):
        self.play('oracle.py', '--steps', '300', '--seed', '1')

    @requires('listener')
    @timeout(300)
    def test_killed_daemon_loses_nothing_and_leaves_no_task(self):
        self.play('crash.py', '--kills', '20')
