#!/usr/bin/env bash
# Serves the example cluster as `make run` does, asks what examples/cluster/dialog.txt asks and compares.
# Ends with `N passed, N failed`.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$root"

has dig || apt_install bind9-dnsutils || die "needs dig (Debian: bind9-dnsutils)"
build_server
log=$target/try.log
"$binary" -conf examples/cluster/Corefile >"$log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true' EXIT

# Answers, or dies, within five seconds.
for _ in $(seq 50); do
  kill -0 "$server" 2>/dev/null || break
  dig @127.0.0.1 -p 1053 +time=1 +tries=1 +short kubernetes.default.svc.cluster.local 2>/dev/null | grep -q . && break
  sleep 0.1
done
if ! kill -0 "$server" 2>/dev/null; then
  cat "$log"
  die "the server ended"
fi

passed=0 failed=0
# Sorted records without their TTL, which counts down.
records() { awk 'NF { $2 = ""; print }' | sort; }
compare() {
  [ -n "$question" ] || return 0
  local got
  # Several words on purpose: a question is a name, perhaps with a type.
  # shellcheck disable=SC2086
  got=$(dig @127.0.0.1 -p 1053 +time=2 +tries=2 +noall +answer $question)
  if [ -n "$expected" ] && [ "$(records <<<"$got")" = "$(records <<<"$expected")" ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf 'FAILED: dig %s\n-- expected\n%s\n-- got\n%s\n' "$question" "$expected" "$got"
  fi
}
question='' expected=''
while IFS= read -r line; do
  case $line in
    '' | '#'*) ;;
    'ask '*)
      compare
      question=${line#ask } expected=''
      ;;
    *) expected+=$line$'\n' ;;
  esac
done <examples/cluster/dialog.txt
compare

# What README.md shows is what was asked here.
while IFS= read -r shown; do
  if grep -qxF "ask $shown" examples/cluster/dialog.txt; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    say "FAILED: README.md asks for \`$shown\`, which examples/cluster/dialog.txt does not"
  fi
done < <(sed -n 's/^dig @127.0.0.1 -p 1053 +noall +answer //p' README.md)

# Its table has what is served, no more and no less.
served=$("$binary" -plugins | grep -v ' (not' | sort)
# shellcheck disable=SC2016
listed=$(sed -nE 's/^\| `([a-z0-9_]+)` \|.*/\1/p' README.md | sort)
if [ "$served" = "$listed" ]; then
  passed=$((passed + 1))
else
  failed=$((failed + 1))
  say "FAILED: the table in README.md is not what \`rhumb -plugins\` prints: (<) served, (>) in the table"
  diff <(cat <<<"$served") <(cat <<<"$listed") | grep '^[<>]' || true
fi

[ "$failed" -eq 0 ] || tail -n 20 "$log"
say "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
