# SPDX-License-Identifier: Apache-2.0
"""Random workspaces, edits and runs, all of them data, from a random.Random.

A workspace is {path: text} of its files and a list of Task. A step is
{'edits': [edit, …], 'run': {'args': […], 'env': {…}}}; an edit is a tuple of
a word and its arguments, see `apply`. Few paths and few contents: so states
come again, which is when a cache can be right or wrong.
"""
import dataclasses
import json
import os

import tree

TEXTS = ('alpha\n', 'beta\n', 'gamma\n', 'delta\n')
ENV = ('MODE', 'LEVEL')
ENV_VALUES = ('', 'x', 'y')


@dataclasses.dataclass
class Task:
    package: str  # its directory
    name: str
    steps: list  # of lists of operations of vt_act
    depends_on: list
    env: list
    program: str

    @property
    def label(self):
        return f'{os.path.basename(self.package)}#{self.name}'

    @property
    def command(self):
        return ' && '.join(
            step if isinstance(step, str) else ' '.join([self.program, *step])
            for step in self.steps)


class Generator:

    def __init__(self, rng, programs, slow=False):
        """`programs`: absolute paths of vt_act, static and dynamic. `slow`: tasks pause,
        so that something can happen while they run."""
        self.slow = slow
        self.rng = rng
        self.programs = programs
        self.packages = [f'packages/p{i}' for i in range(rng.randint(2, 3))]
        self.sources = [f'src/s{i}.txt' for i in range(3)] + ['conf.txt', 'lib/deep/l.txt']
        self.tasks = []
        for i in range(rng.randint(4, 8)):
            self.tasks.append(self._task(i))

    # --- the workspace ------------------------------------------------------

    def sources_now(self):
        """{path: text} of what the tasks read at first."""
        rng = self.rng
        files = {'shared/base.txt': rng.choice(TEXTS), 'shared/more.txt': rng.choice(TEXTS)}
        for package in self.packages:
            for source in self.sources:
                if rng.random() < 0.7:
                    files[f'{package}/{source}'] = rng.choice(TEXTS)
        return files

    def _task(self, index):
        rng = self.rng
        package = rng.choice(self.packages)
        others = [task for task in self.tasks if rng.random() < 0.3]
        env = [name for name in ENV if rng.random() < 0.25]
        name = f't{index}'
        steps = [self._step(f'{name}{"abc"[i]}', package, others, env)
                 for i in range(rng.choice((1, 1, 1, 2)))]
        return Task(package, name, steps, [task.label for task in others], env,
                    rng.choice(self.programs))

    def _step(self, name, package, others, env):
        rng = self.rng
        operations = []
        if rng.random() < 0.3:
            operations.append('warm')
        for _ in range(rng.randint(1, 5)):
            operations += self._observe(package, others, env)
            if self.slow and rng.random() < 0.6:
                operations.append(f'pause:{rng.choice((500, 2000, 8000))}')
        if rng.random() < 0.2:
            operations.append('fork')
        for _ in range(rng.randint(0, 3)):
            operations += self._change(name)
            if rng.random() < 0.3:
                operations += self._observe(package, others, env)
        return operations

    def input_path(self, package, others):
        rng = self.rng
        kind = rng.random()
        if kind < 0.5:
            return rng.choice(self.sources)
        if kind < 0.6:
            return rng.choice(('../../shared/base.txt', '../../shared/more.txt',
                               '../../shared/none.txt'))
        if kind < 0.7:
            return rng.choice(('src/none.txt', 'none/none.txt', 'src/sub/n.txt', 'link'))
        if kind < 0.8:
            other = rng.choice([p for p in self.packages if p != package])
            return os.path.relpath(f'{other}/{rng.choice(self.sources)}', package)
        outputs = [os.path.relpath(os.path.join(task.package, path), package)
                   for task in others for path in outputs_of(task)]
        return rng.choice(outputs or self.sources)

    def _observe(self, package, others, env):
        rng = self.rng
        if env and rng.random() < 0.3:
            return [f'env:{rng.choice(env)}']
        path = self.input_path(package, others)
        kind = rng.random()
        if kind < 0.45:
            return [f'read:{path}']
        if kind < 0.60:
            return [f'{rng.choice(("probe", "stat", "lstat"))}:{path}']
        if kind < 0.72:
            return [f'list:{rng.choice(("src", "lib", "lib/deep", "src/sub", "../../shared"))}']
        if kind < 0.76:
            return [f'link:{rng.choice((path, "link"))}']
        if kind < 0.86:
            return [f'{rng.choice(("if", "odd"))}:{path}',
                    f'read:{self.input_path(package, others)}']
        if kind < 0.88:
            return ['fail:src/fail.txt']
        if kind < 0.93:
            return [f'say:{rng.choice(("hello", "world"))}']
        if kind < 0.95:
            return ['warn:attention']
        return [f'peek:{path}']

    def _change(self, name):
        rng = self.rng
        folder = rng.choice(('out', 'out', f'dist/{name}', f'dist/{name}/deep'))
        file = f'{folder}/{name}{rng.randint(0, 1)}.txt'
        kind = rng.random()
        made = [f'mkdir:{folder}']
        if kind < 0.5:
            return made + [f'{rng.choice(("put", "put", "swap", "script"))}:{file}:text']
        if kind < 0.6:
            return made + [f'put:{file}.draft:d', f'move:{file}.draft:{file}']
        if kind < 0.65:
            return made + [f'put:{file}.tmp:d', f'rm:{file}.tmp']
        if kind < 0.75:
            return [f'rmrf:dist/{name}', f'mkdir:dist/{name}', f'put:dist/{name}/n.txt:new']
        if kind < 0.82:
            return made + [f'symlink:{rng.choice(("../src/s0.txt", "nowhere"))}:{folder}/{name}.link']
        if kind < 0.87:
            return [f'mkdir:{folder}/{name}.empty']
        if kind < 0.94:
            return made + [f'copy:{rng.choice(self.sources)}:{file}']
        return made + [f'incremental:{folder}/{name}.info']

    # --- steps --------------------------------------------------------------

    def step(self, current, older):
        """`current`: the tree now. `older`: trees of earlier steps."""
        rng = self.rng
        edits = []
        if older and rng.random() < 0.08:
            edits.append(('tree', rng.choice(older)))
        elif rng.random() < 0.75:
            for _ in range(rng.choice((1, 1, 1, 2, 3))):
                edits.append(self.edit(current))
        task = rng.choice(self.tasks)
        env = {name: rng.choice(ENV_VALUES) for name in ENV if rng.random() < 0.25}
        return {'edits': edits, 'run': {'args': [task.label], 'env': env}}

    def mentioned(self):
        """Paths that some operation names."""
        found = []
        for task in self.tasks:
            for step in task.steps:
                for operation in step:
                    for word in operation.split(':')[1:]:
                        if '/' in word or word.endswith('.txt') or word == 'link':
                            path = os.path.normpath(os.path.join(task.package, word))
                            if not path.startswith('..'):
                                found.append(path)
        return found

    def edit(self, current):
        rng = self.rng
        outputs = [path for path in current
                   if '/out/' in path or '/dist/' in path or path.endswith(('/out', '/dist'))]
        sources = [path for path in current if path not in outputs and
                   path.count('/') > 1 and not path.endswith('.json')]
        kind = rng.random()
        if outputs and rng.random() < 0.25:
            path = rng.choice(outputs)
        elif sources and rng.random() < 0.4:
            path = rng.choice(sources)
        else:
            path = rng.choice(self.mentioned())
        is_file = current.get(path, ('', 0, b''))[0] == 'f'
        if kind < 0.5:
            if path in current and not is_file:
                return ('remove', path)
            return ('write', path, rng.choice(TEXTS))
        if kind < 0.6:
            return ('remove', path)
        if kind < 0.68:
            return ('touch', path)
        if kind < 0.74:
            return ('write', os.path.join(path if not is_file and path in current
                                          else os.path.dirname(path), 'extra.txt'),
                    rng.choice(TEXTS))
        if kind < 0.80:
            return ('rename', path, rng.choice(self.mentioned()))
        if kind < 0.84:
            return ('replace', path, rng.choice(TEXTS))
        if kind < 0.88:
            return ('chmod', path, rng.choice((0o644, 0o755)))
        if kind < 0.92:
            package = rng.choice(self.packages)
            return ('symlink', rng.choice(('src/s0.txt', 'src/s1.txt', 'src', 'nowhere')),
                    f'{package}/link')
        if kind < 0.95:
            return ('mkdir', path)
        if kind < 0.97:
            package = rng.choice(self.packages)
            return ('write' if rng.random() < 0.3 else 'remove', f'{package}/src/fail.txt',
                    'alpha\n')
        # What lists its package lists its own products, and those are no part of what
        # it saw (mutated_children_ of run/collector.h), though it prints them.
        targets = ('s0.txt', '../conf.txt', 'nowhere',
                   *(() if os.path.dirname(path) in self.packages else ('.',)))
        return ('symlink', rng.choice(targets), path)


