#!/usr/bin/env bash
# Prints the path of a working uv; installs one under .cache/uv when the machine has none.
set -euo pipefail
cd "$(dirname "$0")/.."
own=.cache/uv/bin/uv

works() { "$1" --version >/dev/null 2>&1; }

if command -v uv >/dev/null && works uv; then
    command -v uv
    exit
fi
if [ -x "$own" ] && works "$own"; then
    echo "$PWD/$own"
    exit
fi

python=$(command -v python3 || command -v python || true)
if [ -z "$python" ]; then
    echo "make: no uv and no python3 here. Install either: uv (astral's installer), or Debian's python3 and python3-venv." >&2
    exit 1
fi

echo "installing uv into .cache/uv" >&2
rm -rf .cache/uv
mkdir -p .cache
log=.cache/uv-install.log
if "$python" -c 'import ensurepip' 2>/dev/null && "$python" -m venv .cache/uv >"$log" 2>&1; then
    .cache/uv/bin/python -m pip install --quiet uv >>"$log" 2>&1 || { cat "$log" >&2; exit 1; }
elif "$python" -m pip --version >/dev/null 2>&1; then
    "$python" -m pip install --quiet --target .cache/uv uv >>"$log" 2>&1 || { cat "$log" >&2; exit 1; }
else
    echo "make: this python3 has neither ensurepip nor pip, so uv cannot be installed with it." >&2
    echo "make: run \`apt-get install python3-venv\` (Debian, Ubuntu), or install uv yourself, then try again." >&2
    exit 1
fi
works "$own" || { echo "make: uv was installed into .cache/uv but does not run: see $log" >&2; exit 1; }
echo "$PWD/$own"
