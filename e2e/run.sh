#!/bin/sh
# Tests the built program with real browsers and clients of other languages.
# Installs what is missing, and fails if that cannot be.
set -eu
cd "$(dirname "$0")"
sh ../scripts/needs.sh
npm ci --no-fund --no-audit --silent
# A machine may be slow, and the first run fetches and builds what the tests use.
exec "${GO:-go}" test -count=1 -timeout 30m "$@" ./...
