#!/usr/bin/env bash
# Tests and times Slim on this machine's GPU: bash run.sh [--device cuda] [--models full|tiny] [--out FILE] ...
# All of it is in this folder; node.xz, where it is here, is the Node that runs it.
set -euo pipefail
cd "$(dirname "$0")"
node=$(command -v node || true)
if [ -f node.xz ]; then
  node=./node
  if [ ! -f node ] || [ node.xz -nt node ]; then
    if command -v xz > /dev/null; then xz -dc node.xz
    else python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open("node.xz"), sys.stdout.buffer)'
    fi > node.$$
    chmod +x node.$$ && mv node.$$ node
  fi
fi
[ -n "$node" ] || { echo 'error: no node here, and no node.xz in this folder' >&2; exit 1; }
exec "$node" bench.mjs "$@"
