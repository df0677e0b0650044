# SPDX-License-Identifier: Apache-2.0
"""The stored format: read by a stranger, and opened for ever."""
import json
import shutil
import tarfile

import cache_reader
from vtask_e2e import DIST, ROOT, VtTest, requires


class FormatTest(VtTest):

    def reader(self):
        self.assertOk(self.vt('daemon', 'stop'))
        dump = DIST.parent / 'tests/integration/cache/vt_cache_dump'
        if not dump.exists():
            self.skipTest(f'REQUIRES(vt_cache_dump): {dump} is not built')
        return cache_reader.Cache(self.tmp / 'c/vtask/v1', dump)

    def described(self, cache):
        """The descriptions of the positions in `cache`, by their arguments."""
        found = {}
        for value in cache.tables['positions'].values():
            description = cache_reader.one(cache_reader.fields(value), 1)
            args = cache_reader.fields(description).get(2, [])
            found[b' '.join(args).decode()] = description
        return found

    @requires('listener')
    def test_a_stranger_reads_what_is_stored(self):
        self.package({'build': {'command': 'sh build.sh', 'cache': {'env': ['MODE']}}})
        self.write('build.sh', '''
test -e flag; ls src; cat in.txt; mkdir -p dist; ln -s x dist/link
for i in 1 2 3 4 5 6 7 8 9; do cat big.txt; done >dist/big
head -c 3000 /dev/urandom >dist/noise
echo $PWD >dist/root; cat dist/root; echo problem >&2
''')
        self.write('src/a', '')
        self.write('src/deep/b', '')
        self.write('big.txt', ''.join(f'{i * 7919 % 1000}\n' for i in range(3000)))
        env = {'MODE': 'x'}
        for text in ('one', 'two', f'{self.workspace} and {self.workspace}2'):
            self.write('in.txt', text)
            shutil.rmtree(self.workspace / 'dist', ignore_errors=True)
            self.assertRan(self.vt('run', 'build', env=env))
        cache = self.reader()
        self.assertEqual(cache.check(), 3)
        description = self.described(cache)['build.sh']
        root = str(self.workspace)
        result = cache.lookup(description, root, {**self.env, **env})
        self.assertIsNotNone(result, 'its evaluation of the present is another')
        outputs = {cache_reader.one(o, 1): o
                   for o in map(cache_reader.fields, result[4])}
        self.assertEqual(cache.blob(cache_reader.one(outputs[b'dist/big'], 4)),
                         (self.workspace / 'dist/big').read_bytes())
        self.assertEqual(cache.blob(cache_reader.one(outputs[b'dist/noise'], 4)),
                         (self.workspace / 'dist/noise').read_bytes())
        self.assertEqual(cache_reader.one(outputs[b'dist/link'], 6), b'x')
        log = cache.log(result)
        self.assertIn((1, b'problem\n'), log)
        self.assertEqual(cache_reader.one(result, 11), root.encode(), 'bound')
        # It and vt agree on what is a hit.
        self.write('in.txt', 'one')
        self.assertIsNotNone(cache.lookup(description, root, {**self.env, **env}))
        self.write('src/c', '')
        self.assertIsNone(cache.lookup(description, root, env))

    @requires('listener')
    def test_the_committed_store_of_format_1_is_opened(self):
        with tarfile.open(ROOT / 'tests/data/cache-v1.tar.xz') as archive:
            archive.extractall(self.tmp / 'old')
        (self.tmp / 'old/workspace').rename(self.workspace)
        (self.tmp / 'c/vtask').mkdir(parents=True, mode=0o700)
        (self.tmp / 'old/v1').rename(self.tmp / 'c/vtask/v1')
        (self.tmp / 'e/vtask').mkdir(parents=True)
        (self.tmp / 'e/vtask/config.json').write_text('{"toolchain": "none"}')
        env = {'MODE': 'old'}
        status = json.loads(self.vt('cache', 'status', '--json').out)
        self.assertEqual(status['results'], 4)
        self.assertIn('all good', self.assertOk(self.vt('cache', 'verify')).out)
        for text in ('one\n', 'two\n'):
            self.write('in.txt', text)
            built = self.assertHit(self.vt('run', 'build', env=env))
            self.assertEqual((built.out.count('a.txt'), built.err), (1, 'to stderr\n'))
            self.assertEqual(self.read('dist/small.txt'), text)
            self.assertEqual(self.read('dist/large.txt'), self.read('large.txt') * 8)
            self.assertTrue((self.workspace / 'dist/run.sh').stat().st_mode & 0o100)
            self.assertTrue((self.workspace / 'dist/link').is_symlink())
            self.assertTrue((self.workspace / 'dist/empty').is_dir())
        self.assertEqual(self.reader().check(), 4)
