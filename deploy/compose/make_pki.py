"""Throwaway certificates and Envoy's configuration (``edge-mtls.yaml`` for a WAF with its own header) in one folder."""

import sys
from pathlib import Path

from authz_server.demo.pki import Authority

folder, template = Path(sys.argv[1]), Path(sys.argv[2])
if (folder / "envoy.yaml").exists():
    sys.exit(0)
hops, clients, strangers = (Authority.create(name) for name in ("hop-ca", "client-ca", "stranger-ca"))
issued = {
    "envoy": hops.issue("CN=envoy", dns=["envoy.internal"], eku="server"),
    "envoy-client": hops.issue("CN=envoy", uris=["spiffe://lab/envoy"]),
    "authz": hops.issue("CN=authz", dns=["authz.internal"], eku="server"),
    "waf": hops.issue("CN=waf", uris=["spiffe://lab/waf"]),
    "other": hops.issue("CN=other", uris=["spiffe://lab/other"]),
    "waf-server": hops.issue("CN=waf", dns=["waf.internal"], eku="server"),
    "alice": clients.issue("CN=alice"),
    "bob": clients.issue("CN=bob"),
    "server-only": clients.issue("CN=alice", eku="server"),
    "stranger": strangers.issue("CN=alice"),
}
for name, each in issued.items():
    (folder / f"{name}.crt").write_bytes(each.chain_pem)
    key = folder / f"{name}.key"
    key.touch(mode=0o600)
    key.write_bytes(each.key_pem)
for name, authority in (("hop-ca", hops), ("client-ca", clients)):
    (folder / f"{name}.crt").write_bytes(authority.certificate_pem)
text = template.read_text()
before = "forward_client_cert_details: FORWARD_ONLY"
if text.count(before) != 1:
    sys.exit(f"{template}: expected one line with {before!r}")
(folder / "envoy.yaml").write_text(text.replace(before, "forward_client_cert_details: SANITIZE"))
