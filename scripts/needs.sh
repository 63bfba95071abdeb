#!/bin/sh
# Installs what the tests run besides Go: a real Redis, real proxies, a real browser,
# Node.js and curl. Says what it installs; fails if it cannot.
set -eu

missing=""
need() { # command, Debian package
	command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

# Daemons live in sbin on some systems, and a bare PATH lacks it.
PATH="$PATH:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
need redis-server redis-server
need chromium chromium
need node nodejs
need npm npm
need curl curl
need nginx nginx
need haproxy haproxy
[ -z "$missing" ] && exit 0

echo "the tests need:$missing"
if ! command -v apt-get >/dev/null 2>&1; then
	echo "install them with your system's package manager, then run this again" >&2
	exit 1
fi
sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086 # a list of packages
$sudo apt-get install -y -qq --no-install-recommends $missing
