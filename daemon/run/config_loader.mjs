// SPDX-License-Identifier: Apache-2.0
//
// Evaluates vite.config files: `node config-loader.mjs FILE...`, in the root of
// a workspace, files relative to it. The daemon runs it as a tracked action
// (daemon/run/config_step.cc). Results go to descriptor 3, a JSON object a line:
//
//   {"begin": FILE}                  this one is next
//   {"end": true, "run": VALUE}      what its `run` is; no `run`: it has none
//   {"error": TEXT}                  it failed, and nothing follows
//   {"done": true}                   the last line of an answer that is whole
//
// Exit codes: 0; 1 after an error; 3 when all went well, but the environment is
// not watched (config_env.cjs), so that the result must not be kept.

import fs from 'node:fs';
import Module from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const RESULT_FD = 3;
const EXIT_NOT_REUSABLE = 3;

// ---------------------------------------------------------------- answers

function say(line) {
  const bytes = Buffer.from(JSON.stringify(line) + '\n');
  for (let at = 0; at < bytes.length;) {
    try {
      at += fs.writeSync(RESULT_FD, bytes, at);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}

class ConfigError extends Error {}

// ---------------------------------------------------------------- values

// `value` as JSON can say it; else the path of the first key that cannot.
function plain(value, at, around) {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      if (Number.isFinite(value)) return value;
      throw new ConfigError(`\`${at}\`: found ${value}, which JSON cannot say`);
    case 'object':
      break;
    default:
      throw new ConfigError(`\`${at}\`: found ${
        value === undefined ? 'undefined' : `a ${typeof value}`
      }, expected plain data`);
  }
  if (value === null) return null;
  if (around.includes(value)) {
    throw new ConfigError(`\`${at}\`: found a value that contains itself`);
  }
  if (typeof value.toJSON === 'function') {
    return plain(value.toJSON(), at, [...around, value]);
  }
  if (Array.isArray(value)) {
    return value.map((item, i) => plain(item, `${at}[${i}]`, [...around, value]));
  }
  const prototype = Object.getPrototypeOf(value);
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
  if (!isPlain) {
    throw new ConfigError(`\`${at}\`: found an object of class ${
      prototype.constructor?.name}, expected plain data`);
  }
  const out = {};
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue; // as if it were not there
    const below = /^[A-Za-z_$][\w$]*$/.test(key) ? `${at}.${key}`
      : `${at}[${JSON.stringify(key)}]`;
    Object.defineProperty(out, key, {
      value: plain(member, below, [...around, value]),
      enumerable: true,
    });
  }
  return out;
}

// ---------------------------------------------------------------- loaders

const vites = new Map(); // package directory of vite -> its module

// The vite that `directory` would use, or null.
async function viteOf(directory) {
  let manifest;
  for (let at = directory; ; at = path.dirname(at)) {
    manifest = path.join(at, 'node_modules/vite/package.json');
    if (fs.existsSync(manifest)) break;
    if (at === path.dirname(at)) return null;
  }
  const home = fs.realpathSync(path.dirname(manifest));
  if (!vites.has(home)) vites.set(home, await importVite(home));
  return vites.get(home);
}

async function importVite(home) {
  const manifest = JSON.parse(fs.readFileSync(path.join(home, 'package.json'), 'utf8'));
  let entry = manifest.exports?.['.'] ?? manifest.module ?? manifest.main;
  while (entry && typeof entry === 'object') entry = entry.import ?? entry.default;
  if (!entry) return null;
  const vite = await import(pathToFileURL(path.join(home, entry)));
  return typeof vite.loadConfigFromFile === 'function' ? vite : null;
}

// What Vite itself would pass for a build.
const configEnv = {
  command: 'build', mode: 'production', isSsrBuild: false, isPreview: false,
};

async function byVite(vite, file) {
  const loaded = await vite.loadConfigFromFile(
    configEnv, file, path.dirname(file), 'silent');
  return loaded?.config;
}

