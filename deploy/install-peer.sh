#!/usr/bin/env bash
# install-peer.sh rasa|dialogflow: what tests compare chatbot answers with, in an environment of its own, .cache/peers/NAME.
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:?rasa or dialogflow}
folder=.cache/peers/$name
wanted=$(cksum <"deploy/peers/$name.txt")
if [ "$(cat "$folder/.installed" 2>/dev/null)" = "$wanted" ]; then
    exit
fi
uv=$(deploy/find-uv.sh)
"$uv" venv --quiet --clear --python 3.11 "$folder"
"$uv" pip install --quiet --python "$folder/bin/python" -r "deploy/peers/$name.txt"
echo "$wanted" >"$folder/.installed"
