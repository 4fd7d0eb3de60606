"""Files with the secrets and keys of hops -> what proofs compare with."""

from __future__ import annotations

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


@dataclass(slots=True)
class HopKeys:
    """What the files of every hop hold, by the hop's name in settings; ``contents`` is all of it, in a fixed order."""

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
    return keys


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the files of one hop."""

    hop: str
    problems: list[Problem]
    contents: list[bytes]

    def secrets(self, field_name: str, paths: Iterable[Path], *, must_be_visible: bool = False) -> Iterator[bytes]:
        """The secret in each file; a folder stands for its files, but not for hidden ones (Kubernetes keeps links there)."""
        for path in paths:
            files = sorted(each for each in path.iterdir() if not each.name.startswith(".")) if path.is_dir() else [path]
            if not files:
                self._refuse(field_name, f"{path}: the folder is empty")
            for file in files:
                secret = self._secret(field_name, file)
                if secret and must_be_visible and not _VISIBLE.fullmatch(secret):
                    self._refuse(field_name, f"{file}: a header holds visible ASCII only; use letters and digits")
                elif secret:
                    yield secret

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
            except (ValueError, TypeError) as error:
                self._refuse("signature_keys", f"{path}: no public key (PEM): {error}")
        for key_id, path in settings.signature_secrets:
            # A public key that is taken for a secret would let everybody who knows it sign.
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
        secret = content.rstrip(b"\r\n")
        if len(secret) < MIN_KEY_BYTES:
            self._refuse(field_name, f"{path}: holds {len(secret)} bytes; expected at least {MIN_KEY_BYTES}")
            return None
        if b"-----BEGIN" in secret:
            self._refuse(field_name, f"{path}: is PEM; expected a shared secret")
            return None
        return secret

    def _read(self, field_name: str, path: Path) -> bytes | None:
        try:
            content = path.read_bytes()
        except OSError as error:
            self._refuse(field_name, f"{path}: {error.strerror}")
            return None
        self.contents.append(content)
        return content

    def _refuse(self, field_name: str, message: str) -> None:
        self.problems.append(Problem(variable("hops", self.hop, field_name), message))
