#!/bin/sh
# Runs every fuzz target of the main module with $1 inputs each. A count and no time: when a
# time is over, go test sometimes reports "context deadline exceeded" as a failure
# (golang/go#75804). Making inputs small is bounded, or it takes most of a short run.
set -eu

grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r dir; do
	for target in $(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go | cut -d' ' -f2); do
		echo "fuzz $dir $target"
		go test "$dir" -run '^$' -fuzz "^$target\$" -fuzztime "$1x" -fuzzminimizetime 50x
	done
done
