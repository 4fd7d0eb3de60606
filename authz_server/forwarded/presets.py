"""Products as data: one row for each that is known to forward a client certificate. A new product is a row and a guide page.

A preset names the product's own defaults; header names that a product leaves to its operator follow the name most used in
its documentation. Nothing here is a decoder, and nothing is guessed at run time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from authz_server.forwarded.formats import Format
from authz_server.forwarded.siblings import Check, Sibling
from authz_server.forwarded.source import Source
from authz_server.forwarded.xfcc import ElementSelector


class Evidence(StrEnum):
    """How the bytes of a preset are known."""

    RUN = "run"
    SOURCE = "source"
    DOCUMENTED = "documented"
    SECONDARY = "secondary"
    UNCONFIRMED = "unconfirmed"

    @property
    def meaning(self) -> str:
        """What the level says, for an operator."""
        return _EVIDENCE[self]


_EVIDENCE = {
    Evidence.RUN: "the real product runs in this project's interoperability suite",
    Evidence.SOURCE: "read in the product's source code",
    Evidence.DOCUMENTED: "the product's documentation states the encoding",
    Evidence.SECONDARY: "known from third parties; run `authz-server inspect` on a captured value before you rely on it",
    Evidence.UNCONFIRMED: (
        "the exact bytes are not documented publicly; confirm with `authz-server inspect` on a captured value, and set "
        "`AUTHZ_SOURCE_FORMAT` if it says otherwise"
    ),
}


@dataclass(frozen=True, slots=True)
class Preset:
    """What one product sends. ``is_leaf_only`` says that its certificate header never holds intermediates.

    ``guarantees`` is what the product vouches for when it sends the header, ``caveats`` what it does not.
    """

    name: str
    product: str
    format: Format
    header: str
    evidence: Evidence
    documentation: str
    guarantees: str
    caveats: str
    chain_headers: tuple[str, ...] = ()
    chain_format: Format | None = None
    siblings: tuple[Sibling, ...] = ()
    is_leaf_only: bool = False
    is_header_free: bool = False

    def source(self, name: str, element: ElementSelector) -> Source:
        """The source that reads this product's headers as it sends them by default."""
        return Source(
            name, self.format, self.header, self.chain_headers, self.chain_format, element, self.siblings, self.is_leaf_only
        )


def _strip(*headers: str) -> tuple[Sibling, ...]:
    return tuple(Sibling(header, Check.STRIP) for header in headers)


def _verified(header: str, *values: str, required: bool = False) -> Sibling:
    return Sibling(header, Check.VERIFIED, frozenset(values), required)


_XFCC = "x-forwarded-client-cert"
_ENVOY_DOCS = "https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert"
_VERIFIED_BY_TLS = "the client held the certificate's key in the handshake with this proxy"
_UNVERIFIED = f"{_VERIFIED_BY_TLS}; the chain is verified here"
_SET_REPLACES = "replaces a client's own header only on routes that set it"

_NGINX_SIBLINGS = (
    _verified("x-ssl-client-verify", "SUCCESS"),
    Sibling("x-ssl-client-subject-dn", Check.SUBJECT),
    Sibling("x-ssl-client-issuer-dn", Check.ISSUER),
    Sibling("x-ssl-client-serial", Check.SERIAL),
    Sibling("x-ssl-client-fingerprint", Check.SHA1),
)

