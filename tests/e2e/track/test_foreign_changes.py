# SPDX-License-Identifier: Apache-2.0
"""What somebody else does to an output while the task runs is not the task's: the
result is not stored, and says so."""
import os

from vtask_e2e import HIT, VtTest, requires

# The task stops between its draft and what becomes of it, until told to go on.
MAKE = '''
echo made > draft
%s
: > ../h/waits
until [ -e ../h/go ]; do sleep 0.01; done
mv draft out.txt
'''


class ForeignChangesTest(VtTest):

    def setUp(self):
        super().setUp()
        self.package({'make': 'sh make.sh'})

    def make(self, meanwhile=lambda draft: None, own=''):
        """Runs it, and `meanwhile` while it waits; what the run says."""
        for name in ('waits', 'go'):
            (self.home / name).unlink(missing_ok=True)
        self.write('make.sh', MAKE % own)
        run = self.start_vt('run', 'make')
        self.wait_until((self.home / 'waits').exists, 'the task waits')
        meanwhile(self.workspace / 'draft')
        (self.home / 'go').touch()
        self.assertEqual(run.finish(), 0, run.output)
        return str(run.output)

    def again(self):
        (self.workspace / 'out.txt').unlink()
        return self.assertOk(self.vt('run', 'make')).out

    @requires('listener')
    def test_what_somebody_made_of_a_draft_is_not_kept(self):
        for name, change in (('mode', lambda draft: draft.chmod(0o755)),
                             ('text', lambda draft: draft.write_text('not made\n'))):
            with self.subTest(name):
                output = self.make(change, own=f': {name}')
                self.assertIn('somebody else changed an output', output)
                self.assertNotIn(HIT, self.again())

    @requires('listener')
    def test_what_the_task_does_itself_is(self):
        for own in ('', 'chmod 755 draft', 'chmod 700 draft; chmod 755 draft',
                    'touch -d @1 draft', 'chmod 600 draft; chmod 755 draft; echo more >> draft'):
            with self.subTest(own):
                output = self.make(own=own)
                self.assertNotIn('not cached', output)
                self.assertIn(HIT, self.again())
                mode = os.stat(self.workspace / 'out.txt').st_mode & 0o777
                self.assertEqual(mode, 0o755 if 'chmod' in own else 0o644)
