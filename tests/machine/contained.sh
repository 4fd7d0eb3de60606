#!/usr/bin/env bash
# Runs a command in mount and process namespaces of its own: when it ends, or this script is killed however hard, nothing
# that it started runs on and nothing that it mounted stays mounted. SIGTERM and SIGINT reach it, and what it waits for, as
# SIGTERM. Needs root.
set -euo pipefail
setsid setpriv --pdeathsig KILL unshare --mount --propagation private --pid --mount-proc --fork --kill-child=KILL -- "$@" &
outer=$!
# setsid made its process the leader of a group; unshare itself blocks the signal.
trap 'kill -TERM -- "-$outer" 2>/dev/null || true' TERM INT
while :; do
  status=0
  wait "$outer" || status=$?
  kill -0 "$outer" 2>/dev/null || exit "$status"
done