_ROWS = (
    Preset(
        "envoy",
        "Envoy, XFCC as text",
        Format.XFCC,
        _XFCC,
        Evidence.RUN,
        _ENVOY_DOCS,
        _VERIFIED_BY_TLS,
        "with `trust_chain_verification: ACCEPT_UNTRUSTED` unverified certificates are forwarded too; `cert` or `chain` must be "
        "switched on; names in the text form can forge keys, which is refused here",
    ),
    Preset(
        "envoy-json",
        "Envoy 1.38 and later, XFCC as JSON",
        Format.XFCC,
        _XFCC,
        Evidence.RUN,
        _ENVOY_DOCS,
        _VERIFIED_BY_TLS,
        "an Envoy that appends keeps the form that it finds, so the text form is read as well",
    ),
    Preset(
        "istio",
        "Istio ingress gateway",
        Format.XFCC,
        _XFCC,
        Evidence.SECONDARY,
        "https://istio.io/latest/docs/ops/configuration/traffic-management/network-topologies/",
        _VERIFIED_BY_TLS,
        "gateways send `Cert` but no `Chain`; sidecars append elements of their own, by default without a certificate, and then "
        "requests end with `xfcc_certificate_missing`",
    ),
    Preset(
        "rfc9440",
        "any proxy that follows RFC 9440",
        Format.RFC9440,
        "client-cert",
        Evidence.DOCUMENTED,
        "https://www.rfc-editor.org/rfc/rfc9440",
        f"{_VERIFIED_BY_TLS}; the proxy must remove what clients send under these names (§2.4)",
        "products send other encodings under the same name",
        chain_headers=("client-cert-chain",),
    ),
    Preset(
        "nginx",
        "nginx, `$ssl_client_escaped_cert`",
        Format.URL_PEM,
        "x-ssl-client-cert",
        Evidence.RUN,
        "https://nginx.org/en/docs/http/ngx_http_ssl_module.html#var_ssl_client_escaped_cert",
        _UNVERIFIED,
        f"no chain; `optional_no_ca` forwards unverified certificates; {_SET_REPLACES}",
        siblings=_NGINX_SIBLINGS,
        is_leaf_only=True,
        is_header_free=True,
    ),
    Preset(
        "nginx-legacy",
        "nginx, `$ssl_client_cert` (deprecated)",
        Format.PEM_FOLDED,
        "x-ssl-client-cert",
        Evidence.RUN,
        "https://nginx.org/en/docs/http/ngx_http_ssl_module.html#var_ssl_client_cert",
        _UNVERIFIED,
        f"folded header lines are obsolete and many appliances refuse them: use the preset `nginx`; {_SET_REPLACES}",
        siblings=_NGINX_SIBLINGS,
        is_leaf_only=True,
        is_header_free=True,
    ),
    Preset(
        "ingress-nginx",
        "Kubernetes ingress-nginx",
        Format.URL_PEM,
        "ssl-client-cert",
        Evidence.SOURCE,
        "https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/#client-certificate-authentication",
        _UNVERIFIED,
        'sent only with `auth-tls-pass-certificate-to-upstream: "true"`, and the siblings only with `auth-tls-secret`: without '
        "them a client's own headers pass through",
        siblings=(
            _verified("ssl-client-verify", "SUCCESS", required=True),
            Sibling("ssl-client-subject-dn", Check.SUBJECT),
            Sibling("ssl-client-issuer-dn", Check.ISSUER),
        ),
        is_leaf_only=True,
    ),
    Preset(
        "apache",
        "Apache httpd, mod_headers with `%{SSL_CLIENT_CERT}s`",
        Format.PEM_SPACES,
        "x-ssl-client-cert",
        Evidence.RUN,
        "https://httpd.apache.org/docs/current/mod/mod_headers.html#header",
        _UNVERIFIED,
        f"`(null)` stands for no certificate; {_SET_REPLACES}; `optional_no_ca` gives `GENEROUS`, which is "
        "refused here; a client can name a header in `Connection` and Apache drops it",
        chain_headers=tuple(f"x-ssl-client-cert-chain-{number}" for number in range(6)),
        siblings=(
            _verified("x-ssl-client-verify", "SUCCESS"),
            Sibling("x-ssl-client-s-dn", Check.SUBJECT),
            Sibling("x-ssl-client-i-dn", Check.ISSUER),
            Sibling("x-ssl-client-m-serial", Check.SERIAL),
        ),
        is_header_free=True,
    ),
    Preset(
        "haproxy",
        "HAProxy, `%[ssl_c_der,base64]`",
        Format.BASE64_DER,
        "x-ssl-client-cert",
        Evidence.RUN,
        "https://docs.haproxy.org/2.8/configuration.html#7.3.4-ssl_c_der",
        _UNVERIFIED,
        "`ssl_c_verify` is 0 without a certificate as well; a chain beyond `tune.bufsize` loses certificates silently, and is "
        "absent on resumed sessions; `add-header` keeps a client's own line, `set-header` replaces it; a client can name "
        "a header in `Connection` and HAProxy drops it: delete `Connection` first, or require the verify result",
        chain_headers=("x-ssl-client-cert-chain",),
        chain_format=Format.BASE64_DER_CONCAT,
        siblings=(
            _verified("x-ssl-client-verify", "0"),
            Sibling("x-ssl-client-sha1", Check.SHA1),
            *_strip("x-ssl-client-dn", "x-ssl-client-cn", "x-ssl-issuer", "x-ssl-client-notbefore", "x-ssl-client-notafter"),
        ),
        is_header_free=True,
    ),
    Preset(
        "openshift-router",
        "OpenShift router",
        Format.BASE64_DER_QUOTED,
        "x-ssl-client-der",
        Evidence.SOURCE,
        "https://github.com/openshift/router/blob/master/images/router/haproxy/conf/haproxy-config.template",
        _UNVERIFIED,
        "strips clients' own `X-SSL*` unless `ROUTER_MUTUAL_TLS_HEADER_FILTER=false`; before the fix of CVE-2026-46579 not on "
        "plain HTTP",
        siblings=(
            _verified("x-ssl-client-verify", "0", required=True),
            *_strip(
                "x-ssl-client-dn",
                "x-ssl-client-cn",
                "x-ssl-client-serial",
                "x-ssl-client-sha1",
                "x-ssl-client-notbefore",
                "x-ssl-client-notafter",
                "x-ssl-client-version",
                "x-ssl-issuer",
            ),
        ),
    ),
    Preset(
        "traefik",
        "Traefik 2.9.4 and later, `passTLSClientCert` with `pem: true`",
        Format.BASE64_DER_LIST,
        "x-forwarded-tls-client-cert",
        Evidence.RUN,
        "https://doc.traefik.io/traefik/middlewares/http/passtlsclientcert/",
        f"{_UNVERIFIED}; everything the client presented, the leaf first",
        "without a client certificate the middleware leaves a client's own header alone; Traefik strips it from untrusted "
        "addresses only (`forwardedHeaders`): never set `insecure: true`",
        siblings=_strip("x-forwarded-tls-client-cert-info"),
    ),
    Preset(
        "caddy",
        "Caddy, `{tls_client_certificate_der_base64}`",
        Format.BASE64_DER,
        "x-client-cert",
        Evidence.RUN,
        "https://caddyserver.com/docs/caddyfile/concepts#placeholders",
        _UNVERIFIED,
        "no chain; `{tls_client_certificate_pem}` holds line breaks and cannot be a header",
        siblings=(
            Sibling("x-client-fingerprint", Check.SHA256),
            Sibling("x-client-serial", Check.SERIAL_DECIMAL),
            *_strip("x-client-subject", "x-client-issuer"),
        ),
        is_header_free=True,
    ),
    Preset(
        "cloud-foundry",
        "Cloud Foundry gorouter and haproxy-boshrelease",
        Format.BASE64_DER,
        _XFCC,
        Evidence.SOURCE,
        "https://docs.cloudfoundry.org/concepts/http-routing.html",
        _UNVERIFIED,
        "gorouter's default `always_forward` passes a client's own header on: set `sanitize_set`; the name is Envoy's, the "
        "encoding is not, so Envoy must neither append to it nor sanitize it",
        siblings=(
            _verified("x-ssl-client", "1"),
            _verified("x-ssl-client-verify", "0"),
            *_strip(
                "x-ssl-client-subject-dn",
                "x-ssl-client-subject-cn",
                "x-ssl-client-issuer-dn",
                "x-ssl-client-root-ca-dn",
                "x-ssl-client-notbefore",
                "x-ssl-client-notafter",
            ),
        ),
    ),
    Preset(
        "kong",
        "Kong Gateway, plugin tls-metadata-headers",
        Format.URL_PEM,
        "x-client-cert",
        Evidence.DOCUMENTED,
        "https://developer.konghq.com/plugins/tls-metadata-headers/",
        "none: the plugin does not validate the certificate, it only proves that the client held its key",
        "whether a client's own header is removed when it has no certificate is not documented: strip it in front",
        siblings=(
            Sibling("x-client-cert-serial", Check.SERIAL),
            Sibling("x-client-cert-subject-dn", Check.SUBJECT),
            Sibling("x-client-cert-issuer-dn", Check.ISSUER),
            Sibling("x-client-cert-fingerprint", Check.SHA1),
        ),
    ),
    Preset(
        "aws-alb-passthrough",
        "AWS Application Load Balancer, mutual TLS passthrough",
        Format.URL_PEM,
        "x-amzn-mtls-clientcert",
        Evidence.DOCUMENTED,
        "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/mutual-authentication.html",
        f"{_UNVERIFIED}; the whole chain, the leaf first",
        "certificates are unverified; that a client's own header is stripped is not documented",
    ),
    Preset(
        "aws-alb-verify",
        "AWS Application Load Balancer, mutual TLS verify",
        Format.URL_PEM,
        "x-amzn-mtls-clientcert-leaf",
        Evidence.DOCUMENTED,
        "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/mutual-authentication.html",
        f"{_VERIFIED_BY_TLS}, and it verified against the listener's trust store",
        "no verify result is sent: presence means verified in this mode only; that a client's own header is stripped is not "
        "documented",
        siblings=(
            Sibling("x-amzn-mtls-clientcert-serial-number", Check.SERIAL),
            Sibling("x-amzn-mtls-clientcert-subject", Check.SUBJECT),
            Sibling("x-amzn-mtls-clientcert-issuer", Check.ISSUER),
            *_strip("x-amzn-mtls-clientcert-validity"),
        ),
        is_leaf_only=True,
    ),
    Preset(
        "aws-cloudfront",
        "Amazon CloudFront, viewer mutual TLS",
        Format.URL_PEM,
        "cloudfront-viewer-cert-pem",
        Evidence.DOCUMENTED,
        "https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/viewer-mtls-headers.html",
        f"{_VERIFIED_BY_TLS}, verified in the modes `required` and `optional`",
        "the headers are sent only if the origin request policy names them; a function may rename the PEM markers, which is "
        "refused here; passthrough mode sends RFC 9440: use the preset `rfc9440`",
        siblings=(
            _verified("cloudfront-viewer-cert-present", "1"),
            Sibling("cloudfront-viewer-cert-sha256", Check.SHA256),
            Sibling("cloudfront-viewer-cert-serial-number", Check.SERIAL),
            *_strip("cloudfront-viewer-cert-subject", "cloudfront-viewer-cert-issuer", "cloudfront-viewer-cert-validity"),
        ),
        is_leaf_only=True,
    ),
    Preset(
        "gcp-alb",
        "Google Cloud Application Load Balancer, custom request headers",
        Format.RFC9440,
        "x-client-cert-leaf",
        Evidence.SECONDARY,
        "https://cloud.google.com/load-balancing/docs/https/custom-headers-global",
        f"{_VERIFIED_BY_TLS}; verified if `x-client-cert-chain-verified` says so",
        "header names are the operator's; a leaf over 16 KB arrives as an empty value; other backend services of the same "
        "load balancer may not set the headers at all",
        chain_headers=("x-client-cert-chain",),
        siblings=(
            _verified("x-client-cert-present", "true"),
            _verified("x-client-cert-chain-verified", "true"),
            # Empty when all was well: any value names what was wrong.
            _verified("x-client-cert-error"),
            Sibling("x-client-cert-hash", Check.SHA256),
            *_strip(
                "x-client-cert-serial-number", "x-client-cert-spiffe", "x-client-cert-uri-sans", "x-client-cert-dnsname-sans"
            ),
        ),
        is_header_free=True,
    ),
    Preset(
        "azure-app-service",
        "Azure App Service",
        Format.BASE64_DER,
        "x-arr-clientcert",
        Evidence.DOCUMENTED,
        "https://learn.microsoft.com/azure/app-service/app-service-web-configure-tls-mutual-auth",
        _UNVERIFIED,
        "App Service validates nothing about the certificate",
    ),
    Preset(
        "azure-application-gateway",
        "Azure Application Gateway, server variables in a rewrite set",
        Format.URL_PEM,
        "x-client-cert",
        Evidence.SECONDARY,
        "https://learn.microsoft.com/azure/application-gateway/rewrite-http-headers-url#mutual-authentication-server-variables",
        f"{_VERIFIED_BY_TLS}; in passthrough mode unverified",
        "header names are the operator's, and only rewrite rules replace a client's own; documentation disagrees on the encoding",
        siblings=(
            _verified("x-client-cert-verification", "SUCCESS"),
            Sibling("x-client-cert-fingerprint", Check.SHA1),
            *_strip("x-client-cert-serial", "x-client-cert-subject", "x-client-cert-issuer", "x-client-cert-end-date"),
        ),
        is_header_free=True,
    ),
    Preset(
        "azure-container-apps",
        "Azure Container Apps",
        Format.XFCC,
        _XFCC,
        Evidence.DOCUMENTED,
        "https://learn.microsoft.com/azure/container-apps/client-certificate-authorization",
        _UNVERIFIED,
        "`clientCertificateMode: accept` forwards requests without a certificate as well",
    ),
    Preset(
        "cloudflare",
        "Cloudflare, managed transform / API Shield forwarding",
        Format.BASE64_DER,
        "cf-client-cert-der-base64",
        Evidence.DOCUMENTED,
        "https://developers.cloudflare.com/ssl/client-certificates/forward-a-client-certificate/",
        _UNVERIFIED,
        "the documentation says both that the header comes with every request and with the first of a connection only: test it; "
        "a certificate over 10 KB arrives as an empty value",
        siblings=(Sibling("cf-client-cert-sha256", Check.SHA256),),
    ),
    Preset(
        "cloudflare-rules",
        "Cloudflare, transform rules with RFC 9440 fields",
        Format.RFC9440,
        "client-cert",
        Evidence.DOCUMENTED,
        "https://developers.cloudflare.com/ruleset-engine/rules-language/fields/reference/cf.tls_client_auth.cert_rfc9440/",
        _UNVERIFIED,
        "the fields are filled whether or not the certificate verified, and a revoked one counts as verified: forward both "
        "results; remove clients' own headers unconditionally in the same rule",
        chain_headers=("client-cert-chain",),
        siblings=(
            _verified("x-client-cert-verified", "true", "1"),
            _verified("x-client-cert-revoked", "false", "0"),
        ),
        is_header_free=True,
    ),
    Preset(
        "f5-bigip",
        "F5 BIG-IP, iRule with `[b64encode [SSL::cert 0]]`",
        Format.BASE64_DER,
        "x-client-cert",
        Evidence.SECONDARY,
        "https://clouddocs.f5.com/api/irules/SSL__cert.html",
        _UNVERIFIED,
        "`HTTP::header insert` keeps a client's own line: the rule must `HTTP::header remove` first; raw `X509::whole` is the "
        "format `pem-spaces`",
        siblings=_strip("x-client-cert-subject", "x-client-cert-issuer", "x-client-cert-serial"),
        is_header_free=True,
    ),
    Preset(
        "netscaler",
        "NetScaler (Citrix ADC), SSL action `-clientCert ENABLED`",
        Format.PEM_SPACES,
        "x-client-cert",
        Evidence.UNCONFIRMED,
        "https://docs.netscaler.com/en-us/citrix-adc/current-release/ssl/ssl-actions-and-policies/insert-client-cert-attributes.html",
        _UNVERIFIED,
        "what becomes of the PEM's line breaks is not documented; the product's `clientCertHash` is the signature, no digest",
        siblings=_strip(
            "x-client-cert-subject",
            "x-client-cert-issuer",
            "x-client-cert-serial",
            "x-client-cert-hash",
            "x-client-cert-fingerprint",
        ),
        is_header_free=True,
    ),
    Preset(
        "fortiweb",
        "Fortinet FortiWeb, client certificate forwarding",
        Format.BASE64_DER,
        "x-client-cert",
        Evidence.UNCONFIRMED,
        "https://docs.fortinet.com/product/fortiweb",
        _UNVERIFIED,
        "off by default; documented as base64 without saying of what",
        siblings=_strip("x-client-dn"),
    ),
    Preset(
        "imperva",
        "Imperva Cloud WAF, client certificate header",
        Format.BASE64_DER,
        "x-client-cert",
        Evidence.UNCONFIRMED,
        "https://docs.imperva.com/bundle/cloud-application-security/page/manage-client-certificate.htm",
        _UNVERIFIED,
        "documented as base64 without saying of what; the header's name is the operator's; a certificate is optional until it is "
        "required",
        is_header_free=True,
    ),
    Preset(
        "akamai",
        "Akamai edge, mutual authentication behaviour",
        Format.BASE64_DER,
        "client-to-edge",
        Evidence.UNCONFIRMED,
        "https://techdocs.akamai.com/property-mgr/docs/client-to-edge-mutual-auth",
        _UNVERIFIED,
        "must be set to send the complete certificate and no attributes beside it: a value with attributes is refused here",
    ),
    Preset(
        "fastly",
        "Fastly, VCL or Compute",
        Format.BASE64_DER,
        "x-client-cert",
        Evidence.UNCONFIRMED,
        "https://www.fastly.com/documentation/reference/vcl/variables/client-connection/tls-client-certificate-raw-certificate-b64/",
        _UNVERIFIED,
        "the header is whatever your own service code sets; it must unset a client's own first",
        is_header_free=True,
    ),
    Preset(
        "weblogic",
        "Oracle WebLogic proxy plug-ins and HttpClusterServlet",
        Format.BASE64_DER_CONCAT,
        "wl-proxy-client-cert",
        Evidence.SECONDARY,
        "https://docs.oracle.com/en/middleware/fusion-middleware/web-tier/12.2.1.4/develop-plugin/index.html",
        _UNVERIFIED,
        "Java's encoder may break the base64 into lines, which is refused here",
        siblings=_strip("wl-proxy-ssl", "wl-proxy-client-keysize", "wl-proxy-client-secretkeysize"),
    ),
    Preset(
        "websphere",
        "IBM WebSphere web server plug-in",
        Format.BASE64_DER,
        "$wscc",
        Evidence.SECONDARY,
        "https://www.ibm.com/docs/en/was-nd/9.0.5",
        _UNVERIFIED,
        "the plug-in's private headers begin with `$WS`; strip them all at the edge",
        siblings=_strip("$wsis", "$wssc", "$wscs", "$wsks"),
    ),
)

PRESETS: dict[str, Preset] = {preset.name: preset for preset in _ROWS}
