#!/bin/sh
# Builds the packages for Debian and RPM systems, a bill of materials (CycloneDX) for each
# architecture, and SHA256SUMS. The same commit, version and Go give the same bytes.
#   sh scripts/package.sh VERSION [FOLDER [ARCHITECTURE…]]
set -eu
cd "$(dirname "$0")/.."

NFPM=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
SBOM=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

VERSION="${1:?usage: sh scripts/package.sh VERSION [FOLDER [ARCHITECTURE…]]}"
to="${2:-dist}"
[ $# -lt 2 ] && shift || shift 2
[ $# -gt 0 ] || set -- amd64 arm64

# Every time in a package is that of the commit.
SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}"
export VERSION SOURCE_DATE_EPOCH

mkdir -p "$to"
for ARCH in "$@"; do
	export ARCH
	BINARY="$to/event_dispatcher-linux-$ARCH"
	export BINARY
	CGO_ENABLED=0 GOOS=linux GOARCH="$ARCH" ${GO:-go} build -trimpath -ldflags="-s -w" -o "$BINARY" ./cmd/event_dispatcher
	for kind in deb rpm; do
		${GO:-go} run "$NFPM" package -f deploy/packages/nfpm.yaml -p "$kind" -t "$to"
	done
	${GO:-go} run "$SBOM" bin -json -noserial -notimestamp -version "v$VERSION" -output "$BINARY.cdx.json" "$BINARY"
done
(cd "$to" && sha256sum event_dispatcher-* event-dispatcher* >SHA256SUMS)
