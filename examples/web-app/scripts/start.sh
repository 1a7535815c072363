#!/bin/sh
# Starts the application so that it outlives this script.
set -eu
. "$(dirname "$0")/settings.sh"

mkdir -p "$(dirname "$PID_FILE")" "$(dirname "$LOG_FILE")"
cd "$APP"
setsid nohup node src/server.js >>"$LOG_FILE" 2>&1 </dev/null &
echo $! >"$PID_FILE"
