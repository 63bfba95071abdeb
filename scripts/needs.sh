#!/bin/sh
# Installs what the tests run besides Go: a real Redis, NATS and Prometheus, real proxies,
# a real browser, Node.js, Python, Java, curl and rpm. Says what it installs; fails if it cannot. With -check it installs
# nothing, and says which tests were not run for want of what.
set -eu

missing=""
need() { # command, Debian package, tests
	command -v "$1" >/dev/null 2>&1 && return
	missing="$missing $2"
	[ "$check" = "" ] || echo "NOT RUN: $3, for want of $1" >&2
}
modules() { # of Python: a Python that has all of them, or Debian's
	for python in python3 /usr/bin/python3; do
		"$python" -c "import $(echo "$*" | tr ' ' ',')" >/dev/null 2>&1 && return
	done
	missing="$missing python3$(printf ' python3-%s' "$@")"
	[ "$check" = "" ] || echo "NOT RUN: clients in Python, for want of one with $*" >&2
}
check="${1:-}"

# Daemons live in sbin on some systems, and a bare PATH lacks it.
PATH="$PATH:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
need redis-server redis-server "tests of relay, sessions and instances"
need nats-server nats-server "tests of relay and instances over NATS"
need chromium chromium "tests with a browser"
need node nodejs "tests with Node.js"
need npm npm "tests with Node.js"
need curl curl "tests with curl"
need jq jq "commands of the documents"
need openssl openssl "commands of the documents"
need javac default-jdk-headless "the recipe for Java, and a client in Java"
modules requests aiohttp websockets
need nginx nginx "tests behind nginx"
need haproxy haproxy "tests behind haproxy"
need promtool prometheus "tests of alerts and of the dashboard"
need systemd-analyze systemd "tests of the systemd units"
need rpm rpm "the test of the RPM package"
need ip iproute2 "the test of peers that vanish"
[ -z "$missing" ] && exit 0
if [ "$check" = "-check" ]; then
	echo "'make needs' installs what is missing, 'make test' runs everything" >&2
	exit 0
fi

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
