# SPDX-License-Identifier: Apache-2.0
"""The line of a `vt cache` that takes long: in a terminal, and gone at the end."""
import os

from terminal import Terminal
from vtask_e2e import VtTest, requires, timeout

LINE = r'^▸ [a-z ]+: \d+(/\d+)?$'


class CacheProgressTest(VtTest):

    def setUp(self):
        super().setUp()
        self.package({'build': 'echo hello'})
        self.assertOk(self.vt('run', 'build'))
        # Takes a second to hash, and no room.
        self.blob = self.tmp / 'c/vtask/v1/blobs/ab' / ('0' * 62)
        self.blob.parent.mkdir(parents=True, exist_ok=True)
        self.blob.write_bytes(b'\0')  # not compressed
        os.truncate(self.blob, 3 << 30)

    @timeout(180)
    @requires('tmux')
    def test_a_long_verify_says_how_far_it_is_and_leaves_nothing(self):
        terminal = Terminal(self)
        terminal.clear()
        terminal.enter('vt cache verify; echo rc=$?')
        terminal.wait_for(LINE)
        screen = terminal.wait_for(r'^rc=1', gone=LINE, patience_s=150)
        self.assertNotIn('▸', screen)
        self.assertRegex(screen, r'blob ab0+ ?\n?0* is damaged')

    @requires('tmux')
    def test_interrupted_it_leaves_nothing_either(self):
        terminal = Terminal(self)
        terminal.clear()
        terminal.enter('vt cache verify; echo rc=$?')
        terminal.wait_for(LINE)
        terminal.key('C-c')
        screen = terminal.wait_for(r'^rc=130', gone=LINE)
        self.assertNotIn('▸', screen)

    @requires('tmux')
    def test_elsewhere_it_says_nothing(self):
        result = self.assertCode(1, self.vt('cache', 'verify'))
        self.assertNotIn('▸', result.out + result.err)
