# SPDX-License-Identifier: Apache-2.0
"""Calls that fail when their target exists (mkdir, symlink, link, renameat2 with
RENAME_NOREPLACE) tell a task whether it did: what has come to stand there
since is no hit, and is not replaced by one.
"""
from vtask_e2e import HIT, VtTest


class NotClobberedTest(VtTest):

    def setUp(self):
        super().setUp()
        self.package({'make': 'sh make.sh'})

    def make(self, script):
        self.write('make.sh', script)
        self.assertOk(self.vt('run', 'make'))

    def assertRan(self):
        result = self.vt('run', 'make')
        self.assertNotIn(HIT, result.out, f'\n{result}')
        return result

    def test_a_file_that_is_only_linked_if_missing_stays(self):
        self.make('ln -s default.json settings.json 2>/dev/null || true\n')
        (self.workspace / 'settings.json').unlink()
        self.write('settings.json', 'mine\n')
        self.assertRan()
        self.assertEqual(self.read('settings.json'), 'mine\n')

    def test_a_file_that_is_only_moved_to_if_missing_stays(self):
        self.make('echo made > n.tmp\nmv -n n.tmp notes.txt\nrm -f n.tmp\n')
        (self.workspace / 'notes.txt').unlink()
        self.write('notes.txt', 'mine\n')
        self.assertRan()
        self.assertEqual(self.read('notes.txt'), 'mine\n')

    def test_a_lock_directory_that_is_held_is_seen(self):
        self.make('if mkdir lock 2>/dev/null; then echo got; rmdir lock; '
                  'else echo busy; fi\n')
        (self.workspace / 'lock').mkdir()
        self.assertIn('busy\n', self.assertRan().out)
