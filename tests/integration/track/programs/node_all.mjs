// SPDX-License-Identifier: Apache-2.0
// Every style of file access of Node: sync, callback, promise, worker, child.
import { execSync } from 'node:child_process';
import fs from 'node:fs';
import fsp from 'node:fs/promises';
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';

fs.mkdirSync('tree/a/b', { recursive: true });
fs.writeFileSync('tree/a/b/one.cjs', 'module.exports = 1;');
fs.writeFileSync('tree/a/two.json', '{"x": 2}');
fs.appendFileSync('tree/log', 'line');
fs.cpSync('tree', 'copy', { recursive: true });
fs.readdirSync('.', { recursive: true });
fs.existsSync('probe-sync');
try { fs.statSync('probe-stat'); } catch {}
try { fs.readFileSync('probe-read'); } catch {}
fs.symlinkSync('tree', 'link');
fs.realpathSync('link/a');
fs.realpathSync.native('link/a/two.json');
const require = createRequire(import.meta.url);
require(process.cwd() + '/link/a/b/one.cjs');
try { require(process.cwd() + '/nowhere'); } catch {}
await fsp.writeFile('async.txt', 'x');
await fsp.readFile('async.txt');
await fsp.rename('async.txt', 'moved.txt');
await fsp.access('probe-async').catch(() => {});
const handle = await fsp.open('moved.txt', 'r+');
await handle.close();
for await (const entry of await fsp.opendir('tree')) { void entry; }
await new Promise((done) => fs.rm('copy', { recursive: true }, done));
await new Promise((done) => {
  const worker = new Worker(
      'require("fs").existsSync("probe-worker");' +
      'require("fs").readFileSync("moved.txt")', { eval: true });
  worker.on('exit', done);
});
execSync('cat moved.txt | cat > piped.txt');
await Promise.all(Array.from({ length: 40 }, (_, i) =>
    fsp.stat('parallel-' + i).catch(() => {})));
