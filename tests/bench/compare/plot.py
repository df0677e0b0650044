#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws the figures of compare.py: plot.py FIGURES.json OUT.svg

One group of bars a scenario and size, one bar a runner, in milliseconds on a
logarithmic scale."""
import json
import math
import pathlib
import sys

COLOURS = {'vt': '#2563eb', 'vp': '#9333ea', 'turbo': '#dc2626', 'nx': '#0891b2',
           'nx-daemon': '#0e7490', 'moon': '#ca8a04', 'wireit': '#16a34a', 'lage': '#db2777',
           'bazel': '#65a30d', 'xargs': '#9ca3af', 'cp -r': '#9ca3af', 'true': '#d1d5db'}
TITLES = {'cold': 'cold', 'noop': 'nothing changed', 'leaf': 'one leaf changed',
          'base': 'the base changed', 'touch': 'touched, same content',
          'restore': 'outputs deleted', 'two-cold': 'two cold runs at once',
          'two-noop': 'two runs at once', 'trivial': 'one uncached `true`',
          'version': '--version', 'help': '--help', 'dry': 'dry run'}
BAR, GAP, LEFT, WIDTH = 15, 22, 210, 560


def bar(row, y, scale):
    milliseconds = row['median'] * 1e3
    length = max(scale(milliseconds), 1)
    label = f'{milliseconds:.1f} ms' if milliseconds < 100 else f'{milliseconds / 1e3:.2f} s'
    return (f'<text x="{LEFT - 6}" y="{y + 11}" text-anchor="end">{row["runner"]}</text>'
            f'<rect x="{LEFT}" y="{y + 1}" width="{length:.1f}" height="{BAR - 3}" '
            f'fill="{COLOURS.get(row["runner"], "#6b7280")}"/>'
            f'<text x="{LEFT + length + 5:.1f}" y="{y + 11}">{label}</text>')


def draw(figures):
    groups = {}
    for row in figures['results']:
        tool = '' if row['tool'] == 'native' else f', {row["tool"]} tasks'
        title = f'{TITLES.get(row["scenario"], row["scenario"])}, {row["size"]}{tool}'
        groups.setdefault(title, []).append(row)
    longest = max(row['median'] for row in figures['results']) * 1e3
    shortest = min(row['median'] for row in figures['results']) * 1e3 / 2
    span = math.log(longest / shortest)

    def scale(milliseconds):
        return WIDTH * math.log(milliseconds / shortest) / span

    parts, y = [], 46
    for title, rows in groups.items():
        parts.append(f'<text x="10" y="{y + 12}" font-weight="bold">{title}</text>')
        y += BAR + 3
        for row in sorted(rows, key=lambda row: row['median']):
            parts.append(bar(row, y, scale))
            y += BAR
        y += GAP
    machine = figures['machine']
    head = (f'{figures["date"]}, {machine["cpus"]} processors ({machine["model"]}), '
            f'Linux {machine["kernel"]}; medians, logarithmic')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 90}" height="{y}" '
            'font-family="sans-serif" font-size="11">'
            f'<rect width="100%" height="100%" fill="#fff"/><text x="10" y="22">{head}</text>'
            + '\n'.join(parts) + '</svg>\n')


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    figures = json.loads(pathlib.Path(sys.argv[1]).read_text())
    pathlib.Path(sys.argv[2]).write_text(draw(figures))


if __name__ == '__main__':
    main()
