#!/usr/bin/env bash
# Holds the crates to who may import whom, as ARCHITECTURE.md has it.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$root"

# Our packages among a manifest's ordinary dependencies.
imports() {
  awk '/^\[/ { is_in = ($0 == "[dependencies]") } is_in' "$1" |
    sed -nE 's/^(corefile|wire|udp|plugin|upstream|testkit|rhumb-[a-z0-9_-]+)[ .=].*/\1/p'
}
allowed() {
  case $1 in
    crates/corefile | crates/wire | crates/udp) ;;
    crates/upstream) echo wire ;;
    crates/plugin) echo corefile wire ;;
    crates/testkit) echo plugin corefile ;;
    plugins/*) echo plugin upstream wire ;;
    *) echo "nothing says what $1 may import" >&2 ;;
  esac
}
failed=0
for manifest in crates/*/Cargo.toml plugins/*/Cargo.toml; do
  room=$(dirname "$manifest")
  may=" $(allowed "$room" | xargs) "
  for import in $(imports "$manifest"); do
    case $may in
      *" $import "*) ;;
      *)
        say "$room imports $import; it may import:${may% }"
        failed=1
        ;;
    esac
  done
done
[ "$failed" -eq 0 ] && say "rooms: every import is one that ARCHITECTURE.md has"
exit "$failed"
