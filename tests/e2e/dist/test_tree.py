# SPDX-License-Identifier: Apache-2.0
"""build/<preset>/dist: what users get. (lint.static_programs looks into the
programs.)"""
import os
import pathlib
import shutil

from vtask_e2e import DIST, ROOT, VtTest


class TreeTest(VtTest):

    def setUp(self):
        super().setUp()
        self.package({'hello': 'cat in.txt'})
        self.write('in.txt', 'hello\n')

    def test_files_are_there(self):
        for program in ('bin/vt', 'bin/vtr', 'bin/vtaskd', 'lib/vtask/vt-keeper'):
            self.assertTrue(os.access(DIST / program, os.X_OK), program)
        self.assertTrue((DIST / 'lib/vtask/vt_client.node').is_file())

    def test_every_schema_is_installed(self):
        schemas = list((ROOT / 'docs/schema').iterdir())
        self.assertGreaterEqual(len(schemas), 5)
        for schema in schemas:
            installed = DIST / 'share/vtask/schema' / schema.name
            self.assertEqual(installed.read_text(), schema.read_text())

    def test_works_when_copied_elsewhere(self):
        copy = self.tmp / 'copy of dist'
        shutil.copytree(DIST, copy, symlinks=True)
        self.vt_program = copy / 'bin/vt'
        self.assertIn('hello\n', self.assertFirst(self.vt('run', 'hello')).out)
        for daemon in self.daemons():
            program = os.readlink(f'/proc/{daemon}/exe')
            self.assertTrue(program.startswith(str(copy)), program)
        self.assertHit(self.vt('run', 'hello'))

    def test_works_through_a_symlink_in_path(self):
        folder = self.tmp / 'bin'
        folder.mkdir()
        (folder / 'vt').symlink_to(DIST / 'bin/vt')
        result = self.assertOk(self.command('vt', 'run', 'hello', env={
            'PATH': f'{folder}:{self.env["PATH"]}'}))
        self.assertIn('hello\n', result.out)

    def test_vtr_is_vt_run(self):
        result = self.assertOk(self.command(DIST / 'bin/vtr', 'hello'))
        self.assertIn('hello\n', result.out)

    def test_shim_does_not_name_the_place_where_it_was_built(self):
        if 'release' not in DIST.parts:
            self.skipTest('REQUIRES(release): others keep full paths on purpose')
        self.assertNotIn(os.fsencode(ROOT / 'build'),
                         pathlib.Path(DIST / 'bin/vt').read_bytes())
