#!/bin/sh
# Checks what was copied before it is started.
set -eu
. "$(dirname "$0")/settings.sh"

node --check "$APP/src/server.js"
echo "version $(cat "$APP/VERSION") is installed"
