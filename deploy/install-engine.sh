#!/usr/bin/env bash
# install-engine.sh spark|flink|quix: installs an engine into an environment of its own, .cache/engines/NAME.
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:?spark, flink or quix}
folder=.cache/engines/$name
wanted=$(cat deploy/engines/*.txt | cksum)
if [ "$(cat "$folder/.installed" 2>/dev/null)" = "$wanted" ]; then
    exit
fi
uv=$(deploy/find-uv.sh)
echo "installing $name into $folder (a minute or two, once)" >&2
"$uv" venv --quiet --clear --python 3.11 "$folder"
"$uv" pip install --quiet --python "$folder/bin/python" -r "deploy/engines/$name.txt" --override deploy/engines/override.txt
echo "$wanted" >"$folder/.installed"
if ! java -version >/dev/null 2>&1 && [ "$name" != quix ]; then
    echo "$name needs a Java: install one (Debian: apt-get install openjdk-17-jre-headless)" >&2
    exit 1
fi
