#!/usr/bin/env bash
# What the README's first screen promises, on a machine that has nothing: a new Debian 12 with python3, make and git, a clone
# of HEAD, `make test`, the demo once, and `make demo` ended by Ctrl-C. Needs root; leaves nothing running or mounted.
#   TEST_CA_BUNDLE=FILE   CA certificates that downloads need (default: SSL_CERT_FILE)
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/machine/needs.sh
. tests/machine/needs.sh
if [ -z "${FRESH_TEST_CONTAINED:-}" ]; then
  needs root git:git debootstrap:debootstrap util-linux:unshare util-linux:setpriv
  export FRESH_TEST_CONTAINED=1
  exec bash tests/machine/contained.sh bash "$0" "$@"
fi

tar=$(bash tests/machine/debian.sh)
root=$PWD/.cache/fresh  # a fixed place, so that the next run removes what a killed one left
rm -rf --one-file-system "$root"
mkdir -p "$root"
finish() {
  status=$?
  trap '' INT TERM
  # As process 1 of a namespace of its own, this reaches what runs in the chroot and nobody else.
  if [ $$ = 1 ]; then kill -KILL -1 2>/dev/null && sleep 0.5 || true; fi
  # Never delete through a mount: the machine's own /dev is behind it.
  for mounted in "$root/proc" "$root/dev"; do ! mountpoint -q "$mounted" || umount --recursive "$mounted" || exit 1; done
  rm -rf --one-file-system "$root"
  exit "$status"
}
trap finish EXIT
trap 'exit 143' INT TERM

tar -C "$root" -xf "$tar"
[ -z "$(git status --porcelain --untracked-files=no)" ] || echo "Note: what is not committed is not tested"
git bundle create --quiet "$root/root/authz-server.bundle" HEAD
cp tests/fresh/inside.sh "$root/root/"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"

# How this machine reaches packages, and nothing else of its environment.
bundle=/etc/ssl/certs/ca-certificates.crt
environment=("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME=/root LANG=C.UTF-8
  "PIP_CERT=$bundle" "SSL_CERT_FILE=$bundle")
for name in PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_DEFAULT_TIMEOUT http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
  [ -z "${!name:-}" ] || environment+=("$name=${!name}")
done
chroot "$root" /usr/bin/env -i "${environment[@]}" bash /root/inside.sh </dev/null
echo "fresh-test: passed"
