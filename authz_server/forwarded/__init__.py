"""Header text -> ``PresentedChain``: one module a wire format, none of which believes what it decodes.

This room decodes exactly and refuses by name. Whether the request came from the trusted proxy was settled before, in
``hop/``; whether the certificate is any good is settled behind, in ``validation/``.
"""

from authz_server.forwarded.formats import DEFAULT_HEADERS, Format
from authz_server.forwarded.presets import PRESETS, Evidence, Preset
from authz_server.forwarded.siblings import Check, Sibling
from authz_server.forwarded.source import Source, decode_chain, presented_chain
from authz_server.forwarded.xfcc import ElementChoice, ElementSelector

__all__ = [
    "DEFAULT_HEADERS",
    "PRESETS",
    "Check",
    "ElementChoice",
    "ElementSelector",
    "Evidence",
    "Format",
    "Preset",
    "Sibling",
    "Source",
    "decode_chain",
    "presented_chain",
]
