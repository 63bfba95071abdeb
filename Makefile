# `make help` lists the targets.

GO         ?= go
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTRIES  ?= 200000
PLATFORMS   = linux/amd64 linux/arm64 darwin/arm64 windows/amd64

.PHONY: help run build package test needs unit race e2e lint cross fuzz faults soak bench bench-quick clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /	/' | expand -t 14

run: ## run the dispatcher on :3569
	$(GO) run cmd/event_dispatcher/main.go

build: ## build ./event_dispatcher
	CGO_ENABLED=0 $(GO) build -trimpath -o event_dispatcher ./cmd/event_dispatcher

VERSION ?= 0.0.0

package: ## packages for Debian and RPM, bills of materials and checksums of VERSION, in dist/
	@GO="$(GO)" sh scripts/package.sh $(VERSION)

# Under CI a test fails that does not find what it needs; elsewhere it is skipped.
test: export CI = 1
test: needs lint unit race e2e ## everything that must pass; installs what the tests need

needs: ## install what the tests need through the system's package manager
	@sh scripts/needs.sh

unit: ## tests as production builds them; installs nothing, and says what was not run
	$(GO) test -timeout 30m ./...
	cd bench && $(GO) test -timeout 30m ./...
	@sh scripts/needs.sh -check

# The tests below internal run the built program, into which the detector does not see.
race: ## tests under the race detector
	$(GO) test -timeout 30m -race $$($(GO) list ./... | grep -v /internal/)
	@sh scripts/needs.sh -check

e2e: ## real browsers and clients of other languages against the built program
	GO="$(GO)" sh e2e/run.sh

lint: ## gofmt, vet and staticcheck
	@sh scripts/lint.sh $(STATICCHECK)

cross: ## build for every platform, without cgo
	@for p in $(PLATFORMS); do \
		echo "build $$p"; \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -o /dev/null ./cmd/event_dispatcher || exit 1; \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) vet ./... || exit 1; \
	done

fuzz: ## every fuzz target with FUZZTRIES inputs
	@sh scripts/fuzz.sh $(FUZZTRIES)

faults: ## inject all faults at full size, about 20 minutes, as root; writes docs/faults.md
	$(GO) run ./internal/faults/run

SOAK ?= 60

soak: ## a load for SOAK minutes, and the slope of the program's memory
	@sh scripts/soak.sh $(SOAK)

bench: ## the whole benchmark run, about 27 minutes; results in bench/results
	cd bench && $(GO) run ./run

bench-quick: ## a look at the numbers in 90 seconds
	cd bench && $(GO) run ./run -quick

clean: ## remove what was built
	rm -rf event_dispatcher dist bench/bin
