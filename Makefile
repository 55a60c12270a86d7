# Few words. `make` alone lists them.

# All packages of all modules that go.work joins.
PACKAGES     = $(shell go list -m -f '{{.Dir}}/...')
STATICCHECK := go run honnef.co/go/tools/cmd/staticcheck@v0.8.2

# What the tests call, and the Debian package that has it, as command:package.
TOOLS := unshare:util-linux script:bsdutils ip:iproute2 curl:curl nc:netcat-openbsd tshark:tshark

FUZZTIME ?= 10s
COUNT    ?= 5

.PHONY: help try test race fuzz bench lint tools

help:
	@echo 'make try    a transfer between our TCP and the kernel, shown as a ladder'
	@echo 'make test   everything: format, vet, staticcheck, all tests with the race detector'
	@echo 'make race   all tests with the race detector, COUNT=$(COUNT) times'
	@echo 'make fuzz   every fuzz target for FUZZTIME=$(FUZZTIME)'
	@echo 'make bench  the table beside gVisor netstack and the kernel (ARGS=-h for flags)'
	@echo 'make lint   gofmt, vet, staticcheck'

try:
	go run ./cmd/handfast try $(ARGS)

test: tools lint
	go test -timeout 10m ./detect
	go test -race -timeout 12m $(PACKAGES)

race: tools
	go test -race -count=$(COUNT) -timeout 60m $(PACKAGES)

bench:
	@go run ./bench $(ARGS)

lint:
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then echo "gofmt -w these files:"; echo "$$unformatted"; exit 1; fi
	go vet $(PACKAGES)
	$(STATICCHECK) $(PACKAGES)

fuzz:
	@go list -f '{{.Dir}}' $(PACKAGES) | while read -r dir; do \
		grep -shoE '^func Fuzz\w+' "$$dir"/*_test.go | cut -c6- | while read -r target; do \
			echo "$$target in $$dir"; \
			(cd "$$dir" && go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) .) </dev/null || exit 1; \
		done || exit 1; \
	done

# Tests that need a tool which is not there are skipped; so get it, or tell.
tools:
	@missing=; \
	for t in $(TOOLS); do command -v "$${t%%:*}" >/dev/null || missing="$$missing $${t#*:}"; done; \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing:$$missing"; \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	else echo "missing, so some tests are skipped; install:$$missing"; fi
