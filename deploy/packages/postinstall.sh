#!/bin/sh
# Tells systemd of the units; starting them is the administrator's choice.
set -e
[ -d /run/systemd/system ] && systemctl daemon-reload || true
echo "event-dispatcher: systemctl enable --now event-dispatcher starts it; settings are in /etc/default/event-dispatcher"
