#!/bin/sh
# The deployment is good when the version that was installed is the version that answers.
set -eu
. "$(dirname "$0")/settings.sh"

expected=$(cat "$APP/VERSION")
ask="fetch('http://127.0.0.1:$PORT/health').then((r) => r.json()).then((b) => console.log(b.version), () => {})"
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  answered=$(node -e "$ask")
  if [ "$answered" = "$expected" ]; then
    echo "version $expected answers"
    exit 0
  fi
  sleep 0.25
done
echo "version $expected does not answer; last answer: ${answered:-none}" >&2
tail -n 20 "$LOG_FILE" >&2 || true
exit 1
