// SPDX-License-Identifier: Apache-2.0
//
// Preloaded (`node --require`) into the process that evaluates vite.config
// files, and by that into its worker threads: reports every read of process.env
// to the daemon, so that the stored result depends on the variables that were
// asked for, and on no others. A child process gets a copy of all of them, which
// is a read of each.
'use strict';

// Stands for the list of all names (daemon/run/config_step.cc).
const NAMES_VARIABLE = 'VT_ENV_NAMES';
// What the daemon itself adds: never the same twice, and no input.
const OURS = new Set(['VP_RUN', 'VP_RUN_IPC_NAME', 'VP_RUN_NODE_CLIENT_PATH',
  'VT_IPC', 'VT_ACTION', 'VT_CACHE_DIR']);

function watch(client) {
  const real = process.env;
  const asked = new Set(OURS);
  const ask = (name) => {
    if (typeof name !== 'string' || asked.has(name)) return;
    asked.add(name);
    try {
      client.getEnv(name);
    } catch {
      // A value that is not UTF-8. It was recorded all the same.
    }
  };
  // To list the names means to ask for a descriptor of each: no read of values.
  let listed = new Set();
  process.env = new Proxy(real, {
    get(target, name) {
      ask(name);
      return Reflect.get(target, name);
    },
    has(target, name) {
      ask(name);
      return Reflect.has(target, name);
    },
    ownKeys(target) {
      ask(NAMES_VARIABLE);
      const names = Reflect.ownKeys(target);
      listed = new Set(names);
      return names;
    },
    getOwnPropertyDescriptor(target, name) {
      if (!listed.delete(name)) ask(name);
      return Reflect.getOwnPropertyDescriptor(target, name);
    },
    // What the process sets itself comes from no caller.
    set(target, name, value) {
      asked.add(name);
      target[name] = value;
      return true;
    },
    defineProperty(target, name, descriptor) {
      asked.add(name);
      return Reflect.defineProperty(target, name, descriptor);
    },
    deleteProperty(target, name) {
      asked.add(name);
      return Reflect.deleteProperty(target, name);
    },
  });
  const describeAll = Object.getOwnPropertyDescriptors;
  Object.getOwnPropertyDescriptors = function getOwnPropertyDescriptors(object) {
    const all = describeAll(object);
    if (object === process.env) Object.keys(real).forEach(ask);
    return all;
  };
}

// For config_loader.mjs: whether the result may be kept.
globalThis[Symbol.for('vtask.env.watched')] = false;
try {
  watch(require(process.env.VP_RUN_NODE_CLIENT_PATH).load());
  globalThis[Symbol.for('vtask.env.watched')] = true;
} catch {
  // Evaluated anyway, and not stored.
}
