# SPDX-License-Identifier: Apache-2.0
"""A part of the oracle (oracle.py) in every test run."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from oracle import Oracle  # pylint: disable=wrong-import-position
from vtask_e2e import timeout


class OracleTest(Oracle):

    @timeout(240)
    def test_random_edits_are_noticed_as_by_stat(self):
        self.run_steps(200, seed=1)
        self.assertGreater(self.answers, 20)
