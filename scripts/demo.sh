#!/bin/sh
# From recordings to speech with what is in this folder. Run again, it goes on where it stopped.
set -eu

python=${BIN:-.venv/bin}/python
run=runs/demo
weights=$run/ckpt/ar+nar-tiny-llama-8/fp32.safetensors
voice=vall_e/sample/kokoro/af_bella/02634.ogg

say() { printf '\n== %s\n' "$*"; }

say "Prepare: speech and transcripts become codes and phonemes in one HDF5 file"
"$python" -m vall_e.prepare dataset=sample
say "Train a small model, about six minutes on two cores"
"$python" -m vall_e.train experiment=demo
say "Evaluate it on speech that it has seen (subtrain) and on speech that it has not (val)"
"$python" -m vall_e.evaluate weights="$weights" experiment=demo hydra.run.dir=runs/demo/evaluation
say "Speak a sentence of the training speech, and one that is new"
"$python" -m vall_e "He could determine uniquely the properties of the compound." "$voice" $run/known.wav \
    weights="$weights" inference.ar_temperature=0 inference.input_prompt_length=2
"$python" -m vall_e "Hello there, world!" "$voice" $run/hello.wav weights="$weights" inference.ar_temperature=0.5

cat <<END

Sounds       $run/known.wav    a sentence the model was trained on
             $run/hello.wav    a sentence it never saw, in the same voice
             $run/evaluation/index.html    prompt, output and original side by side
Plots        $run/metrics.png    loss, accuracy and mel-STFT over steps (tensorboard --logdir $run has them live)
Run folder   $run    settings, log, checkpoints; weights in $weights

Loss is nats per code: 6.9 knows nothing, 0 knows the speech by heart. Accuracy is how often the right code is among the
ten likeliest. Mel-STFT compares output and original: 0 is equal, about 1 the best a codec of this size does between two
readings, above 2 noise. Five sentences a voice can be learnt by heart but teach no English: known.wav should be words,
hello.wav is babble in a human voice. More speech and more time change that: python -m vall_e.train --help
END
