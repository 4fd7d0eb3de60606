"""What the commands read: the environment of an operator, with a bundle that is valid today."""

import pytest

from tests.pki import root_of_today
from tests.samples import WAF


@pytest.fixture
def environ(tmp_path, monkeypatch):
    """A configuration that ``serve`` would start with."""
    bundle = tmp_path / "ca.crt"
    bundle.write_bytes(root_of_today().certificate_pem)
    values = {
        "AUTHZ_HOP_PRINCIPALS": WAF,
        "AUTHZ_SOURCE_FORMAT": "url-pem",
        "AUTHZ_TRUST_BUNDLE_FILE": str(bundle),
        "AUTHZ_ALLOW": "*",
        "AUTHZ_LOG_MASK_KEY": "a-secret",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values
