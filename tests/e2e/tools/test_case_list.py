# SPDX-License-Identifier: Apache-2.0
"""The list of cases in section 6 of the tool endpoint's specification
(../shared/spec/tool-ipc.md): which test has which.

A case N is the test `test_case_N_…` below tests/e2e/tools or tests/e2e/vite, and
says so there where it behaves as part A of the specification and not as the
reference. The cases of ELSEWHERE are part of another test."""
import re

from vtask_e2e import ROOT, VtTest

CASES = range(1, 116)
ELSEWHERE = {
    20: 'test_case_15_only_primitive_strings_are_paths_and_names',
    44: 'test_case_43_and_44_stray_bytes_and_callers_without_a_word',
    75: 'test_case_23_values_that_are_not_utf8',
}
# docs/rejected.md says why.
REJECTED = {114}


class CaseListTest(VtTest):

    def test_every_case_of_the_specification_has_a_test(self):
        names = set()
        for topic in ('tools', 'vite'):
            for path in (ROOT / 'tests/e2e' / topic).glob('test_*.py'):
                names.update(re.findall(r'def (test_\w+)', path.read_text()))
        missing = [case for case in CASES
                   if case not in REJECTED and ELSEWHERE.get(case) not in names
                   and not any(name.startswith(f'test_case_{case}_') for name in names)]
        self.assertEqual(missing, [])
        rejected = (ROOT / 'docs/rejected.md').read_text()
        for case in REJECTED:
            self.assertIn(f'case {case}', rejected)
