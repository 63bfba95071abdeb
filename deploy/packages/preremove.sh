#!/bin/sh
set -e
# Not while upgrading: the new version is started by a restart.
case "${1:-}" in
upgrade | 1) ;;
*) [ -d /run/systemd/system ] && systemctl stop event-dispatcher.socket event-dispatcher.service || true ;;
esac
