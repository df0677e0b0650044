#!/usr/bin/env python3
"""Writes the build stamp: seconds of the newest source file, or of
SOURCE_DATE_EPOCH. A newer shim replaces an older daemon by it (decisions H20),
so a rebuild during development replaces the daemon too.

Usage: write_stamp.py ROOT OUT VERSION. Leaves OUT alone if it says the same."""
import os
import pathlib
import sys

root, out, version = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
stamp = int(os.environ.get('SOURCE_DATE_EPOCH') or max(
    int(path.stat().st_mtime)
    for folder in ('daemon', 'shim', 'proto', 'client')
    for path in (root / folder).rglob('*') if path.suffix in ('.cc', '.h', '.proto')))
text = (f'#define VT_VERSION_STRING "{version}"\n'
        f'#define VT_BUILD_STAMP {stamp}ULL\n')
if not out.exists() or out.read_text() != text:
    out.write_text(text)
