# SPDX-License-Identifier: Apache-2.0
"""The runners that are compared, one entry each: which npm package brings it, how
it is told to do what, where it keeps its cache. A new runner is an entry here and
a dialect in workspaces.py."""
import dataclasses
import pathlib
import re
import shutil
import subprocess


@dataclasses.dataclass
class Runner:
    name: str
    dialect: str
    build: list            # argv
    trivial: list = None   # one uncached `true`
    version: list = None
    help: list = None
    dry: list = None
    npm: str = ''          # package, '' for none
    links: dict = dataclasses.field(default_factory=dict)  # in node_modules -> below npm's
    env: dict = dataclasses.field(default_factory=dict)
    caches: tuple = ()     # globs below the workspace
    start: list = None     # its daemon
    stop: list = None
    # Two numbers from its output, tasks that hit and tasks in all.
    hits: object = None

    def forget(self, root):
        """The state of a first run: no cache, no outputs."""
        for pattern in self.caches + ('packages/*/dist',):
            for path in root.glob(pattern):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def find(pattern, of):
    """The last match of `pattern` gives `of(groups)`."""
    def search(text):
        found = re.findall(pattern, re.sub(r'\x1b\[[0-9;]*m', '', text))
        if not found:
            return None
        groups = found[-1] if isinstance(found[-1], tuple) else (found[-1],)
        return of(*(int((group or '0').replace(',', '')) for group in groups))
    return search


def pair(cached, total):
    return cached, total


def all_runners(vt):
    """`vt`: the shim to measure."""
    bin_ = 'node_modules/.bin/'
    nx = [bin_ + 'nx', 'run-many', '-t', 'build', '--outputStyle=static']
    nx_run = dict(
        dialect='nx', build=nx, npm='nx@latest',
        trivial=[bin_ + 'nx', 'run', 'p0000:trivial'],
        version=[bin_ + 'nx', '--version'], help=[bin_ + 'nx', '--help'],
        dry=nx[:4] + ['--graph=stdout'], caches=('.nx',),
        links={'nx': 'nx', '.bin/nx': 'nx/dist/bin/nx.js'},
        hits=find(r'read the output from the cache instead of running the command for '
                  r'(\d+) out of (\d+)|Cache:\s+(\d+)/(\d+) hit',
                  lambda a, b, c, d: (a or c, b or d)))
    turbo = 'node_modules/.bin/turbo'
    moon = 'node_modules/.bin/moon'
    lage = ['node', 'node_modules/lage/dist/lage.js']
    runners = [
        Runner('true', 'plain', ['/bin/true'], *[['/bin/true']] * 4),
        # The floor: the same commands, as many at once, and nothing else.
        Runner('xargs', 'plain', ['sh', '-c', 'ls packages | xargs -P"$(nproc)" -I{} '
                                  'env -C packages/{} $BENCH_COMMAND'],
               trivial=['/bin/true']),
        Runner('vt', 'vt', [vt, 'run', '-r', 'build'],
               trivial=[vt, 'run', 'p0000#trivial'], version=[vt, '--version'],
               help=[vt, 'run', '--help'], dry=[vt, 'run', '--dry-run', '-r', 'build'],
               start=[vt, 'daemon', 'start'], stop=[vt, 'daemon', 'stop', '--now'],
               hits=find(r'(\d+)/(\d+) cache hit', pair)),
        Runner('vp', 'vp', [bin_ + 'vp', 'run', '-r', 'build'], npm='vite-plus@1.6.0',
               trivial=[bin_ + 'vp', 'run', 'p0000#trivial'],
               version=[bin_ + 'vp', '--version'], help=[bin_ + 'vp', 'run', '--help'],
               dry=[bin_ + 'vp', 'run', '--dry-run', '-r', 'build'],
               links={'vite-plus': 'vite-plus', '.bin/vp': 'vite-plus/bin/vp'},
               caches=('node_modules/.vite',), hits=find(r'(\d+)/(\d+) cache hit', pair)),
        Runner('turbo', 'turbo', [turbo, 'run', 'build'], npm='turbo@latest',
               trivial=[turbo, 'run', 'trivial'],
               version=[turbo, '--version'], help=[turbo, '--help'],
               dry=[turbo, 'run', 'build', '--dry-run=json'],
               # The program itself, not its script for Node.
               links={'.bin/turbo': '@turbo/linux-64/bin/turbo'},
               caches=('.turbo', 'node_modules/.cache', 'packages/*/.turbo'),
               hits=find(r'Cached:\s+(\d+) cached, (\d+) total', pair)),
        Runner('nx', env={'NX_DAEMON': 'false'}, **nx_run),
        Runner('nx-daemon', env={'NX_DAEMON': 'true'}, **nx_run,
               start=[bin_ + 'nx', 'daemon', '--start'], stop=[bin_ + 'nx', 'daemon', '--stop']),
        Runner('moon', 'moon', [moon, 'run', ':build'], npm='@moonrepo/cli@latest',
               trivial=[moon, 'run', 'p0000:trivial'], version=[moon, '--version'],
               help=[moon, '--help'], dry=[moon, 'action-graph', ':build', '--json'],
               links={'.bin/moon': '@moonrepo/core-linux-x64-gnu/moon'},
               caches=('.moon/cache',),
               hits=find(r'Tasks: (\d+) completed(?: \((\d+) cached\))?',
                         lambda total, cached: (cached, total))),
        Runner('wireit', 'wireit', ['node', '--run', 'build'], npm='wireit@latest',
               trivial=['sh', '-c', 'cd packages/p0000 && exec node --run trivial'],
               links={'wireit': 'wireit', '.bin/wireit': 'wireit/bin/wireit.js'},
               caches=('.wireit', 'packages/*/.wireit'),
               hits=find(r'Ran (\d+) scripts? and skipped ([\d,]+)',
                         lambda ran, skipped: (skipped, ran + skipped))),
        Runner('lage', 'lage', lage + ['build'], npm='lage@latest',
               trivial=lage + ['trivial', '--to', 'p0000'], version=lage + ['--version'],
               help=lage + ['--help'], dry=lage + ['info', 'build'],
               links={'lage': 'lage'},
               caches=('node_modules/.cache', 'packages/*/node_modules/.cache'),
               hits=find(r'success: (\d+), skipped: (\d+)',
                         lambda ran, skipped: (skipped, ran + skipped))),
        # Its server is always there: a cold run is a build after `clean --expunge`.
        Runner('bazel', 'bazel', ['bazel', 'build', '//packages/...'],
               version=['bazel', '--version'], help=['bazel', 'help'],
               stop=['bazel', 'clean', '--expunge']),
    ]
    return {runner.name: runner for runner in runners}


