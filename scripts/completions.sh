#!/usr/bin/env bash
# Writes shell completions into target/completions.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$root"

PROFILE=${RHUMB_TOOL_PROFILE:-dev} build_server
out=$target/completions
mkdir -p "$out"
"$binary" completions bash >"$out/rhumb.bash"
"$binary" completions zsh >"$out/_rhumb"
"$binary" completions fish >"$out/rhumb.fish"
say "$out: $(cd "$out" && echo *)"
