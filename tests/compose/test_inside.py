"""Client -> nginx -> Envoy -> upstream, asked from inside the compose network. Standard library only."""

import http.client
import json
import os
import shutil
import ssl
import time
import unittest
import urllib.request
from pathlib import Path
from urllib.parse import quote

PKI = Path("/etc/envoy/pki")


def ask(client=None, headers=(), host="waf.internal", path="/"):
    context = ssl.create_default_context(cafile=PKI / "hop-ca.crt")
    if client:
        context.load_cert_chain(PKI / f"{client}.crt", PKI / f"{client}.key")
    connection = http.client.HTTPSConnection(host, 8443, context=context, timeout=10)
    try:
        connection.request("GET", path, headers=dict(headers))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def setUpModule():
    deadline = time.monotonic() + 60
    while True:
        try:
            if ask("alice")[0] == 200:
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"alice is not let in: {ask('alice')}")
        time.sleep(0.5)


class Chain(unittest.TestCase):
    def seen(self, *args):
        status, body = ask(*args)
        self.assertEqual(status, 200, body)
        return json.loads(body)

    def test_allowed_client_reaches_the_upstream_with_identity(self):
        seen = self.seen("alice")
        identity = {name: value for name, value in seen if name.startswith("x-auth-client-")}
        self.assertIn("CN=alice", identity.values(), seen)

    def test_certificate_header_does_not_reach_the_upstream(self):
        self.assertFalse({"x-client-cert", "x-forwarded-client-cert"} & {name for name, _ in self.seen("alice")})

    def test_clients_own_identity_headers_are_dropped(self):
        seen = self.seen("alice", {"x-auth-client-subject": "CN=root", "x-auth-client-other": "CN=root"})
        self.assertNotIn("CN=root", [value for _, value in seen])

    def test_no_certificate_is_401(self):
        self.assertEqual(ask()[0], 401)

    def test_forged_certificate_header_is_replaced(self):
        forged = quote((PKI / "alice.crt").read_text())
        self.assertEqual(ask(None, {"X-Client-Cert": forged})[0], 401)
        self.assertEqual(ask("bob", {"X-Client-Cert": forged})[0], 403)

    def test_forged_xfcc_is_no_certificate(self):
        forged = 'Cert="' + quote((PKI / "alice.crt").read_text(), safe="") + '"'
        self.assertEqual(ask(None, {"X-Forwarded-Client-Cert": forged})[0], 401)

    def test_refused_clients_get_401_or_403(self):
        for client in ("bob", "stranger", "server-only"):
            with self.subTest(client):
                self.assertIn(ask(client)[0], (401, 403))

    def test_envoy_talks_to_the_waf_only(self):
        forged = {"X-Client-Cert": quote((PKI / "alice.crt").read_text())}
        for client in (None, "alice", "other"):
            with self.subTest(client), self.assertRaises(OSError):
                ask(client, forged, "envoy.internal")
        self.assertEqual(ask("waf", forged, "envoy.internal")[0], 200)

    def test_metrics_are_served(self):
        with urllib.request.urlopen("http://authz.internal:9002/metrics", timeout=5) as response:
            self.assertIn(b"authz", response.read())


class Image(unittest.TestCase):
    """This container is the service's image, locked down as docker-compose.yml says."""

    def test_not_root(self):
        self.assertEqual((os.getuid(), os.getgid()), (10001, 10001))

    def test_root_file_system_is_read_only(self):
        for folder in ("/", "/opt/authz-server", "/var"):
            self.assertTrue(os.statvfs(folder).f_flag & os.ST_RDONLY, folder)

    def test_no_compiler(self):
        for tool in ("cc", "gcc", "c++", "ld", "make"):
            self.assertIsNone(shutil.which(tool), tool)


if __name__ == "__main__":
    unittest.main(verbosity=2)
