#!/usr/bin/env bash
# Prints the path of a tar of a minimal Debian 12 with Python and CA certificates and nothing else; makes it once a day.
#   TEST_CA_BUNDLE=FILE   CA certificates that downloads need (default: SSL_CERT_FILE, else Debian's own)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/machine/needs.sh
. "$here/needs.sh"
needs root debootstrap:debootstrap util-linux:unshare util-linux:setpriv
cache=$here/../../.cache
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
tar=$cache/debian-12.tar
if [ -z "$(find "$tar" -mtime -1 2>/dev/null)" ]; then
  root=$(mktemp -d)
  trap 'rm -rf "$root" "$tar.new"' EXIT
  trap 'exit 143' INT TERM
  echo "Making a minimal Debian 12" >&2
  bash "$here/contained.sh" debootstrap --variant=minbase --include=python3,ca-certificates bookworm "$root" \
    >"$cache/debootstrap.log" 2>&1 || { tail -n 20 "$cache/debootstrap.log" >&2; exit 1; }
  bundle=${TEST_CA_BUNDLE:-${SSL_CERT_FILE:-}}
  [ -z "$bundle" ] || cp "$bundle" "$root/etc/ssl/certs/ca-certificates.crt"
  rm -rf "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  chmod 755 "$root"  # it becomes /, where more users than root must get in
  tar --one-file-system -C "$root" -c . >"$tar.new"
  mv "$tar.new" "$tar"
fi
echo "$tar"
