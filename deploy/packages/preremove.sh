#!/bin/sh
# Ends the service before its program goes. Not at an upgrade: the administrator restarts
# one instance after the other.
set -e
case "${1:-}" in
upgrade | 1) exit 0 ;;
esac
if [ -d "${DPKG_ROOT:-}/run/systemd/system" ]; then
	systemctl disable --now event-dispatcher.socket event-dispatcher.service || true
fi
