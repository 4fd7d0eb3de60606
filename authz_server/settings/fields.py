"""The kinds of value that settings are made of: from an operator's text to a parsed value, or ``ValueError``."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, Field

from authz_server.forwarded import ElementSelector

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/]+):([0-9]{1,5})")
_MAX_PORT = 65535
# RFC 9110 §5.1, in lower case as Envoy hands names over. WebSphere's begin with a dollar sign.
HEADER = r"^[a-z0-9!#$%&'*+.^_`|~-]{1,64}$"


def listed(value: Any) -> Any:
    """A list from text: a JSON array if it begins with ``[``, otherwise values separated by commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [part.strip() for part in value.split(",") if part.strip()]


def some(value: Any) -> Any:
    """A list that was written down must hold something: an empty proof or pin would silently not be asked for."""
    values = listed(value)
    if not values or (isinstance(values, list) and "" in values):
        msg = "is set but empty, or holds an empty text; unset it"
        raise ValueError(msg)
    return values


class _Loader(yaml.SafeLoader):
    """YAML in which no key stands twice: of two values for one setting the last would win, silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's
        """The mapping; raises ``yaml.YAMLError`` if a key stands there twice."""
        keys = [str(key.value) for key, _ in node.value]
        if len(set(keys)) < len(keys):
            msg = "a key stands there twice"
            raise yaml.constructor.ConstructorError(None, None, msg, node.start_mark)
        return super().construct_mapping(node, deep=deep)


def load_yaml(text: str) -> Any:
    """Parse YAML, of which JSON is a part; raises ``yaml.YAMLError``."""
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - derived from the safe loader


def mapping(value: Any) -> Any:
    """A mapping from YAML text, of which JSON is a part."""
    if not isinstance(value, str):
        return value
    try:
        return load_yaml(value)
    except yaml.YAMLError as error:
        msg = f"not YAML or JSON: {error}"
        raise ValueError(msg) from error


def _key_file(value: Any) -> Any:
    """``KEYID=FILE`` as a pair; raises ``ValueError`` for anything else."""
    if not isinstance(value, str):
        return value
    key_id, mark, path = value.partition("=")
    if not (key_id and mark and path):
        msg = f"{value!r}: expected KEYID=FILE"
        raise ValueError(msg)
    return key_id, path


def names(kinds: type[StrEnum]) -> str:
    """The values of an enumeration, for a description."""
    return ", ".join(f"`{kind.value}`" for kind in kinds)


def _element(value: Any) -> Any:
    """The choice of an XFCC element; raises ``ValueError`` for anything else."""
    ElementSelector.from_text(str(value))
    return value


def _address(value: Any) -> Any:
    """``HOST:PORT`` (an IPv6 address in brackets), ``unix:/PATH`` or nothing; raises ``ValueError`` for anything else."""
    text = str(value)
    matched = _ADDRESS.fullmatch(text)
    is_port = matched is not None and int(matched[2]) <= _MAX_PORT
    if text and not is_port and not (text.startswith("unix:/") and len(text) > len("unix:/")):
        msg = f"{text!r}: expected HOST:PORT with a port up to {_MAX_PORT}"
        raise ValueError(msg)
    return value


Address = Annotated[str, BeforeValidator(_address)]
Texts = Annotated[tuple[str, ...], BeforeValidator(some)]
Paths = Annotated[tuple[Path, ...], BeforeValidator(some)]
KeyFiles = Annotated[tuple[Annotated[tuple[str, Path], BeforeValidator(_key_file)], ...], BeforeValidator(some)]
Element = Annotated[str, BeforeValidator(_element)]
Header = Annotated[str, Field(pattern=HEADER)]
