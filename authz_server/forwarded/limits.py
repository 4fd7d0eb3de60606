"""What a forwarded chain may measure. Every size is bounded before the bytes are decoded."""

# A chain of 32 KiB DER needs 44 KiB of base64 and up to 3 bytes for each escaped character; XFCC repeats the leaf.
# Envoy's default for the whole header block is 60 KiB (HttpConnectionManager.max_request_headers_kb).
MAX_HEADER_BYTES = 64 * 1024

# One certificate: RSA-4096 with a hundred names is about 6 KiB.
MAX_CERTIFICATE_BYTES = 8 * 1024

# Leaf and intermediates together.
MAX_CHAIN_BYTES = 32 * 1024

# As many as TLS stacks accept by default (OpenSSL's verify depth); the profile allows fewer on a path.
MAX_CERTIFICATES = 10

# Elements of X-Forwarded-Client-Cert: one for each proxy on the way, and `hops=N` counts to 99.
MAX_ELEMENTS = 100