async function byNode(file) {
  let config;
  try {
    const module = await import(pathToFileURL(file));
    config = module.default;
  } catch (error) {
    // `module.exports` in a .js file of a package with "type": "module".
    const isCommonJs = error instanceof ReferenceError &&
      /^(module|exports|require) is not defined in ES module scope/.test(error.message);
    if (!isCommonJs) throw error;
    config = asCommonJs(file);
  }
  return typeof config === 'function' ? config(configEnv) : config;
}

function asCommonJs(file) {
  const module = new Module(file);
  module.filename = file;
  module.paths = Module._nodeModulePaths(path.dirname(file));
  module._compile(fs.readFileSync(file, 'utf8'), file);
  return module.exports;
}

// Relative imports as bundlers take them: without extension, or with that of
// the file that TypeScript would make of it.
function allowBundlerImports() {
  if (Module.registerHooks === undefined) return; // before Node 22.15
  const extensions = ['.ts', '.mts', '.js', '.mjs', '.cts', '.cjs', '.json',
    '/index.ts', '/index.js'];
  Module.registerHooks({
    resolve(specifier, context, next) {
      try {
        return next(specifier, context);
      } catch (error) {
        if (!/^\.\.?(\/|$)/.test(specifier)) throw error;
        const bases = [specifier];
        if (/\.[mc]?js$/.test(specifier)) {
          bases.unshift(specifier.replace(/js$/, 'ts'));
          try {
            return next(bases[0], context);
          } catch {
            // The first error tells more.
          }
        }
        for (const extension of extensions) {
          try {
            return next(specifier + extension, context);
          } catch {
            // Neither.
          }
        }
        throw error;
      }
    },
  });
}

// ---------------------------------------------------------------- main

const quiet = new Set(['ExperimentalWarning', 'MODULE_TYPELESS_PACKAGE_JSON']);
const emitWarning = process.emitWarning;
process.emitWarning = (warning, ...rest) => {
  const words = [warning?.name, warning?.code, rest[0]?.type, rest[0]?.code, ...rest];
  if (!words.some((word) => quiet.has(word))) {
    emitWarning.call(process, warning, ...rest);
  }
};

function describe(error, file) {
  if (error instanceof ConfigError) return error.message;
  const text = error instanceof Error ? `${error.name}: ${error.message}`
    : `it threw ${String(error)}`;
  let where = '';
  if (error instanceof Error && typeof error.stack === 'string') {
    const frame = error.stack.split('\n').find(
      (line) => /^\s+at /.test(line) && line.includes(path.basename(file)));
    if (frame) where = `\n* ${frame.trim()}`;
  }
  const needsTypes = error?.code === 'ERR_UNKNOWN_FILE_EXTENSION' && /\.[mc]?ts/.test(text);
  const hint = needsTypes
    ? `\n* Node ${process.versions.node} cannot read TypeScript: use Node 22.18 or newer, or install vite`
    : '';
  return `it cannot be evaluated: ${text}${where}${hint}`;
}

async function evaluate(file) {
  const directory = path.dirname(file);
  process.chdir(directory);
  const vite = await viteOf(directory);
  const config = await (vite ? byVite(vite, file) : byNode(file));
  if (config === null || typeof config !== 'object') {
    throw new ConfigError(`its default export is ${
      config === null ? 'null' : typeof config}, expected an object`);
  }
  return config.run === undefined ? undefined : plain(config.run, 'run', []);
}

const root = process.cwd();
allowBundlerImports();
for (const relative of process.argv.slice(2)) {
  const file = path.resolve(root, relative);
  say({ begin: relative });
  try {
    const run = await evaluate(file);
    say(run === undefined ? { end: true } : { end: true, run });
  } catch (error) {
    say({ error: describe(error, file) });
    process.exit(1);
  }
}
say({ done: true });
// Whatever the configurations have left open.
process.exit(
  globalThis[Symbol.for('vtask.env.watched')] ? 0 : EXIT_NOT_REUSABLE);
