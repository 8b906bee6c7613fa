#!/bin/sh
# Run the Worker beside a local emulator:
#
#   npm install workerd
#   wai emulator serve                      # in another shell
#   eval "$(wai emulator env)"
#   sh examples/worker/run.sh               # then: curl 'http://127.0.0.1:8080/?prompt=Hello'
#
# WORKERD names the program if it is not on the PATH, LISTEN another address.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
address=${CLOUDFLARE_BASE_URL#http://}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cp "$here/worker.mjs" "$folder"
# Readable by its owner alone, for the token is in it.
(umask 077 && sed -e "s|@EMULATOR@|${address%%/*}|" -e "s|@TOKEN@|$CLOUDFLARE_API_TOKEN|" \
    -e "s|@LISTEN@|${LISTEN:-127.0.0.1:8080}|" "$here/workerd.capnp" > "$folder/workerd.capnp")
"${WORKERD:-workerd}" serve "$folder/workerd.capnp" &
trap 'kill $! 2>/dev/null; wait; rm -rf "$folder"' EXIT
wait $!
