#!/bin/sh
# Makes room for the new version, and fails early on a machine without Node.
set -eu
. "$(dirname "$0")/settings.sh"

command -v node >/dev/null || { echo "node is not installed" >&2; exit 1; }
rm -rf "$APP"
