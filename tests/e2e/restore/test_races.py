# SPDX-License-Identifier: Apache-2.0
"""What changes while a task runs is not stored, and the path is named (issue 5,
point 3). The task waits in the middle until it is told to go on.
"""
import os
import shutil

from vtask_e2e import VtTest


class RacesTest(VtTest):

    def task(self, before, after):
        """A task that stops between `before` and `after` until it can read a
        line from a pipe outside of the workspace."""
        self.gate = self.tmp / 'gate'
        os.mkfifo(self.gate)
        self.package({'make': 'sh make.sh'})
        self.write('make.sh', f'{before}\necho waiting\nread line < {self.gate}\n{after}\n')

    def run_with(self, edit):
        """Runs it with `edit` done in the middle; the summary of the run."""
        run = self.start_vt('run', '-v', 'make')
        run.wait_for('waiting')
        edit()
        self.gate.write_text('go\n')
        self.assertEqual(run.finish(), 0, run.output)
        return run.output

    def assertNotStored(self, edit, path):
        output = self.run_with(edit)
        self.assertRegex(output, rf"Not cached: .*{path}", output)
        again = self.run_with(lambda: None)
        self.assertNotIn('cache hit, replaying', again)

    def test_an_input_that_is_edited_after_it_was_read(self):
        self.task('cat in.txt', 'echo done')
        self.write('in.txt', 'old\n')
        self.assertNotStored(lambda: self.write('in.txt', 'new\n'), 'in.txt')

    def test_an_input_that_is_edited_back(self):
        self.task('cat in.txt', 'cat in.txt')
        self.write('in.txt', 'old\n')

        def edit():
            self.write('in.txt', 'new\n')
            self.write('in.txt', 'old\n')
        self.assertNotStored(edit, 'in.txt')

    def test_an_input_that_is_replaced_with_its_old_times(self):
        self.task('cat in.txt', 'echo done')
        path = self.write('in.txt', 'old\n')
        info = path.stat()

        def edit():
            other = self.write('other', 'new\n')
            os.utime(other, ns=(info.st_atime_ns, info.st_mtime_ns))
            other.rename(path)
        self.assertNotStored(edit, 'in.txt')

    def test_an_input_that_is_removed(self):
        self.task('cat in.txt', 'echo done')
        path = self.write('in.txt', 'old\n')
        output = self.run_with(path.unlink)
        self.assertRegex(output, "Not cached: .*in.txt")

    def test_a_file_that_vanishes_before_the_task_writes_it(self):
        self.task('test -e out && echo there', 'echo own > out')
        path = self.write('out', 'old\n')
        output = self.run_with(path.unlink)
        self.assertRegex(output, 'Not cached: .*out')

    def test_a_file_that_appears_after_it_was_looked_for(self):
        self.task('test -e flag || echo none', 'echo done')
        self.assertNotStored(lambda: self.write('flag', ''), 'flag')

    def test_a_listed_directory_that_gains_a_file(self):
        self.task('ls src', 'echo done')
        self.write('src/a', '')
        self.assertNotStored(lambda: self.write('src/b', ''), 'src')

    def test_an_output_that_somebody_else_writes(self):
        self.task('mkdir -p dist; echo own > dist/a; echo own > dist/b', 'echo done')
        self.assertNotStored(lambda: self.write('dist/a', 'other\n'), 'dist/a')

    def open_for_writing(self, path, flags):
        """As somebody who takes his time does."""
        self.addCleanup(os.close, os.open(self.workspace / path, os.O_WRONLY | flags))

    def test_an_output_that_somebody_else_is_about_to_write(self):
        self.task('mkdir -p dist; echo own > dist/a', 'echo done')
        self.assertNotStored(lambda: self.open_for_writing('dist/a', os.O_TRUNC), 'dist/a')

    # Until the task closes it nobody can tell whose writes these are.
    def test_an_output_that_somebody_else_opens_while_the_task_has_it_open(self):
        self.task('mkdir -p dist; exec 3> dist/a; echo own >&3', 'exec 3>&-')
        self.assertNotStored(lambda: self.open_for_writing('dist/a', os.O_TRUNC), 'dist/a')

    def test_an_output_that_somebody_else_puts_in_its_place(self):
        self.task('mkdir -p dist; echo own > dist/a', 'echo done')

        def edit():
            self.write('other', 'other\n').rename(self.workspace / 'dist/a')
        self.assertNotStored(edit, 'dist/a')

    def test_an_output_that_somebody_else_removes(self):
        self.task('mkdir -p dist; echo own > dist/a; echo own > dist/b', 'echo done')
        output = self.run_with((self.workspace / 'dist/a').unlink)
        self.assertRegex(output, 'Not cached: .*dist/a')

    def test_an_output_directory_that_somebody_else_removes(self):
        self.task('mkdir -p dist; echo own > dist/a', 'echo done')
        output = self.run_with(lambda: shutil.rmtree(self.workspace / 'dist'))
        self.assertRegex(output, 'Not cached: .*dist')

    # A formatter has written what it made of it; then somebody saves it.
    def test_a_source_that_is_saved_after_the_task_has_rewritten_it(self):
        self.task('sed -i s/a/b/ in.txt', 'echo done')
        self.write('in.txt', 'a\n')
        output = self.run_with(lambda: self.write('in.txt', 'saved\n'))
        self.assertRegex(output, 'Not cached: .*in.txt')

    def test_a_draft_that_somebody_else_writes(self):
        self.task('echo own > draft', 'mv draft out')
        self.assertNotStored(lambda: self.write('draft', 'other\n'), 'out')

    def test_what_others_do_beside_the_outputs_does_not_matter(self):
        self.task('mkdir -p dist; echo own > dist/a; echo own > dist/t; mv dist/t dist/b',
                  'echo more >> dist/a; rm dist/b; echo own > dist/b')

        def edit():
            self.write('dist/other', 'other\n').rename(self.workspace / 'dist/another')
            self.assertEqual(self.read('dist/a'), 'own\n')
        self.assertNotIn('Not cached', self.run_with(edit))
        self.assertHit(self.vt('run', 'make'))

    def test_an_edit_right_after_the_run_is_a_miss(self):
        # Younger than any clock's granularity.
        self.package({'make': 'cat in.txt'})
        for i in range(20):
            self.write('in.txt', f'{i:03}\n')
            self.assertIn(f'{i:03}\n', self.assertRan(self.vt('run', 'make')).out)
        for i in range(20):
            self.write('in.txt', f'{i:03}\n')
            self.assertIn(f'{i:03}\n', self.assertHit(self.vt('run', 'make')).out)
