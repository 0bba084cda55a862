#!/usr/bin/env bash
# Runs every test that this machine can run, and names those it cannot run with the reason.
#
#   test.sh [CARGO-TEST-ARGUMENTS...]     such as `-p rhumb-cache`, or `-- web` for names with `web`
#
# A test that needs something that is not there appends `LEFT OUT: NAME: REASON` to target/tmp/left-out and
# returns. RHUMB_NO_CLUSTER=1 leaves out building the Kubernetes control plane, which takes 6 minutes the first
# time. Ends with `N passed, N failed`.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$root"
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}
mkdir -p "$target/tmp"
skipped=$target/tmp/left-out
log=$target/test.log
: >"$skipped"
rm -f "$target/test-counts" "$target/test-summary"

step "What the tests need"
if has dig || apt_install bind9-dnsutils; then
  say "dig: $(dig -v 2>&1 | head -n 1)"
else
  say "dig: missing, and it cannot be installed here (Debian: bind9-dnsutils)"
fi
cluster=$root/target/cluster/rhumb-cluster
if [ -n "${RHUMB_NO_CLUSTER:-}" ]; then
  say "Kubernetes control plane: left out, as RHUMB_NO_CLUSTER says"
elif tests/cluster/build.sh; then
  say "Kubernetes control plane: $cluster"
else
  say "Kubernetes control plane: cannot be built here; see above"
fi

scope=(--workspace)
for argument in "$@"; do
  case $argument in -p | --package | -p?* | --package=*) scope=() ;; esac
done

step "Building the tests"
cargo test "${scope[@]}" --no-run -j "$JOBS" "$@" 2>&1 | sed '/^  Executable /d' || {
  say "the tests do not compile"
  exit 1
}

step "Running the tests (everything they print: $log)"
status=0
# Binaries run one after another, tests of a binary in parallel; the first failure does not end it.
cargo test "${scope[@]}" --no-fail-fast -j "$JOBS" "$@" 2>&1 | tee "$log" | awk -v counts="$target/test-counts" -f scripts/test.awk || status=1

if [ -s "$skipped" ]; then
  step "Not run on this machine"
  sort -u "$skipped" | sed 's/^LEFT OUT: //'
fi
n_skipped=$(sort -u "$skipped" | wc -l)
read -r n_passed n_failed n_ignored <"$target/test-counts"
# A skipped test returned early, which cargo counts as passed.
n_passed=$((n_passed - n_skipped)) n_skipped=$((n_skipped + n_ignored))
summary="$n_passed passed, $n_failed failed"
[ "$n_skipped" -eq 0 ] || summary+=", $n_skipped skipped"
printf '%s\n' "$summary" >"$target/test-summary"
printf '\n%s\n' "$summary"
[ "$status" -eq 0 ] && [ "$n_failed" -eq 0 ] && [ "$n_passed" -gt 0 ]
