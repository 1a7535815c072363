#!/bin/sh
# Ends the version that runs, if one does.
set -eu
. "$(dirname "$0")/settings.sh"

[ -f "$PID_FILE" ] || exit 0
pid=$(cat "$PID_FILE")
kill "$pid" 2>/dev/null || true
for _ in 1 2 3 4 5 6 7 8 9 10; do
  kill -0 "$pid" 2>/dev/null || break
  sleep 0.2
done
kill -9 "$pid" 2>/dev/null || true
rm -f "$PID_FILE"
