"""Settings of one source of certificates."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from authz_server.forwarded import DEFAULT_HEADERS, PRESETS, Check, ElementSelector, Format, Sibling, Source
from authz_server.settings.fields import HEADER, Element, Header, Texts, listed, names


class SourceSettings(BaseModel):
    """One place a certificate may come from, by which hops, and to which trust anchors it must lead."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str | None = Field(None, description="the product in front, see docs/presets.md; sets the fields below")
    format: Format | None = Field(None, description=f"how the certificate is written: {names(Format)}")
    header: str | None = Field(None, pattern=HEADER, description="the header that holds it (lower case)")
    chain_headers: Annotated[tuple[Header, ...] | None, BeforeValidator(listed)] = Field(
        None, description="the headers that hold its intermediates, in order"
    )
    chain_format: Format | None = Field(None, description="how they are written, if not like the certificate")
    element: Element = Field(
        "sole", description="which XFCC element is the client's: `sole`, `first`, `last`, `by=URI` or `hops=N`"
    )
    siblings: Annotated[tuple[str, ...] | None, BeforeValidator(listed)] = Field(
        None,
        description=(
            "headers beside it that must agree and are stripped, instead of the preset's: `CHECK:HEADER` with CHECK one of "
            f"{names(Check)}; `verified:HEADER=VALUE` names the success value, and `CHECK!` requires the header"
        ),
    )
    hops: Texts = Field((), description="the names of the hops that it may come by; by default all of them")
    trust_bundle_file: Path | None = Field(
        None,
        description="CA certificates (PEM) that they must lead to, instead of the only trust domain's",
    )
    trust_domains: Texts = Field(
        (), description="the names of the trust domains that its clients may belong to; by default all of them"
    )

    def source(self, name: str) -> Source:
        """The source; raises ``ValueError`` (``FIELD: what would be right``) if preset and fields do not make one."""
        element = ElementSelector.from_text(self.element)
        base = self._base(name, element)
        changes: dict[str, Any] = {}
        if self.header is not None:
            changes["header"] = self.header
        if self.chain_headers is not None:
            changes["chain_headers"] = self.chain_headers
        if self.chain_format is not None:
            changes["chain_format"] = self.chain_format
        if self.siblings is not None:
            changes["siblings"] = self._siblings()
        source = replace(base, **changes)
        if source.format is Format.XFCC and source.chain_headers:
            msg = "chain_headers: an XFCC element holds its chain itself; unset it"
            raise ValueError(msg)
        if source.chain_format is Format.XFCC or (self.chain_format is not None and not source.chain_headers):
            msg = "chain_format: for chain_headers, of which XFCC has none; unset it"
            raise ValueError(msg)
        if source.format is not Format.XFCC and self.element != "sole":
            msg = "element: only XFCC has elements; unset it"
            raise ValueError(msg)
        if len(set(source.headers)) < len(source.headers):
            msg = f"header: {sorted(source.headers)} name one header twice"
            raise ValueError(msg)
        return source

    def _base(self, name: str, element: ElementSelector) -> Source:
        if self.preset is not None:
            preset = PRESETS.get(self.preset)
            if preset is None:
                close = get_close_matches(self.preset, PRESETS, n=1)
                meant = f"did you mean {close[0]!r}? " if close else ""
                msg = f"preset: {meant}expected one of {', '.join(PRESETS)}"
                raise ValueError(msg)
            source = preset.source(name, element)
            if self.format is None or self.format is source.format:
                return source
            # The operator saw other bytes than the preset expects; what it says about chains does not hold for them.
            chain_headers = () if self.format is Format.XFCC else source.chain_headers
            return replace(source, format=self.format, chain_headers=chain_headers, chain_format=None, is_leaf_only=False)
        if self.format is None:
            msg = "preset: name the product in front, or set the format"
            raise ValueError(msg)
        header, chain_headers = DEFAULT_HEADERS[self.format]
        return Source(name, self.format, header, chain_headers, None, element)

    def _siblings(self) -> tuple[Sibling, ...]:
        try:
            return tuple(Sibling.from_text(text) for text in self.siblings or ())
        except ValueError as error:
            msg = f"siblings: {error}"
            raise ValueError(msg) from error
