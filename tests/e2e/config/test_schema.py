# SPDX-License-Identifier: Apache-2.0
"""docs/schema/vite-task.schema.json says what the parser accepts, neither more
nor less. What the parser knows is read from its own error texts."""
import json
import re

import json_schema
from vtask_e2e import DIST, ROOT, VtTest

SCHEMA = json.loads((ROOT / 'docs/schema/vite-task.schema.json').read_text())
DEFS = SCHEMA['$defs']
OLDER = ['env', 'untrackedEnv', 'input', 'output']


def task(**keys):
    return {'tasks': {'t': {'command': 'true', **keys}}}


def keys(*schemas):
    """The keys of objects, without `$schema` and those of the older form."""
    return {name for schema in schemas for name, one in schema['properties'].items()
            if name != '$schema' and not one.get('deprecated')}


# name: (a configuration with the key or the value `zzz`, what is allowed there)
ALLOWED = {
    'root': ({'zzz': 1}, keys(SCHEMA)),
    'root cache': (
        {'cache': {'zzz': 1}}, keys(SCHEMA['properties']['cache']['anyOf'][1])),
    'root dependencyEdges': (
        {'dependencyEdges': 'zzz'}, SCHEMA['properties']['dependencyEdges']['enum']),
    'task': (task(zzz=1), keys(DEFS['taskObject'])),
    'cache': (task(cache={'zzz': 1}), keys(DEFS['cacheObject'])),
    'cache.toolOptOut': (
        task(cache={'toolOptOut': 'zzz'}),
        DEFS['cacheObject']['properties']['toolOptOut']['enum']),
    'cache.share': (
        task(cache={'share': 'zzz'}),
        DEFS['cacheObject']['properties']['share']['enum']),
    'dependsOn': (
        task(dependsOn=[{'zzz': 1}]), keys(DEFS['taskOfDependencies'])),
    'from': (
        task(dependsOn=[{'task': 't', 'from': 'zzz'}]),
        DEFS['dependencyField']['enum']),
    'auto': (
        task(cache={'input': [{'auto': True, 'zzz': 1}]}), keys(DEFS['automatic'])),
    'input': (
        task(cache={'input': [{'zzz': 1}]}),
        keys(DEFS['automatic'], DEFS['basedGlob'])),
    'base': (
        task(cache={'output': [{'pattern': 'x', 'base': 'zzz'}]}),
        DEFS['basedGlob']['properties']['base']['enum']),
}

# What both reject. `zzz` anywhere is in ALLOWED.
WRONG = [
    [], {'tasks': []}, {'tasks': {'t': 7}}, {'tasks': {'t': {}}}, {'tasks': {'t': [1]}},
    {'cache': 'yes'}, {'cache': {'tasks': 1}}, {'enablePrePostScripts': 'no'},
    {'$schema': 1}, task(command=5), task(cwd=1), task(cache='yes'), task(cache=None),
    task(dependsOn='t'), task(dependsOn=[1]), task(dependsOn=[{'task': 't'}]),
    task(dependsOn=[{'from': 'dependencies'}]),
    task(dependsOn=[{'task': 't', 'from': []}]), task(cache={'env': 'A'}),
    task(cache={'env': [1]}), task(cache={'untrackedEnv': 'A'}),
    task(cache={'services': 'a'}), task(cache={'track': 'no'}),
    task(cache={'remote': 1}), task(cache={'input': 'src/**'}),
    task(cache={'input': [3]}), task(cache={'input': [{'auto': 1}]}),
    task(cache={'input': [{'pattern': 'x'}]}), task(cache={'output': ['/abs']}),
    task(cache={'output': ['!!/abs']}),
    task(cache={'input': [{'pattern': '/abs', 'base': 'workspace'}]}),
    *[task(cache={}, **{key: []}) for key in OLDER],
    *[task(cache=False, **{key: []}) for key in OLDER],
    *[task(**{key: 1}) for key in OLDER],
]


class SchemaTest(VtTest):

    def setUp(self):
        super().setUp()
        self.write('package.json', {'name': 'root', 'workspaces': ['packages/*']})
        self.write('packages/lib/package.json', {'name': 'lib'})

    def load(self, config, where='.'):
        """Only loads: nothing is started."""
        self.write(f'{where}/vite-task.json', config)
        return self.vt('run', '--json')

    def assertAccepted(self, config):
        self.assertEqual(json_schema.problems(config, SCHEMA), [])
        self.assertOk(self.load(config))

    def assertRejected(self, config):
        self.assertNotEqual(json_schema.problems(config, SCHEMA), [], config)
        return self.assertCode(2, self.load(config))

    def test_the_schema_has_the_keys_and_words_of_the_parser(self):
        for name, (config, allowed) in ALLOWED.items():
            with self.subTest(place=name):
                text = self.assertRejected(config).err
                known = re.search(
                    r'(?:expected one of|missing key) (.*?)(?:; did|$)', text, re.M)
                self.assertIsNotNone(known, text)
                words = set(re.findall(r'`(\w[\w-]*)`', known[1]))
                if 'missing key' in known[0]:
                    words |= set(re.findall(r'[{,] ?(\w+)', known[1]))
                self.assertEqual(words, set(allowed), text)

    def test_the_schema_has_the_older_keys_of_the_parser(self):
        task_keys = DEFS['taskObject']['properties']
        self.assertEqual([k for k, v in task_keys.items() if v.get('deprecated')], OLDER)
        for key in keys(DEFS['cacheObject']) - set(OLDER):
            with self.subTest(key=key):
                self.assertRejected(task(**{key: []}))
        for key in OLDER:
            with self.subTest(key=key):
                self.assertAccepted(task(**{key: []}))
                self.assertAccepted(task(cache=True, **{key: []}))

    def test_the_schema_says_which_keys_are_for_the_root(self):
        for key, schema in SCHEMA['properties'].items():
            with self.subTest(key=key):
                value = {'$schema': 'x', 'cache': True}.get(key, schema.get('default'))
                result = self.load({key: value}, 'packages/lib')
                if schema['description'].startswith('Workspace root only.'):
                    self.assertCode(2, result)
                    self.assertIn('can only be set in the workspace root', result.err)
                else:
                    self.assertOk(result)

    def test_what_the_schema_rejects_the_parser_rejects(self):
        for config in WRONG:
            with self.subTest(config=config):
                self.assertRejected(config)

    def test_the_examples_use_every_key_and_are_valid(self):
        for config in SCHEMA['examples']:
            self.assertAccepted({'$schema': 'x', **config})
        used = set()
        json.loads(json.dumps(SCHEMA['examples']), object_hook=used.update)
        for one in (SCHEMA, *DEFS.values()):
            self.assertLessEqual(
                set(one.get('properties', {})) - {'$schema'}, used)

    def test_the_defaults_are_valid(self):
        def defaults(schema):
            return {name: one['default'] for name, one in schema['properties'].items()
                    if 'default' in one}
        self.assertAccepted(defaults(SCHEMA))
        self.assertAccepted(task(**defaults(DEFS['taskObject'])))
        self.assertAccepted(task(cache=defaults(DEFS['cacheObject'])))

    def test_the_schema_is_installed(self):
        installed = DIST / 'share/vtask/schema/vite-task.schema.json'
        self.assertEqual(json.loads(installed.read_text()), SCHEMA)
