#!/bin/sh
# Makes a model repository with the demonstration models: demonstration.sh SCRIPTS MODELS OUT
set -eu
scripts=$1 models=$2 out=$3

cp -r "$models" "$out"
python3 "$scripts/smollm2.py" --out "$out/smollm2-135m-instruct/1/weights"
for each in all_minilm:all-minilm-l6-v2 moderation:moderation; do
    python3 "$scripts/${each%%:*}.py" --out /tmp/made
    mkdir -p "$out/${each#*:}/1"
    cp /tmp/made/* "$out/${each#*:}/1/"
    rm -r /tmp/made
done
