"""Files with the secrets and keys of hops -> what proofs compare with."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authz_server.hop import Key
from authz_server.settings import HopSettings, Problem, variable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

# RFC 2104 §3: a key shorter than the hash weakens HMAC. A secret of hexadecimal digits has 128 bits then.
MIN_KEY_BYTES = 32
_VISIBLE = re.compile(rb"[!-~]+")
# A text file ends with a line break that is no part of the key; in a file of random bytes it is.
_TEXT = re.compile(rb"([ -~]*)[\r\n]*")
_BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(slots=True)
class HopKeys:
    """What the files of every hop hold, by the hop's name in settings; ``contents`` is all of it, in a fixed order.

    Each content stands behind the setting that names it.
    """

    secrets: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    mac_keys: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    signature_keys: dict[str, dict[str, Key]] = field(default_factory=dict)
    contents: list[bytes] = field(default_factory=list)


def load_hop_keys(hops: Mapping[str, HopSettings], problems: list[Problem]) -> HopKeys:
    """Read every file that ``hops`` name; what is wrong goes to ``problems``."""
    keys = HopKeys()
    for name, settings in hops.items():
        reader = _Reader(name, problems, keys.contents)
        keys.secrets[name] = tuple(reader.secrets("secret_files", settings.secret_files, must_be_visible=True))
        keys.mac_keys[name] = tuple(reader.secrets("hmac_key_files", settings.hmac_key_files))
        keys.signature_keys[name] = reader.signature_keys(settings)
    _refuse_shown_keys(keys, problems)
    return keys


def _refuse_shown_keys(keys: HopKeys, problems: list[Problem]) -> None:
    """A shared secret stands in every request: whoever reads one must not get a key from it."""
    shown = {secret for secrets in keys.secrets.values() for secret in secrets}
    message = "holds a key that is a secret of `secret_files` as well, which every request shows; make another"
    for name, mac_keys in keys.mac_keys.items():
        if not shown.isdisjoint(mac_keys):
            problems.append(Problem(variable("hops", name, "hmac_key_files"), message))
    for name, signature_keys in keys.signature_keys.items():
        if not shown.isdisjoint(key.key for key in signature_keys.values() if isinstance(key.key, bytes)):
            problems.append(Problem(variable("hops", name, "signature_secrets"), message))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the files of one hop."""

    hop: str
    problems: list[Problem]
    contents: list[bytes]

    def secrets(self, field_name: str, paths: Iterable[Path], *, must_be_visible: bool = False) -> Iterator[bytes]:
        """The secret in each file; a folder stands for its files, but not for hidden ones (Kubernetes keeps links there)."""
        for path in paths:
            for file in self._files(field_name, path):
                secret = self._secret(field_name, file)
                if secret and must_be_visible and not _VISIBLE.fullmatch(secret):
                    self._refuse(field_name, f"{file}: a header holds visible ASCII only; use letters and digits")
                elif secret:
                    yield secret

    def _files(self, field_name: str, path: Path) -> list[Path]:
        try:
            if not path.is_dir():
                return [path]
            files = sorted(each for each in path.iterdir() if not each.name.startswith("."))
        except OSError as error:
            self._refuse(field_name, f"{path}: {error.strerror}")
            return []
        if not files:
            self._refuse(field_name, f"{path}: the folder is empty")
        return files

    def signature_keys(self, settings: HopSettings) -> dict[str, Key]:
        """Key id to key, of public keys and shared secrets."""
        keys: dict[str, Key] = {}
        for key_id, path in settings.signature_keys:
            content = self._read("signature_keys", path)
            if content is None:
                continue
            if b"PRIVATE KEY-----" in content:
                self._refuse("signature_keys", f"{path}: holds a private key, which belongs to the proxy; give the public key")
                continue
            try:
                keys[key_id] = Key.from_public_pem(content)
            except ValueError as error:
                self._refuse("signature_keys", f"{path}: no public key (PEM): {error}")
        for key_id, path in settings.signature_secrets:
            secret = self._secret("signature_secrets", path)
            if key_id in keys:
                self._refuse("signature_secrets", f"{key_id}: names a public key as well")
            elif secret is not None:
                keys[key_id] = Key.from_secret(secret)
        names = [key_id for key_id, _ in (*settings.signature_keys, *settings.signature_secrets)]
        for repeated in sorted({key_id for key_id in names if names.count(key_id) > 1}):
            self._refuse("signature_keys", f"{repeated}: names two keys")
        return keys

    def _secret(self, field_name: str, path: Path) -> bytes | None:
        content = self._read(field_name, path)
        if content is None:
            return None
        if content.startswith(_BYTE_ORDER_MARKS):
            self._refuse(field_name, f"{path}: begins with a byte order mark; save it without one")
            return None
        if b"-----BEGIN" in content:
            # Everybody may know a public key: taken for a secret it would let everybody sign.
            self._refuse(field_name, f"{path}: is PEM; expected a shared secret")
            return None
        text = _TEXT.fullmatch(content)
        secret = text[1] if text else content
        if len(secret) < MIN_KEY_BYTES:
            self._refuse(field_name, f"{path}: holds {len(secret)} bytes; expected at least {MIN_KEY_BYTES}")
            return None
        return secret

    def _read(self, field_name: str, path: Path) -> bytes | None:
        try:
            content = path.read_bytes()
        except (OSError, ValueError) as error:  # ValueError: a NUL within the path
            self._refuse(field_name, f"{path}: {error.strerror if isinstance(error, OSError) else error}")
            return None
        # With what it is for: the same content as a secret and as a key is not the same configuration.
        self.contents.append(f"{self.hop}.{field_name}\n".encode() + content)
        return content

    def _refuse(self, field_name: str, message: str) -> None:
        self.problems.append(Problem(variable("hops", self.hop, field_name), message))
