#!/usr/bin/env bash
# Writes man pages into target/man: rhumb(1) from the command line, rhumb-NAME(7) from each plugin's README.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$root"

PROFILE=${RHUMB_TOOL_PROFILE:-dev} build_server
out=$target/man
rm -rf "$out"
mkdir -p "$out/man1" "$out/man7"
"$binary" man >"$out/man1/rhumb.1"
failed=0
for folder in plugins/*/; do
  name=$(basename "$folder")
  if [ ! -f "$folder/README.md" ]; then
    say "plugins/$name: there is no README.md" >&2
    failed=1
    continue
  fi
  awk -v name="$name" -f scripts/man.awk "$folder/README.md" >"$out/man7/rhumb-$name.7" || failed=1
done
say "$(find "$out" -type f | wc -l) pages in $out; read one with: man $out/man1/rhumb.1"
exit "$failed"
