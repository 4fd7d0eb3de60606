"""The fuzzer: ``python -m tests.fuzz.target [libFuzzer's options]``, by way of ``make fuzz``.

Seeds are written anew by the writers on every start, so that none is stale; what reached a new branch is kept beside them
for the next run.
"""

from __future__ import annotations

import hashlib
import random
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["authz_server"]):
    from tests.fuzz.properties import CHAINS_OF_KINDS, SOURCES, hold, seeds
    from tests.forwarded.writers import WRITERS  # isort: skip

FOLDER = Path(".cache/fuzz")
CORPUS = FOLDER / "corpus"


def mutate(data: bytes, size: int, seed: int) -> bytes:
    """Mutate the value's text, or the DER under it: no mutation of base64 alone would stay a certificate."""
    dice = random.Random(seed)  # noqa: S311 - libFuzzer's own seed makes a run repeatable
    if dice.random() < 0.5 or size < 2:
        return bytes(atheris.Mutate(data, size))
    which = dice.randrange(len(SOURCES))
    chain = list(dice.choice(CHAINS_OF_KINDS))
    at = dice.randrange(len(chain))
    chain[at] = bytes(atheris.Mutate(chain[at], len(chain[at]) + 16))
    return (bytes([which]) + WRITERS[SOURCES[which].format](tuple(chain)).encode())[:size]


def main() -> None:
    """Write the seeds and run until libFuzzer stops, which it does at the first input that fails."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    for seed in seeds():
        (CORPUS / hashlib.sha256(seed).hexdigest()).write_bytes(seed)
    options = [f"-artifact_prefix={FOLDER}/", "-max_len=16384", "-print_final_stats=1", "-timeout=10", *sys.argv[1:]]
    atheris.Setup([sys.argv[0], *options, str(CORPUS)], hold, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
