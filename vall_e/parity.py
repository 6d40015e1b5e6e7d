"""`python -m vall_e.parity --fixture FOLDER --out OURS.npz`: compute what the reference computed, and compare."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vall_e.atomic import replacing
from vall_e.launch import launch

TOLERANCE = 5e-4


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m vall_e.parity",
        description="Run a small model with the weights and inputs of FOLDER and write every array that its flags "
        "permit: forward passes, greedy decoding, losses, gradients and steps of training.",
    )
    made.add_argument(
        "--fixture", metavar="FOLDER", type=Path, required=True, help="weights.safetensors, inputs.npz and meta.json"
    )
    made.add_argument("--out", metavar="OURS.npz", type=Path, required=True, help="the file to write")
    made.add_argument(
        "--sums", choices=("legacy", "inclusive"), default="legacy", help="prior levels summed in embeddings (legacy)"
    )
    made.add_argument(
        "--compare",
        action="store_true",
        help="print how far each array of FOLDER/outputs.npz is from ours; exit status 1 if one is too far",
    )
    made.add_argument("--tolerance", type=float, default=TOLERANCE, help=f"largest difference allowed ({TOLERANCE})")
    return made


def run() -> None:
    """Compute, write, compare."""
    given = parser().parse_args()

    import numpy as np

    from vall_e.evaluation.parity.comparison import compare, expected_arrays
    from vall_e.evaluation.parity.fixture import read_fixture
    from vall_e.evaluation.parity.measure import measure

    ours = measure(read_fixture(given.fixture, given.sums))
    with replacing(given.out) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **ours)  # type: ignore[arg-type]
    if not given.compare:
        return
    found = compare(ours, expected_arrays(given.fixture), given.tolerance)
    agreeing = sum(one.agrees for one in found)
    print(*found, f"{agreeing} of {len(found)} arrays agree", sep="\n")
    sys.exit(agreeing < len(found))


def main() -> None:
    """Entry point of `vall-e-parity`."""
    launch(run)


if __name__ == "__main__":
    main()
