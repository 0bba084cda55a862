#!/usr/bin/env bash
# Checks the dependencies by deny.toml: licences, bans, sources, and advisories where their database can be had.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$root"

export PATH=$target/tools/bin:$PATH
if ! has cargo-deny; then
  say "installing cargo-deny into $target/tools (a few minutes, once)"
  CARGO_TARGET_DIR=$target/tools/build cargo install cargo-deny --locked --quiet --root "$target/tools" -j "$JOBS"
  rm -rf "$target/tools/build"
fi
cargo deny --version
cargo deny --log-level error check --hide-inclusion-graph licenses bans sources

# The advisories lie in a git repository of their own, which a machine behind a strict firewall cannot reach.
# That is no reason to fail, and none to claim that they were checked.
log=$target/advisories.log
if timeout 120 cargo deny --log-level error fetch db >"$log" 2>&1; then
  cargo deny --log-level error check --disable-fetch advisories
else
  say "advisories not checked: the database cannot be reached"
fi
