#!/usr/bin/env bash
# Builds the server and serves the example cluster; Ctrl-C ends it.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$root" # The example's Corefile names its manifests from here.

build_server
cat <<'TEXT'

The example cluster (examples/cluster) answers on 127.0.0.1:1053. In another terminal:

TEXT
sed -n 's/^ask /  dig @127.0.0.1 -p 1053 +noall +answer /p' examples/cluster/dialog.txt
cat <<'TEXT'

  curl http://127.0.0.1:18181/ready      curl http://127.0.0.1:19153/metrics

Edit a file in examples/cluster and ask again. Ctrl-C ends it.

TEXT
exec "$binary" -conf examples/cluster/Corefile
