#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# From a clean clone on Debian 12 to a running vtask: installs what is missing,
# builds the `release` preset, then builds the example app twice with the result.
# Leaves build/release/dist, which works from anywhere. Running it again is quick.
#
# Exit codes: 3 packages are missing and only root can install them.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/lib/dependencies.sh

case ${1-} in
  '') ;;
  -h | --help) sed -n '4,8s/^# \{0,1\}//p' "$0"; exit ;;
  *) vt_die "unknown argument \`$1\`" 2 ;;
esac

vt_apt "${vt_build_packages[@]}"
vt_npm_tools
vt_say 'Building (release preset)'
vt_build release
dist=$PWD/build/release/dist

vt_say 'Trying it on a copy of tests/examples/vite-app'
work=$(mktemp -d "${TMPDIR:-/tmp}/vtask-bootstrap.XXXXXX")
# The demonstration has a daemon, a cache and directories of its own.
export XDG_RUNTIME_DIR=$work/run XDG_CACHE_HOME=$work/cache XDG_STATE_HOME=$work/state
export PATH=$dist/bin:${vt_node%/*}:$PATH
finish() {
  vt daemon stop >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap finish EXIT

cp -r tests/examples/vite-app "$work/app"
rm -rf "$work/app/node_modules" "$work/app/dist"
cd "$work/app"
npm ci --ignore-scripts --no-audit --no-fund --loglevel error

show() { printf '\n\033[1m> %s\033[0m\n' "$*"; }
# expect WORD COMMAND…: runs it, shows what it prints, and wants WORD in it.
expect() {
  local word=$1 output
  shift
  show "$*"
  output=$("$@" 2>&1) || { printf '%s\n' "$output"; vt_die "\`$*\` failed"; }
  printf '%s\n' "$output"
  case $word in
    miss) ! grep -q 'cache hit' <<<"$output" || vt_die 'expected a miss' ;;
    hit) grep -q 'cache hit, .* saved' <<<"$output" || vt_die 'expected a hit with time saved' ;;
  esac
}
expect miss vt run build
(cd dist && find . -type f -exec sha256sum {} +) > "$work/built"
expect hit vt run build
show rm -rf dist
rm -rf dist
expect hit vt run build
(cd dist && sha256sum --quiet --check "$work/built") || vt_die 'dist was not restored byte for byte'
printf 'dist is back, byte for byte.\n'

vt_say 'Done'
cat <<TEXT
vtask is in build/release/dist; copy it where you like, or put it in PATH:

    export PATH=$dist/bin:\$PATH

Its tests: ./tests/run.sh
TEXT
