"""Files and folders of OCSP responses, stapled in advance -> answers."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from authz_server.settings import Problem
from authz_server.validation.revocation import OcspError, parse_ocsp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from authz_server.validation.revocation import OcspAnswer

_SETTING = "AUTHZ_OCSP_FILES"
_SUFFIXES = frozenset({".der", ".ocsp"})
# A response with four certificates of RSA-4096 keys has 10 KB.
_MAX_BYTES = 1 << 16


def load_answers(paths: Iterable[Path], problems: list[Problem]) -> tuple[OcspAnswer, ...]:
    """The answer in each file (DER); what is wrong with one goes to ``problems``. Whom they are by, each request verifies.

    Does NOT refuse what is past its nextUpdate: what it says is revoked, is.
    """
    answers: list[OcspAnswer] = []
    for file in _files(paths, problems):
        try:
            answers.append(_answer(file))
        except OSError as error:
            problems.append(Problem(_SETTING, f"{file}: {error.strerror}"))
        except OcspError as error:
            problems.append(Problem(_SETTING, f"{file}: no OCSP response to use: {error}"))
    return tuple(answers)


def _answer(file: Path) -> OcspAnswer:
    with file.open("rb") as opened:
        content = opened.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        msg = f"over {_MAX_BYTES} bytes"
        raise OcspError(msg)
    return parse_ocsp(content)


def _files(paths: Iterable[Path], problems: list[Problem]) -> Iterator[Path]:
    """Each file, and those of a folder that are named like answers; an empty folder is one that waits for the first."""
    for path in paths:
        try:
            if not stat.S_ISDIR(path.stat().st_mode):
                yield path
                continue
            found = sorted(path.iterdir())
        except OSError as error:
            problems.append(Problem(_SETTING, f"{path}: {error.strerror}"))
            continue
        # Hidden ones are half-written, or the folders that Kubernetes' links lead through.
        yield from (each for each in found if each.suffix in _SUFFIXES and not each.name.startswith("."))
