"""authz-server: an Envoy ext_authz service for client certificates that arrive in HTTP headers."""
