#!/bin/sh
# Tells systemd that the units are gone, or others.
set -e
if [ -d "${DPKG_ROOT:-}/run/systemd/system" ]; then systemctl daemon-reload || true; fi
