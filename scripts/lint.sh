#!/bin/sh
# gofmt, vet and staticcheck over every module; $1 is staticcheck at its version.
set -eu

unformatted=$(gofmt -l $(git ls-files '*.go'))
if [ -n "$unformatted" ]; then
	echo "not formatted:" >&2
	echo "$unformatted" >&2
	exit 1
fi
for dir in $(git ls-files 'go.mod' '*/go.mod'); do
	dir=$(dirname "$dir")
	echo "lint $dir"
	(cd "$dir" && go vet ./... && go run "$1" ./... && go mod verify >/dev/null)
done
