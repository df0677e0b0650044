# SPDX-License-Identifier: Apache-2.0
"""Makes the workspaces that the runners are compared on: the same packages and
sources for each, with its own configuration. The same parameters make the same
bytes.

Package i depends on up to three packages of lower number: p0000 is the base of
all, nobody depends on the last one. `build` is task/compile.*; `trivial`, of p0000
only, is `true` without a cache.
"""
import json
import pathlib
import random
import shutil
import subprocess

SIZES = {'S': (10, 20), 'M': (100, 100), 'L': (1000, 100)}
HERE = pathlib.Path(__file__).resolve().parent
FAN = 3
FILE_SIZE = 2048
COMMANDS = {'native': '../../tools/compile', 'node': 'node ../../tools/compile.mjs'}


def dependencies(packages):
    """Half of the edges go to neighbours, half to anywhere below."""
    rng = random.Random(1)
    edges = []
    for i in range(packages):
        below = set()
        while len(below) < min(i, FAN):
            near = rng.random() < .5
            below.add(rng.randrange(max(0, i - 8) if near else 0, i))
        edges.append(sorted(below))
    return edges


def body(number):
    rng = random.Random(1000003 + number)
    lines = (f'export const k{rng.getrandbits(40):010x} = "{rng.getrandbits(128):032x}";\n'
             for _ in range(FILE_SIZE // 64))
    return ''.join(lines)


class Workspace:
    """One workspace on the disk, being made."""

    def __init__(self, root, dialect, size, tool, pnpm):
        self.root = root
        self.dialect = dialect
        self.command = COMMANDS[tool]
        self.pnpm = pnpm  # version, or turbo would fetch another
        packages, self.files = SIZES[size]
        self.names = [f'p{i:04d}' for i in range(packages)]
        self.edges = [[self.names[j] for j in below] for below in dependencies(packages)]
        self.manifest = {'name': 'root', 'private': True, 'version': '0.0.0'}

    def write(self, path, content):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(content, str):
            content = json.dumps(content, indent=2) + '\n'
        path.write_text(content)

    def make(self, compiler):
        (self.root / 'tools').mkdir(parents=True)
        shutil.copy(compiler, self.root / 'tools/compile')
        shutil.copy(HERE / 'task/compile.mjs', self.root / 'tools')
        bodies = [body(j) for j in range(self.files)]
        for name, below in zip(self.names, self.edges):
            source = self.root / 'packages' / name / 'src'
            source.mkdir(parents=True)
            for j, text in enumerate(bodies):
                (source / f'm{j:03d}.ts').write_text(f'// {name} {j}\n{text}')
            self.package(name, below)
        self.write('pnpm-workspace.yaml', 'packages:\n  - "packages/*"\npmOnFail: ignore\n')
        self.write('.gitignore', 'node_modules\ndist\n.turbo\n.nx\n.moon/cache\n.wireit\n')
        getattr(self, f'root_{self.dialect}', lambda: None)()
        self.write('package.json', self.manifest)

    def package(self, name, below):
        at = f'packages/{name}'
        self.write(f'{at}/deps.txt', ''.join(f'../{other}\n' for other in below))
        manifest = {'name': name, 'version': '1.0.0', 'private': True,
                    'dependencies': {other: 'workspace:*' for other in below}}
        getattr(self, f'package_{self.dialect}')(at, manifest, below)
        self.write(f'{at}/package.json', manifest)
        # What `pnpm install` makes of dependencies inside the workspace.
        for other in below:
            link = self.root / at / 'node_modules' / other
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(f'../../{other}')

    def is_base(self, at):
        return at.endswith('/p0000')

    def lock_file(self):
        """As pnpm makes it; some refuse to work without."""
        importers = ''
        for name, below in zip(self.names, self.edges):
            importers += f'  packages/{name}:' + ('\n    dependencies:\n' if below else ' {}\n')
            for other in below:
                importers += (f'      {other}:\n        specifier: workspace:*\n'
                              f'        version: link:../{other}\n')
        self.write('pnpm-lock.yaml',
                   f"lockfileVersion: '9.0'\n\nimporters:\n  .: {{}}\n{importers}")

    # ------------------------------------------------------------- dialects

    def package_vt(self, at, _manifest, _below):
        tasks = {'build': {'command': self.command,
                           'dependsOn': [{'task': 'build', 'from': 'dependencies'}]}}
        if self.is_base(at):
            tasks['trivial'] = {'command': 'true', 'cache': False}
        self.write(f'{at}/vite-task.json', {'tasks': tasks})

    def package_vp(self, at, _manifest, _below):
        trivial = ", trivial: { command: 'true', cache: false }" if self.is_base(at) else ''
        self.write(f'{at}/vite.config.ts',
                   "import { defineConfig } from 'vite-plus';\n"
                   'export default defineConfig({ run: { tasks: {\n'
                   f"  build: {{ command: '{self.command}', "
                   f"dependsOn: [{{ task: 'build', from: 'dependencies' }}] }}{trivial}\n"
                   '} } });\n')

    def root_vp(self):
        self.write('vite.config.ts', "import { defineConfig } from 'vite-plus';\n"
                                     'export default defineConfig({});\n')

    def package_turbo(self, at, manifest, _below):
        manifest['scripts'] = {'build': self.command}
        if self.is_base(at):
            manifest['scripts']['trivial'] = 'true'

    def root_turbo(self):
        self.manifest['packageManager'] = f'pnpm@{self.pnpm}'
        self.lock_file()
        self.write('turbo.json', {'tasks': {
            'build': {'dependsOn': ['^build'], 'outputs': ['dist/**'],
                      'inputs': ['src/**', 'deps.txt', 'package.json']},
            'trivial': {'cache': False}}})

    def package_nx(self, at, manifest, _below):
        targets = {'build': {'command': self.command, 'options': {'cwd': '{projectRoot}'}}}
        if self.is_base(at):
            targets['trivial'] = {'command': 'true', 'cache': False}
        self.write(f'{at}/project.json', {'name': manifest['name'], 'targets': targets})

    def root_nx(self):
        self.write('nx.json', {
            'analytics': False, 'neverConnectToCloud': True, 'tui': {'enabled': False},
            'namedInputs': {'default': ['{projectRoot}/**/*']},
            'targetDefaults': {'build': {
                'dependsOn': ['^build'], 'cache': True, 'outputs': ['{projectRoot}/dist'],
                'inputs': ['{projectRoot}/src/**', '{projectRoot}/deps.txt',
                           {'dependentTasksOutputFiles': '**/*'}]}}})

    def package_moon(self, at, _manifest, below):
        trivial = ('  trivial:\n    command: "true"\n    toolchains: "system"\n'
                   '    options:\n      cache: false\n') if self.is_base(at) else ''
        self.write(f'{at}/moon.yml',
                   f'layer: "library"\nlanguage: "bash"\ndependsOn: {json.dumps(below)}\n'
                   f'tasks:\n  build:\n    command: "{self.command}"\n'
                   '    toolchains: "system"\n    inputs: ["src/**/*", "deps.txt"]\n'
                   f'    outputs: ["dist"]\n    deps: ["^:build"]\n{trivial}')

    def root_moon(self):
        self.write('.moon/workspace.yml',
                   'projects: ["packages/*"]\nvcs:\n  client: "git"\n'
                   '  defaultBranch: "main"\ntelemetry: false\n')
        self.write('.moon/toolchains.yml', '{}\n')

    def package_wireit(self, at, manifest, below):
        manifest['scripts'] = {'build': 'wireit'}
        manifest['wireit'] = {'build': {
            'command': self.command, 'files': ['src/**', 'deps.txt'], 'output': ['dist/**'],
            'dependencies': [f'../{other}:build' for other in below]}}
        if self.is_base(at):
            manifest['scripts']['trivial'] = 'wireit'
            manifest['wireit']['trivial'] = {'command': 'true'}

    def root_wireit(self):
        self.manifest['scripts'] = {'build': 'wireit'}
        self.manifest['wireit'] = {'build': {
            'dependencies': [f'./packages/{name}:build' for name in self.names]}}

    def package_lage(self, at, manifest, below):
        self.package_turbo(at, manifest, below)

    def root_lage(self):
        self.lock_file()
        self.write('lage.config.js', '''module.exports = {
  npmClient: 'pnpm',
  pipeline: {
    build: { dependsOn: ['^build'], inputs: ['src/**', 'deps.txt', 'package.json'],
             outputs: ['dist/**'] },
    trivial: { cache: false, dependsOn: [] },
  },
  cacheOptions: { outputGlob: ['dist/**'] },
};
''')

    def package_bazel(self, at, _manifest, below):
        sources = ''.join(f', "//packages/{other}:build"' for other in below)
        self.write(f'{at}/BUILD', f'''package(default_visibility = ["//visibility:public"])
genrule(
    name = "build",
    srcs = glob(["src/**"]) + ["deps.txt"{sources}],
    outs = ["dist/index.js", "dist/index.d.ts", "dist/meta.json"],
    tools = ["//tools:compile"],
    cmd = "R=$$PWD; cd {at} && $$R/tools/compile --out $$R/$(RULEDIR)/dist --prefix $$R/$(RULEDIR)/",
)
''')

    def root_bazel(self):
        self.write('WORKSPACE', '')
        self.write('tools/BUILD', 'exports_files(["compile"])\n')
        self.write('.bazelrc', f'startup --output_user_root={self.root.parent}/bazel\n'
                               'build --noshow_progress --spawn_strategy=local\n')

    package_plain = package_turbo  # scripts, and no runner


def make(root, dialect, size, tool, compiler, pnpm):
    """Makes the workspace at `root`, a git repository, unless it is there."""
    if (root / '.made').exists():
        return
    shutil.rmtree(root, ignore_errors=True)
    Workspace(root, dialect, size, tool, pnpm).make(compiler)
    git = ['git', '-c', 'user.name=bench', '-c', 'user.email=bench@localhost',
           '-c', 'core.fsync=none', '-c', 'gc.auto=0']
    for arguments in (['init', '-q', '-b', 'main'], ['add', '-A'],
                      ['commit', '-q', '-m', 'bench']):
        subprocess.run(git + arguments, cwd=root, check=True)
    (root / '.made').touch()
