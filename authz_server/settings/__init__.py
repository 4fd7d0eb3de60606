"""What an operator sets: environment and a YAML file -> ``Settings``, or every problem at once."""

from authz_server.settings.hop import HopSettings
from authz_server.settings.model import Settings
from authz_server.settings.names import FLATS, PREFIX, Flat, variable
from authz_server.settings.reading import Problem, read_settings
from authz_server.settings.source import SourceSettings
from authz_server.settings.trust import TrustDomainSettings

__all__ = [
    "FLATS",
    "PREFIX",
    "Flat",
    "HopSettings",
    "Problem",
    "Settings",
    "SourceSettings",
    "TrustDomainSettings",
    "read_settings",
    "variable",
]
