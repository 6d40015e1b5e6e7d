#!/bin/sh
# Installs vall_e for development into a virtual environment: `PYTHON=python3.11 sh scripts/install.sh .venv`.
# A machine without an NVIDIA GPU gets a CPU build of torch, which saves gigabytes of CUDA packages.
set -eu

venv=${1:-.venv}
torch_version=2.13.0
cpu_index=https://download.pytorch.org/whl/cpu

[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }

has_torch() { "$venv/bin/python" -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec("torch") is None)'; }

if ! has_torch && ! command -v nvidia-smi >/dev/null 2>&1; then
    # --index-url alone would still ask extra indexes of the machine, so the version is spelled `+cpu`: no other build fits.
    pip --timeout 10 --retries 0 install --quiet --index-url "$cpu_index" "torch==$torch_version+cpu" \
        || pip install --quiet "torch==$torch_version" \
        || echo "no CPU build of torch $torch_version found; the ordinary one follows" >&2
fi

pip install --quiet --editable ".[bitsandbytes,deepspeed,espeak,hub,huggingface,media,optimizers,slurm,sweep,wandb,dev]"
echo "ready: . $venv/bin/activate"
