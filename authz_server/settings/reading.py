"""Environment (and a YAML file) -> ``Settings``, or every problem at once.

A setting is an ``AUTHZ_`` variable or the same name in lower case, without the prefix, in the file that ``AUTHZ_CONFIG``
names; the environment wins. Any setting may also be given as ``AUTHZ_…_FILE``, a file that holds the value.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from authz_server.settings.fields import load_yaml
from authz_server.settings.model import Settings
from authz_server.settings.names import FLATS, PREFIX, variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

_CONFIG = "AUTHZ_CONFIG"
_GROUPS = frozenset(flat.group for flat in FLATS)
_KNOWN = frozenset(Settings.model_fields).union(*(flat.fields for flat in FLATS))


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one setting, and what would be right."""

    name: str
    message: str


def read_settings(environ: Mapping[str, str]) -> tuple[Settings | None, tuple[Problem, ...]]:
    """The settings, or ``None`` and every problem with them."""
    problems: list[Problem] = []
    values = _from_file(environ, problems) | _from_environment(environ, problems)
    nested = _nested(values, problems)
    try:
        settings = Settings.model_validate(nested)
    except ValidationError as error:
        problems += _translate(error)
        wrong = {str(each["loc"][0]) for each in error.errors(include_url=False) if each["loc"]}
        problems += _contradictions_without(wrong, nested)
        return None, tuple(problems)
    return (None if problems else settings), tuple(problems)


def _contradictions_without(wrong: set[str], nested: Mapping[str, Any]) -> list[Problem]:
    """What contradicts each other among the settings that are right by themselves: pydantic tells it only of whole models."""
    if not wrong:
        return []
    # A group that is left out looks like one that was never written, and its members like misspelt ones.
    wrong |= _GROUPS if wrong & _GROUPS else set()
    try:
        Settings.model_validate({name: value for name, value in nested.items() if name not in wrong})
    except ValidationError as error:
        left_groups = [flat for flat in FLATS if flat.group in wrong]
        flat = [variable(each.group, each.name, field) for each in left_groups for field in each.model.model_fields]
        left_out = (*flat, *(PREFIX + name.upper() for name in wrong))
        return [problem for problem in _translate(error) if not problem.name.startswith(left_out)]
    return []


def _from_environment(environ: Mapping[str, str], problems: list[Problem]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in environ.items():
        field = name.removeprefix(PREFIX).lower()
        if not name.startswith(PREFIX) or name == _CONFIG:
            continue
        if name != name.upper():  # another spelling would win or lose against the right one by chance
            problems.append(Problem(name, "no such setting; variables are written in upper case"))
        elif field in _KNOWN:
            values[field] = text
        elif field.removesuffix("_file") in _KNOWN and field.endswith("_file"):
            if PREFIX + field.removesuffix("_file").upper() in environ:
                problems.append(Problem(name, "contradicts the variable without _FILE; unset one of them"))
            elif (content := _read(name, text, problems)) is not None:
                values[field.removesuffix("_file")] = content.strip()
        else:
            problems.append(Problem(name, "no such setting; see docs/settings.md"))
    return values


def _from_file(environ: Mapping[str, str], problems: list[Problem]) -> dict[str, Any]:
    if _CONFIG not in environ:
        return {}
    text = _read(_CONFIG, environ[_CONFIG], problems)
    try:
        values = load_yaml(text or "")
    except yaml.YAMLError as error:
        problems.append(Problem(_CONFIG, f"not YAML: {error}"))
        return {}
    if values is None:
        return {}
    if not isinstance(values, dict):
        problems.append(Problem(_CONFIG, "expected a mapping of setting names to values"))
        return {}
    return {str(key): value for key, value in values.items()}


def _read(name: str, path: str, problems: list[Problem]) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(Problem(name, f"{path}: {error.strerror if isinstance(error, OSError) else 'not UTF-8 text'}"))
        return None


def _nested(values: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """The same with flat settings of a hop or source put where the model has them."""
    nested = dict(values)
    for flat in FLATS:
        member = {field: nested.pop(name) for name, field in flat.fields.items() if name in nested}
        if member and flat.group in nested:
            written = ", ".join(variable(flat.group, flat.name, field) for field in member)
            problems.append(Problem(PREFIX + flat.group.upper(), f"contradicts {written}; write the one or the others"))
        elif member:
            nested[flat.group] = {flat.name: member}
    return nested


def _translate(error: ValidationError) -> list[Problem]:
    problems = []
    for each in error.errors(include_url=False, include_input=False):
        if not each["loc"]:
            for line in str(each["ctx"]["error"]).splitlines():
                name, _, message = line.partition(": ")
                problems.append(Problem(name, message))
            continue
        problems.append(_problem(tuple(map(str, each["loc"])), each["msg"]))
    return problems


def _problem(location: tuple[str, ...], message: str) -> Problem:
    """The problem with the field at ``location``: a setting, or a field of a member of a group."""
    group, *rest = location
    for flat in FLATS:
        if group == flat.group and len(rest) >= len(("name", "field")):
            name, field = rest[:2]
            return Problem(variable(group, name, field), message + _meaning(flat.model, field))
    return Problem(PREFIX + group.upper(), message + _meaning(Settings, group))


def _meaning(model: type[BaseModel], field: str) -> str:
    known = model.model_fields.get(field)
    return f" ({known.description})" if known else "; see docs/settings.md"
