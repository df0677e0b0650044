# SPDX-License-Identifier: Apache-2.0
"""The harness itself: what it must notice, it notices."""
import contextlib
import io
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import unittest

from vtask_e2e import ROOT, VtTest, requires

REPORT = '''<testsuite>
<testcase name="unit.a" status="run"/>
<testcase name="unit.b" status="fail"/>
<testcase name="e2e.c" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>
<system-out>SKIPPED: REQUIRES(root): uid is 5
</system-out></testcase>
</testsuite>'''


def outcome(body):
    """The result of a test with this body; what it prints is dropped."""
    class Inner(VtTest):
        leave_patience_s = 0.5

        def test_inner(self):
            body(self)
    result = unittest.TestResult()
    with contextlib.redirect_stdout(io.StringIO()):
        Inner('test_inner').run(result)
    return result


class HarnessTest(unittest.TestCase):

    def summary(self, text, *flags):
        with tempfile.NamedTemporaryFile('w', suffix='.xml') as report:
            report.write(text)
            report.flush()
            return subprocess.run(
                [sys.executable, '-B', ROOT / 'tests/support/summary.py',
                 report.name, *flags], capture_output=True, text=True, check=False)

    def test_leftover_process_fails_a_test(self):
        def leave(test):
            subprocess.Popen(['setsid', 'sleep', '1000'], cwd=test.tmp)
        result = outcome(leave)
        self.assertIn('processes are left', result.failures[0][1])

    def test_leftover_socket_fails_a_test(self):
        def leave(test):
            with socket.socket(socket.AF_UNIX) as one:
                one.bind(str(test.tmp / 'left.sock'))
        self.assertIn('sockets are left', outcome(leave).failures[0][1])

    def test_nothing_left_passes_and_the_directory_is_gone(self):
        seen = []
        result = outcome(lambda test: seen.append(test.tmp))
        self.assertTrue(result.wasSuccessful(), result.failures)
        self.assertFalse(pathlib.Path(seen[0]).exists())

    def test_skip_carries_its_reason(self):
        need = 'ordinary_user' if os.getuid() == 0 else 'root'
        result = outcome(requires(need)(lambda test: None))
        self.assertRegex(result.skipped[0][1], rf'REQUIRES\({need}\): uid is \d+')

    def test_summary_counts_and_explains(self):
        done = self.summary(REPORT)
        self.assertEqual(done.returncode, 1)
        self.assertIn('e2e.c  REQUIRES(root): uid is 5', done.stdout)
        self.assertEqual(done.stdout.splitlines()[-1], '1 passed, 1 failed, 1 skipped')

    def test_summary_fails_below_the_minimum_count(self):
        passed = '<testsuite><testcase name="a" status="run"/></testsuite>'
        self.assertEqual(self.summary(passed).returncode, 0)
        done = self.summary(passed, '--full')
        self.assertEqual(done.returncode, 1)
        self.assertIn('minimum_count', done.stdout)

    def test_summary_of_no_test_fails(self):
        self.assertEqual(self.summary('<testsuite/>').returncode, 1)
