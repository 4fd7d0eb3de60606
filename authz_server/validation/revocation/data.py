"""Everything that is known about revocation. A new list, or a new file of an answer, makes a new ``RevocationData``."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authz_server.validation.revocation.fetched import FetchedAnswers
    from authz_server.validation.revocation.index import CrlIndex
    from authz_server.validation.revocation.ocsp import OcspAnswer


@dataclass(frozen=True, slots=True)
class RevocationData:
    """CRLs and OCSP answers, whoever signed them: that is checked against the verified path of each request.

    ``answers`` are those that were loaded; ``fetched``, if there is any, is a memory that an edge fills meanwhile.
    """

    crls: tuple[CrlIndex, ...] = ()
    answers: tuple[OcspAnswer, ...] = ()
    fetched: FetchedAnswers | None = field(default=None, repr=False, compare=False)
    _crls: Mapping[bytes, tuple[CrlIndex, ...]] = field(init=False, repr=False, compare=False)
    _answers: Mapping[int, tuple[OcspAnswer, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index CRLs by issuer and answers by serial number."""
        crls: dict[bytes, list[CrlIndex]] = defaultdict(list)
        for crl in self.crls:
            crls[crl.issuer].append(crl)
        answers: dict[int, list[OcspAnswer]] = defaultdict(list)
        for answer in self.answers:
            answers[answer.serial].append(answer)
        object.__setattr__(self, "_crls", {issuer: tuple(found) for issuer, found in crls.items()})
        object.__setattr__(self, "_answers", {serial: tuple(found) for serial, found in answers.items()})

    def with_crls(self, crls: tuple[CrlIndex, ...]) -> RevocationData:
        """These CRLs in place of those before; all answers stay."""
        return replace(self, crls=crls)

    def crls_of(self, issuer: bytes) -> tuple[CrlIndex, ...]:
        """The CRLs in the name of an issuer (DER)."""
        return self._crls.get(issuer, ())

    def answers_about(self, serial: int) -> tuple[OcspAnswer, ...]:
        """The OCSP answers about a serial number, whichever issuer's."""
        loaded = self._answers.get(serial, ())
        return loaded if self.fetched is None else loaded + self.fetched.about(serial)