# What the environment of every runner holds: no network, no colours, no questions.
QUIET = {
    'LANG': 'C.UTF-8', 'USER': 'user', 'TERM': 'dumb', 'DO_NOT_TRACK': '1',
    'NX_NO_CLOUD': 'true', 'NX_TUI': 'false', 'NX_CACHE_DIRECTORY': '.nx/cache',
    'TURBO_TELEMETRY_DISABLED': '1', 'TURBO_UI': 'false', 'TURBO_NO_UPDATE_NOTIFIER': '1',
    'MOON_TELEMETRY': 'false', 'VP_NO_UPDATE_CHECK': '1',
}


def install(runner, peers):
    """Installs its npm package in `peers`, once; false if that is not possible."""
    if runner.npm == '':
        return shutil.which(runner.build[0]) is not None
    place = peers / runner.dialect
    if (place / '.installed').exists():
        return True
    place.mkdir(parents=True, exist_ok=True)
    (place / 'package.json').write_text('{"private": true}\n')
    result = subprocess.run(['npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund',
                             '--loglevel', 'error', runner.npm], cwd=place, check=False)
    if result.returncode == 0:
        (place / '.installed').touch()
    return result.returncode == 0


def link(runner, peers, root):
    """Puts the runner into the workspace's node_modules."""
    for name, target in runner.links.items():
        path = root / 'node_modules' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_symlink():
            path.symlink_to(peers / runner.dialect / 'node_modules' / target)


def version_of(runner, peers):
    """Of the installed package; '' for a program of the machine."""
    if runner.npm == '':
        return ''
    name = runner.npm.rpartition('@')[0]
    manifest = pathlib.Path(peers / runner.dialect / 'node_modules' / name / 'package.json')
    found = re.search(r'"version":\s*"([^"]+)"', manifest.read_text())
    return found.group(1) if found else ''