def configuration(packages, tasks):
    """{path: text} of the manifests and task files."""
    files = {'package.json': json.dumps({'name': 'root', 'private': True,
                                         'workspaces': ['packages/*']})}
    for package in packages:
        files[f'{package}/package.json'] = json.dumps({'name': os.path.basename(package)})
        config = {}
        for task in tasks:
            if task.package == package:
                config[task.name] = {
                    'command': task.command, 'dependsOn': task.depends_on,
                    **({'cache': {'env': task.env}} if task.env else {})}
        files[f'{package}/vite-task.json'] = json.dumps({'tasks': config}, indent=1)
    return files


def outputs_of(task):
    """Paths, relative to the package, that the task may write."""
    found = []
    for step in task.steps:
        for operation in step:
            words = operation.split(':')
            if words[0] in ('put', 'swap', 'script', 'incremental', 'append', 'make'):
                found.append(words[1])
            elif words[0] in ('move', 'copy', 'symlink'):
                found.append(words[2])
    return found


def apply(edit, root):
    """Does `edit` in the folder `root`."""
    word, *arguments = edit
    if word == 'tree':
        tree.make_equal(root, tree.read_tree(root), arguments[0])
        return
    path = arguments[1 if word == 'symlink' else 0]
    full = os.path.join(root, path)
    if word == 'remove':
        tree.remove(full)
    elif word == 'write':
        mode = 0o644
        if os.path.isfile(full) and not os.path.islink(full):
            mode = os.stat(full).st_mode & 0o777
        tree.put(root, path, ('f', mode, arguments[1].encode()))
    elif word == 'replace':  # by another file of the same name
        tree.put(root, path + '.new', ('f', 0o644, arguments[1].encode()))
        if os.path.isdir(full) and not os.path.islink(full):
            tree.remove(full)
        os.rename(full + '.new', full)
    elif word == 'mkdir':
        tree.make_directory(root, path)
    elif word == 'symlink':
        tree.put(root, path, ('l', 0, arguments[0].encode()))
    elif word == 'touch':
        if os.path.lexists(full):
            os.utime(full, follow_symlinks=False)
    elif word == 'chmod':
        if os.path.isfile(full) and not os.path.islink(full):
            os.chmod(full, arguments[1])
    elif word == 'rename':
        other = arguments[1]
        if (os.path.lexists(full) and path != other and not other.startswith(path + '/')
                and not path.startswith(other + '/')):
            tree.remove(os.path.join(root, other))
            tree.make_directory(root, os.path.dirname(other))
            if os.path.lexists(full):
                os.rename(full, os.path.join(root, other))
    else:
        raise ValueError(edit)
