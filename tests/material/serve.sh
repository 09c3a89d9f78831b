#!/bin/sh
# serve.sh start|stop|status: Debian's docker-registry on loopback, four times over the same read-only images:
# plain http, TLS, Basic auth over TLS, Bearer tokens over TLS. `start` waits until all answer and writes
# $MATERIAL/registries.json (what to connect to, and the process ids); it does nothing if they run.
#
# TOKEN_EXPIRY: seconds that a token is good for (default 300; the registry itself allows 60 more).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
MATERIAL=${MATERIAL:-$(cd "$here/../.." && pwd)/target/material}
export MATERIAL
exec python3 -B "$here/registries.py" "$@"
