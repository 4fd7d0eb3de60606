"""JSON lines in, JSON lines out, for commands that answer many questions in one process."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# What a line that is no question raises somewhere on the way.
NO_QUESTION = (ValueError, KeyError, AttributeError, TypeError, RecursionError)


def answer_lines(answer: Callable[[dict[str, Any]], dict[str, Any]], wrong: dict[str, Any]) -> None:
    """Write one answer for each line of standard input, with its ``id``; for a line that is no question it is ``wrong``."""
    for line in sys.stdin.buffer:  # bytes: a line that is not UTF-8 is one bad line, not the end of the batch
        if line.strip():
            print(json.dumps(_answer(line, answer, wrong)), flush=True)


def _answer(line: bytes, answer: Callable[[dict[str, Any]], dict[str, Any]], wrong: dict[str, Any]) -> dict[str, Any]:
    identifier = None
    try:
        question = json.loads(line.decode())
        identifier = question.get("id")
        return {"id": identifier} | answer(question)
    except NO_QUESTION:
        return {"id": identifier} | wrong
