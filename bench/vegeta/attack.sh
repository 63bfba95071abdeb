#!/bin/sh
# Attacks a dispatcher at a constant rate with vegeta, and writes the report and
# a plot. Started in the directory bench:
#
#   vegeta/attack.sh [RATE [DURATION [DIRECTORY]]]
#
# URL names a running dispatcher; without it one is built and started on port
# 18090 and ended afterwards. SERVER is a built one to start instead. The exit
# code is not 0 unless every POST was answered 200.
set -eu

rate=${1:-5000} duration=${2:-10s} dir=${3:-results/vegeta-$(date +%F)}
url=${URL:-} server=${SERVER:-}
[ -f vegeta/attack.sh ] || { echo "attack.sh: start it in the directory bench" >&2; exit 2; }

mkdir -p bin "$dir"
go build -o bin/targets ./vegeta/targets
go build -o bin/vegeta github.com/tsenart/vegeta/v12

pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null' EXIT
trap 'exit 130' INT TERM
if [ -z "$url" ]; then
	if [ -z "$server" ]; then
		server=bin/event_dispatcher
		(cd .. && go build -o bench/bin/event_dispatcher ./cmd/event_dispatcher)
	fi
	"$server" -port 127.0.0.1:18090 2>"$dir/server.log" &
	pid=$!
	url=http://127.0.0.1:18090
	tries=100
	until "$server" -port 127.0.0.1:18090 -healthcheck 2>/dev/null; do
		tries=$((tries - 1))
		if [ "$tries" = 0 ] || ! kill -0 "$pid" 2>/dev/null; then
			echo "attack.sh: the dispatcher does not get ready; see $dir/server.log" >&2
			exit 1
		fi
		sleep 0.1
	done
fi

bin/targets -n 20000 -url "$url/metrics" >bin/targets.json
bin/vegeta attack -name "$rate per second" -format json -targets bin/targets.json \
	-rate "$rate" -duration "$duration" -timeout 5s >bin/vegeta.bin
{
	echo "vegeta attack -format json -rate $rate -duration $duration   (vegeta v12.13.0, $(go env GOVERSION), $(nproc) cores, load average $(cut -d' ' -f1-3 /proc/loadavg))"
	echo "targets: 20,000 session events, mean $(awk '{n += length($0)} END {printf "%d", n / NR}' bin/targets.json) bytes as JSON targets"
	bin/vegeta report bin/vegeta.bin
	bin/vegeta report -type 'hist[0,500us,1ms,2ms,5ms,10ms,50ms]' bin/vegeta.bin
} >"$dir/report.txt"
bin/vegeta report -type json bin/vegeta.bin >"$dir/report.json"
bin/vegeta report -type hdrplot bin/vegeta.bin >"$dir/percentiles.txt"
bin/vegeta plot -title "POST latency at $rate per second" bin/vegeta.bin >"$dir/plot.html"
cat "$dir/report.txt"
echo "$dir holds report.txt, report.json, percentiles.txt and plot.html"
grep -q '"success":1,' "$dir/report.json" || { echo "attack.sh: not every POST was answered 200" >&2; exit 1; }
