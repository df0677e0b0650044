#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs what the tests need, builds, and runs them all:
#
#   tests/run.sh [--asan|--tsan|--dev] [ctest arguments, such as -R e2e.vite]
#   tests/run.sh --matrix [ROUNDS]
#   tests/run.sh --oracle [STEPS] | --crash [KILLS] | --race [RACES] | --freshness [STEPS]
#   tests/run.sh --soak [RUNS]
#
# --matrix runs the ground truth of file tracking instead: every row in every
# mode, then ROUNDS (200) times all of it, two programs at once. Takes hours.
# --oracle compares the cache with the truth for STEPS (10000) random steps,
# --crash kills the daemon KILLS (500) times, --race edits during RACES (3000) runs;
# see docs/DEVELOPING.md. --freshness makes STEPS (10000) random edits, and compares
# runs that trust what was watched with runs that look (docs/FRESHNESS.md).
# --soak makes RUNS (10000) runs and fails if the daemon has grown.
#
# Ends with what was skipped and why, and one line "N passed, N failed, N skipped".
# A full run fails below a minimum count, so that tests cannot vanish unnoticed,
# and, with CI set, where system calls cannot be traced (decisions H24, H25).
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/lib/dependencies.sh

preset=release
matrix=
oracle=()
freshness=
case ${1-} in
  --matrix) matrix=${2:-200} ;;
  --oracle) oracle=(oracle.py --keep-going --steps "${2:-10000}") ;;
  --crash) oracle=(crash.py --kills "${2:-500}") ;;
  --soak) oracle=(soak.py --runs "${2:-10000}") ;;
  --race) oracle=(race.py --keep-going --races "${2:-3000}") ;;
  --freshness) freshness=${2:-10000} ;;
  --asan | --tsan | --dev) preset=${1#--}; shift ;;
  -h | --help) sed -n '4,21s/^# \{0,1\}//p' "$0"; exit ;;
esac

vt_apt "${vt_build_packages[@]}" "${vt_test_packages[@]}"
vt_npm_tools
# Two installations by npm: tests need the same app in two clones.
vt_npm_ci tests/examples/vite-app "$vt_deps/example"
vt_npm_ci tests/examples/vite-app "$vt_deps/example-2"
vt_npm_ci tests/examples/tools-app "$vt_deps/tools"
vt_npm_ci client/grpc "$vt_deps/grpc"
vt_npm_ci tests/integration/track/npm "$vt_deps/ground-truth"

listener=$(python3 tests/support/listener.py) || true
printf 'tracing: %s\n' "$listener"
if [ -n "${CI-}" ] && [ "$listener" != available ]; then
  vt_die 'CI must be able to trace system calls; see docs/TROUBLESHOOTING.md#tracing'
fi

vt_say "Building ($preset preset)"
# Configured every time: the list of end-to-end tests is made then.
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset"

if [ ${#oracle[@]} -gt 0 ]; then
  VT_TEST_DIST=$PWD/build/$preset/dist exec python3 "tests/oracle/${oracle[0]}" "${oracle[@]:1}"
fi

if [ -n "$matrix" ]; then
  vt_say 'The ground truth of file tracking'
  export VT_TEST_TRACK_DUMP=$PWD/build/$preset/tests/integration/track/vt_track_dump
  export VT_TEST_PROGRAMS=$PWD/build/$preset/tests/integration/track/programs
  export VT_TEST_PRELOAD=$PWD/build/$preset/dist/lib/vtask/before-libasan.so/vt_preload.so
  export VT_TEST_DEPS=$vt_deps
  run=tests/integration/track/matrix/run.py
  python3 $run --all --table "build/$preset/ground-truth.md"
  python3 $run --rounds "$matrix"
  exit
fi

if [ -n "$freshness" ]; then
  vt_say 'The oracle of freshness'
  VT_TEST_DIST=$PWD/build/$preset/dist \
    python3 tests/e2e/freshness/oracle.py --steps "$freshness" --seed "$RANDOM"
  exit
fi

if [ "$preset" = tsan ]; then
  # Debian's libraries are not built for it; with the usual history the stack
  # that tells that a report is theirs is often lost.
  supp=$PWD/tests/support/tsan.supp
  export TSAN_OPTIONS="history_size=7:suppressions=$supp"
fi

vt_say 'Testing'
report=$PWD/build/$preset/tests.xml
rm -f "$report"
status=0
ctest --preset "$preset" --parallel 2 --output-junit "$report" "$@" || status=$?

full=--full
[ "$#" -eq 0 ] && [ "$preset" = release ] || full=
python3 tests/support/summary.py "$report" $full || status=1
exit "$status"
