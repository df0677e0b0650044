// SPDX-License-Identifier: Apache-2.0
//
// What compile.c does, in Node: about 100 ms.
import { createHash } from 'node:crypto';
import fs from 'node:fs';

const hash = createHash('sha1');
let files = 0;

function eatDirectory(directory) {
  for (const name of fs.readdirSync(directory).sort()) {
    if (name.startsWith('.')) continue;
    hash.update(name);
    hash.update(fs.readFileSync(`${directory}/${name}`));
    ++files;
  }
}

eatDirectory('src');
for (const directory of fs.readFileSync('deps.txt', 'utf8').split('\n')) {
  if (directory !== '') eatDirectory(`${directory}/dist`);
}
const digest = hash.digest('hex');
fs.mkdirSync('dist', { recursive: true });
const lines = Array.from({ length: 256 }, (_, i) =>
  `export const value${i} = "${createHash('md5').update(digest + i).digest('hex')}";\n`);
fs.writeFileSync('dist/index.js', lines.join(''));
fs.writeFileSync('dist/index.d.ts', `export declare const hash: "${digest}";\n`);
fs.writeFileSync('dist/meta.json', `{"hash": "${digest}"}\n`);
console.log(`built ${digest.slice(0, 16)} from ${files} files`);
