#!/usr/bin/env bash
# Runs inside the new machine, as its user would; started by run.sh.
set -euo pipefail
cd /root
export DEBIAN_FRONTEND=noninteractive
quietly() { "$@" >/tmp/log 2>&1 || { cat /tmp/log >&2; return 1; }; }
quietly apt-get update -qq
quietly apt-get install -y -qq --no-install-recommends make git
for absent in 'import ensurepip' 'import pip'; do
  if python3 -c "$absent" 2>/dev/null; then echo "this machine is not fresh: python3 can '$absent'" >&2; exit 1; fi
done

git clone --quiet authz-server.bundle authz-server
cd authz-server
make test
.venv/bin/authz-server demo --once

# Ctrl-C reaches everything in the terminal's foreground, as `timeout` does with its own process group.
timeout --signal INT 30 make demo >/tmp/demo 2>&1 || true
for line in '\([0-9]*\) of \1 requests came out as expected.' 'Try it yourself' '^ending$'; do
  grep -q "$line" /tmp/demo || { cat /tmp/demo >&2; echo "make demo did not print: $line" >&2; exit 1; }
done
if grep -q Traceback /tmp/demo; then cat /tmp/demo >&2; exit 1; fi
for comm in /proc/[0-9]*/comm; do
  case $(cat "$comm" 2>/dev/null || true) in
    envoy | authz-server | python*) echo "make demo left $(cat "$comm") running" >&2; exit 1 ;;
  esac
done
[ -z "$(git status --porcelain)" ] || { git status --short >&2; echo "the commands left files in the work tree" >&2; exit 1; }
