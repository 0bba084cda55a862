# Sourced by the other scripts: where things are, and how to say what is going on.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
JOBS=${JOBS:-$(nproc 2>/dev/null || echo 2)}
PROFILE=${PROFILE:-release}

say() { printf '%s\n' "$*"; }
step() { printf '\n== %s\n' "$*"; }
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

# Builds the server in the profile and leaves its path in `binary`; RHUMB_BINARY names one that is built.
build_server() {
  if [ -n "${RHUMB_BINARY:-}" ]; then
    binary=$RHUMB_BINARY
    return
  fi
  cargo build --profile "$PROFILE" --bin rhumb -j "$JOBS"
  local folder=$PROFILE
  [ "$PROFILE" = dev ] && folder=debug
  # Used by the scripts that source this.
  # shellcheck disable=SC2034
  binary=$target/$folder/rhumb
}

# Installs Debian packages where that can be done without asking anybody; says so where it cannot.
apt_install() {
  if [ "$(id -u)" -eq 0 ] && has apt-get; then
    say "installing $*"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@"; } >/dev/null
  else
    return 1
  fi
}

# A virtual environment under target/, with the requirements given; leaves its path in `venv`.
python_venv() {
  venv=$target/venv
  [ -x "$venv/bin/python" ] || python3 -m venv "$venv" || return 1
  local wanted
  wanted=$(printf '%s\n' "$@" | cksum)
  if [ "$(cat "$venv/wanted" 2>/dev/null)" != "$wanted" ]; then
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" || return 1
    printf '%s\n' "$wanted" >"$venv/wanted"
  fi
}
