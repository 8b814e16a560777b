#!/usr/bin/env bash
# install-peer.sh rasa|dialogflow|mlserver|kserve: what tests compare answers with, in an environment of its own, .cache/peers/NAME.
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:?rasa, dialogflow, mlserver or kserve}
folder=.cache/peers/$name
wanted=$(cat "deploy/peers/$name"*.txt | cksum)
if [ "$(cat "$folder/.installed" 2>/dev/null)" = "$wanted" ]; then
    exit
fi
uv=$(deploy/find-uv.sh)
"$uv" venv --quiet --clear --python 3.11 "$folder"
options=()
if [ -e "deploy/peers/$name.override.txt" ]; then
    options=(--override "deploy/peers/$name.override.txt")
fi
"$uv" pip install --quiet --python "$folder/bin/python" -r "deploy/peers/$name.txt" "${options[@]}"
echo "$wanted" >"$folder/.installed"
