# SPDX-License-Identifier: Apache-2.0
"""A cache whose disk is full: runs go on, nothing that was stored is lost."""
import os
import random
import subprocess

from vtask_e2e import VtTest, requires, timeout

BUILD = 'cat in.txt big.bin > out.bin && echo made $(cat in.txt)'
# RocksDB needs some itself.
DISK = '12m'


class FullDiskTest(VtTest):

    def setUp(self):
        super().setUp()
        self.disk = self.tmp / 'c'
        self.disk.mkdir()

    def mount(self):
        subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={DISK}', 'tmpfs', self.disk],
                       check=True)
        # Runs before the harness looks for what is left; the daemon goes first.
        self.addCleanup(self.unmount)

    def unmount(self):
        self.vt('daemon', 'stop', '--now', cwd=self.tmp)
        self.wait_gone(self.daemons)
        subprocess.run(['umount', '-l', self.disk], check=False)

    def build(self, text):
        self.write('in.txt', text)
        result = self.assertOk(self.vt('run', '-v', 'build'))
        self.assertIn(f'made {text}\n', result.out)
        self.assertEqual((self.workspace / 'out.bin').read_bytes(),
                         text.encode() + self.big)
        return result

    @requires('root', 'listener')
    @timeout(120)
    def test_a_full_disk_fails_no_run_and_loses_nothing(self):
        self.mount()
        self.big = random.Random(1).randbytes(1_500_000)
        self.package({'build': f"sh -c '{BUILD}'"})
        self.write('in.txt', '')
        (self.workspace / 'big.bin').write_bytes(self.big)
        stored, i = [], 0
        while True:
            i += 1
            self.assertLess(i, 20, 'the disk does not fill')
            if 'Not cached' in self.build(f'text{i}').out:
                break
            stored.append(f'text{i}')
        self.assertGreaterEqual(len(stored), 2)
        for text in stored * 2:  # hits, with outputs, from the full disk
            self.assertIn('1 cache hit', self.build(text).out)
        self.assertIn('0 cache hits', self.build(f'text{i}').out)
        # It opens on a full disk as well, and the workspace has its own.
        os.kill(self.daemon_pid(), 9)
        self.wait_gone(self.daemons)
        for text in stored:
            self.assertIn('1 cache hit', self.build(text).out)
        # Space comes back: it stores again.
        subprocess.run(['mount', '-o', 'remount,size=64m', self.disk], check=True)
        self.wait_until(lambda: 'Not cached' not in self.build('again').out,
                        'the cache writes again')
        self.assertIn('1 cache hit', self.build('again').out)
        for text in stored:
            self.assertIn('1 cache hit', self.build(text).out)
