#!/usr/bin/env bash
# Runs the acceptance checks in ../shared/checks against the built server, where they are there.
#
#   checks.sh [e2e] [ci]     both unless named
#
# A case may fail only where scripts/known-differences.txt names it with a reason.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$root"

checks=$(cd "$root/../shared/checks" 2>/dev/null && pwd) || {
  say "not run: ../shared/checks is not there"
  exit 0
}
[ $# -gt 0 ] || set -- e2e ci
build_server
work=$(mktemp -d)
plane_dir=
# Called by the trap.
# shellcheck disable=SC2329
cleanup() {
  [ -z "$plane_dir" ] || "$checks/ci/up.sh" stop "$plane_dir" || true
  rm -rf "$work"
}
trap cleanup EXIT
python_venv -r "$checks/e2e/requirements.txt" pyyaml || die "cannot install what the checks need; see above"
python=$venv/bin/python

# What failed and is no known difference; the rest of the line in parentheses or brackets is not the name.
judge() {
  local output=$1 total
  total=$(sed -n 's/^passed //p' "$output" | tail -n 1)
  if [ -z "$total" ] || [ "${total#*/}" = 0 ]; then
    say "the check itself did not run"
    return 1
  fi
  sed -n 's/^FAIL //p' "$output" | sed -E 's/(   \(|  \[).*//' | sort -u >"$work/failed"
  sed -n 's/ # .*//p' scripts/known-differences.txt | grep -v '^#' | sort -u >"$work/known" || true
  local n_known
  n_known=$(comm -12 "$work/failed" "$work/known" | wc -l)
  [ "$n_known" -eq 0 ] || say "$n_known failed as scripts/known-differences.txt says"
  if [ "$((${total#*/} - ${total%/*}))" -gt 0 ] && [ -n "$(comm -23 "$work/failed" "$work/known")" ]; then
    say "failed, and not in scripts/known-differences.txt:"
    comm -23 "$work/failed" "$work/known" | sed 's/^/  /'
    return 1
  fi
}

"$binary" -plugins | sed -n 's/ (not.*//p' >"$work/not-served"
status=0
for check in "$@"; do
  case $check in
    e2e)
      # Every case that needs nothing but what this server has.
      within=core,cli,import,$("$binary" -plugins | grep -v ' (not' | paste -sd, -)
      step "End-to-end checks within $within"
      scripts/select-cases.py "$checks/e2e/cases.json" "$work/not-served" "$work/cases.json" --within "$within"
      "$python" "$checks/e2e/run.py" --server "$binary" --cases "$work/cases.json" >"$work/e2e" 2>&1 || true
      cat "$work/e2e"
      judge "$work/e2e" || status=1
      ;;
    ci)
      step "Cluster checks"
      tests/cluster/build.sh || {
        say "not run: the Kubernetes control plane cannot be built here"
        continue
      }
      for tool in curl openssl; do
        has "$tool" || apt_install "$tool" || die "needs $tool"
      done
      kubectl=$(scripts/kubectl.sh)
      "$checks/ci/up.sh" "$root/target/cluster/rhumb-cluster" "$work/plane"
      plane_dir=$work/plane
      scripts/select-cases.py "$checks/ci/cases.json" "$work/not-served" "$work/cases.json"
      "$python" "$checks/ci/run.py" --server "$binary" --kubeconfig "$plane_dir/kc" --kubectl "$kubectl" \
        --cases "$work/cases.json" >"$work/ci" 2>&1 || true
      cat "$work/ci"
      judge "$work/ci" || status=1
      "$checks/ci/up.sh" stop "$plane_dir"
      plane_dir=
      ;;
    *) die "there is no check '$check'" ;;
  esac
done
exit "$status"
