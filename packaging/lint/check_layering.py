#!/usr/bin/env python3
"""Fails when a file includes a module, or a third-party library, that its own
module did not declare in vt_module(), or when the declared graph has a cycle.

Prints the floors (0 = ground), so that the picture is always one command away.
"""
import argparse
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')
LIBRARY = [(re.compile(p), n) for p, n in [
    (r'^uv\.h$|^uv/', 'uv'), (r'^rocksdb/', 'rocksdb'), (r'^grpc(pp)?/', 'grpc'),
    (r'^google/protobuf/', 'protobuf'), (r'^lz4', 'lz4'),
    (r'^nghttp2/', 'nghttp2'), (r'^openssl/', 'crypto'), (r'^yaml-cpp/', 'yaml')]]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument('--root', type=pathlib.Path, required=True)
    parser.add_argument('--layering', type=pathlib.Path, required=True)
    args = parser.parse_args()

    deps, uses, name_of = {}, {}, {}
    for row in args.layering.read_text().splitlines():
        folder, d, u = row.split('|')
        name = folder.split('/')[-1]
        name_of[folder] = name
        deps[name] = set(filter(None, d.split(',')))
        uses[name] = set(filter(None, u.split(',')))

    floors: dict[str, int] = {}

    def floor(name: str, path: tuple = ()) -> int:
        if name in path:
            raise SystemExit('cycle: ' + ' -> '.join(path[path.index(name):] + (name,)))
        if name not in floors:
            below = [floor(d, path + (name,)) for d in deps.get(name, ()) if d in deps]
            floors[name] = 1 + max(below, default=-1)
        return floors[name]

    for name in deps:
        floor(name)

    faults = []
    for folder, name in name_of.items():
        for source in sorted((args.root / folder).rglob('*')):
            if source.suffix not in ('.h', '.cc'):
                continue
            for number, line in enumerate(source.read_text().splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                target = match[2]
                where = f'{source.relative_to(args.root)}:{number}'
                owner = next((n for f, n in name_of.items() if target.startswith(f + '/')), None)
                if owner and owner != name and owner not in deps[name]:
                    faults.append(f'{where}: {name} does not declare DEPS {owner} ({target})')
                for pattern, library in LIBRARY:
                    if pattern.search(target) and library not in uses[name]:
                        faults.append(f'{where}: {name} does not declare USES {library} ({target})')
    for level in sorted(set(floors.values()), reverse=True):
        print(f'floor {level}: ' + ' '.join(sorted(n for n, f in floors.items() if f == level)))
    print('\n'.join(faults) if faults else f'{len(deps)} modules, no fault')
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
