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
  const askAll = () => {
    ask(NAMES_VARIABLE);
    Object.keys(real).forEach(ask);
  };
  // To list the names means to ask for a descriptor of each, which is no read of
  // its value. JavaScript that wants values from descriptors has three
  // functions, below. After a listing the names are known.
  let listed = false;
  // Whoever looks behind the proxy (util.inspect, console.log) finds this.
  const behind = {
    [require('node:util').inspect.custom]() {
      askAll();
      return { ...real };
    },
  };
  process.env = new Proxy(behind, {
    get(target, name) {
      ask(name);
      return Reflect.get(real, name);
    },
    has(target, name) {
      ask(name);
      return Reflect.has(real, name);
    },
    ownKeys() {
      ask(NAMES_VARIABLE);
      listed = true;
      return Reflect.ownKeys(real);
    },
    getOwnPropertyDescriptor(target, name) {
      if (!listed) ask(name);
      return Reflect.getOwnPropertyDescriptor(real, name);
    },
    // What the process sets itself comes from no caller.
    set(target, name, value) {
      asked.add(name);
      real[name] = value;
      return true;
    },
    defineProperty(target, name, descriptor) {
      asked.add(name);
      return Reflect.defineProperty(real, name, descriptor);
    },
    deleteProperty(target, name) {
      asked.add(name);
      return Reflect.deleteProperty(real, name);
    },
  });

  const proxy = process.env;
  // Makes `before` see the arguments of `holder[name]` first.
  const ahead = (holder, name, before) => {
    const inner = holder[name];
    if (typeof inner !== 'function') return;
    Object.defineProperty(holder, name, {
      value: {
        [name](...args) {
          before(...args);
          return Reflect.apply(inner, this, args);
        },
      }[name],
      writable: true,
      configurable: true,
    });
  };
  const askForOne = (object, name) => {
    if (object === proxy) ask(String(name));
  };
  ahead(Object, 'getOwnPropertyDescriptor', askForOne);
  ahead(Reflect, 'getOwnPropertyDescriptor', askForOne);
  ahead(Object, 'getOwnPropertyDescriptors', (object) => {
    if (object === proxy) askAll();
  });
  // A report holds all variables.
  ahead(process.report, 'getReport', askAll);
  ahead(process.report, 'writeReport', askAll);
  // A thread that starts without this file sees the variables unwatched.
  const threads = require('node:worker_threads');
  const { Worker } = threads;
  threads.Worker = class extends Worker {
    constructor(file, options) {
      if (options?.execArgv || options?.env) askAll();
      super(file, options);
    }
  };
  require('node:module').syncBuiltinESMExports();
}

// For config_loader.mjs: whether the result may be kept.
globalThis[Symbol.for('vtask.env.watched')] = false;
try {
  watch(require(process.env.VP_RUN_NODE_CLIENT_PATH).load());
  globalThis[Symbol.for('vtask.env.watched')] = true;
} catch {
  // Evaluated anyway, and not stored.
}
