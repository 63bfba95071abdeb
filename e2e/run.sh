#!/bin/sh
# Tests the built program with real browsers and clients of other languages.
# Installs what is missing, and fails if that cannot be.
set -eu
cd "$(dirname "$0")"
sh ../scripts/needs.sh
npm ci --no-fund --no-audit --silent
exec "${GO:-go}" test -count=1 "$@" ./...
