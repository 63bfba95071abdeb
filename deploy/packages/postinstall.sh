#!/bin/sh
# Tells systemd of the units; starting them is the administrator's choice. There is no user
# to make: the unit has systemd make one for as long as the service runs.
set -e
if [ -d "${DPKG_ROOT:-}/run/systemd/system" ]; then systemctl daemon-reload || true; fi
echo "event-dispatcher: systemctl enable --now event-dispatcher starts it; settings are in /etc/default/event-dispatcher"
