#!/usr/bin/env bash
# Runs a command in mount and process namespaces of its own: when it ends, or this script is killed however hard, nothing
# that it started runs on and nothing that it mounted stays mounted. SIGTERM and SIGINT arrive as SIGTERM. Needs root.
set -euo pipefail
setpriv --pdeathsig KILL unshare --mount --propagation private --pid --mount-proc --fork --kill-child=KILL -- "$@" &
outer=$!
# unshare itself blocks the signals; its only child is the command.
forward() { local inner; read -r inner _ <"/proc/$outer/task/$outer/children" && kill -TERM "$inner"; }
trap 'forward || true' TERM INT
while :; do
  status=0
  wait "$outer" || status=$?
  kill -0 "$outer" 2>/dev/null || exit "$status"
done
