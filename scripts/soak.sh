#!/bin/sh
# Plays a mixed load for $1 minutes against the program, and says how its memory went:
# the slope of a straight line through it, in MiB per hour, after a warm-up of 1 to 10
# minutes, and over the second half alone. Players
# come, stay, and leave without an answer; consumers read at once, slowly, by pauses, with
# views, compressed, and come and go. The books must balance at the end.
# SOAK_SAMPLES names a file that keeps the samples: second, MiB, descriptors, goroutines.
set -eu

minutes="${1:-60}"
# Until then the ring, which keeps its memory, and the free space of the heap have filled. Of
# the slope of an hour behind that, +0.91 MiB/h, half is the program's own file, of which more
# is touched by and by, and half the heap, whose live part stands still.
warmup=$((minutes * 10))
[ "$warmup" -ge 60 ] || warmup=60
[ "$warmup" -le 600 ] || warmup=600
go="${GO:-go}"
dir="$(mktemp -d)"
samples="${SOAK_SAMPLES:-$dir/samples}"
server=""
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT INT TERM

"$go" build -o "$dir/event_dispatcher" ./cmd/event_dispatcher
(cd bench && "$go" build -o "$dir/load" ./load)

"$dir/event_dispatcher" -port 127.0.0.1:0 -ring-bytes 16777216 -log-format json 2>"$dir/log" &
server=$!
address=""
for _ in $(seq 100); do
	address="$(sed -n 's/.*"msg":"listening","address":"\([^"]*\)".*/\1/p' "$dir/log")"
	[ -z "$address" ] || break
	sleep 0.1
done
[ -n "$address" ] || { echo "soak: the program does not listen:" >&2; cat "$dir/log" >&2; exit 1; }

"$dir/load" -quiet -url "http://$address" -pid "$server" -conns 64 -rate 1000 -sessions -unload 0.01 \
	-consumers 200 -sample -1 -stalled 10 -stall-for 10s -slow 5 -reconnect 50 -reconnect-every 2s -sockets 100 \
	-warmup "${warmup}s" -duration "$((minutes * 60))s" >"$dir/report" 2>&1 &
load=$!

second=0
: >"$samples"
while kill -0 "$load" 2>/dev/null; do
	[ -d "/proc/$server" ] || { echo "soak: the program is gone:" >&2; cat "$dir/log" >&2; exit 1; }
	rss="$(awk '/^VmRSS:/ { print $2 / 1024 }' "/proc/$server/status")"
	fds="$(find "/proc/$server/fd" -mindepth 1 2>/dev/null | wc -l)"
	goroutines="$(curl -s -m 5 "http://$address/metrics" | awk '$1 == "go_goroutines" { print $2 }')"
	parts="$(awk '/^Rss(Anon|File):/ { printf " %s", $2 / 1024 }' "/proc/$server/status")" # of rss, for who looks at SOAK_SAMPLES
	echo "$second $rss $fds ${goroutines:--}$parts" >>"$samples"
	sleep 1
	second=$((second + 1))
done
code=0
wait "$load" || code=$?
cat "$dir/report"
grep -E '"level":"(warn|error)"' "$dir/log" | tail -5 || true

# The load opens its streams, runs warm, and then measures.
awk -v from="$((warmup + 5))" -v to="$((minutes * 60 + warmup))" '
	function slope(low,    i, n, x, y, xx, xy) {
		for (i in mib) if (i + 0 >= low) { n++; x += i; y += mib[i]; xx += i * i; xy += i * mib[i] }
		return (n * xy - x * y) / (n * xx - x * x) * 3600
	}
	$1 >= from && $1 <= to { mib[$1] = $2; count++; if (!first) first = $0; last = $0; if ($2 > most) most = $2 }
	END {
		if (count < 10) { print "soak: too few samples"; exit 1 }
		split(first, a, " "); split(last, b, " ")
		printf "memory: %.1f MiB at first, %.1f at last, %.1f at most\n", a[2], b[2], most
		printf "slope: %+.2f MiB/h over %d minutes, %+.2f over the second half\n", slope(from), (b[1] - a[1]) / 60 + 0.5, slope((from + to) / 2)
		printf "descriptors: %d at first, %d at last; goroutines: %s at first, %s at last\n", a[3], b[3], a[4], b[4]
	}' "$samples"
exit "$code"
