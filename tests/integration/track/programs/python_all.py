# SPDX-License-Identifier: Apache-2.0
"""Imports, listing, a child with another directory, trees made and removed."""
import json, os, pathlib, shutil, subprocess
os.makedirs('pkg/sub')
pathlib.Path('pkg/__init__.py').write_text('')
pathlib.Path('pkg/mod.py').write_text('VALUE = 1\n')
import sys
sys.path.insert(0, os.getcwd())
sys.dont_write_bytecode = True
import pkg.mod
try:
    import pkg.nothing
except ImportError:
    pass
os.listdir('pkg')
for base, dirs, files in os.walk('.'):
    pass
subprocess.run(['/bin/cat', 'mod.py'], cwd='pkg', stdout=subprocess.DEVNULL)
subprocess.run(['true'], env={})
shutil.copytree('pkg', 'copied')
shutil.rmtree('copied')
os.path.exists('probe')
json.dump({}, open('out.json', 'w'))
fd = os.open('pkg', os.O_RDONLY)
os.stat('mod.py', dir_fd=fd)
os.stat('gone.py', dir_fd=fd) if os.path.exists('pkg/gone.py') else None
