#!/bin/sh
# From recordings to speech with what is in this folder. Run again, it goes on where it stopped.
set -eu

python=${BIN:-.venv/bin}/python
weights=runs/demo/fp32.safetensors
prompt=vall_e/sample/kokoro/af_bella/02634.ogg

say() { printf '\n== %s\n' "$*"; }

say "Prepare: speech and transcripts become codes and phonemes in one HDF5 file"
"$python" -m vall_e.prepare dataset=sample
say "Train a small model"
"$python" -m vall_e.train experiment=demo
say "Evaluate it on speech that it has not seen"
"$python" -m vall_e.evaluate weights="$weights"
say "Speak"
"$python" -m vall_e "She can drink skimmed milk." "$prompt" runs/demo/hello.wav weights="$weights"

cat <<END

The dataset        data/sample-builtin.h5
The run            runs/demo (train.log, metrics.jsonl, config.resolved.yaml)
The weights        $weights
The evaluation     runs/evaluate
The speech         runs/demo/hello.wav

Five minutes of speech teach a model no English; more data and more time do. Next: python -m vall_e.train --help
END
