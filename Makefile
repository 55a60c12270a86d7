# Few words. `make` alone lists them.

# All packages of all modules that go.work joins.
PACKAGES     = $(shell go list -m -f '{{.Dir}}/...')

# The packages that know no goroutine and no lock, which arch_test.go holds. The race detector has nothing to find there
# but in the hands of the others, whose tests it watches. engine/buf counts references atomically.
# Nor has it in what plays scenarios for a page, or only reads or compiles sources.
PURE         = $(shell go list ./engine/... ./lab/... ./cmd/playground ./internal/mutate ./internal/documents ./conformance/api | grep -v /engine/buf)
# Their tests are of crowds, which are smaller with the race detector: these run in both ways.
CROWDS       = ./gateway
# What waits most comes first: the others have the processors meanwhile.
CONCURRENT   = $(WAITING) $(filter-out $(PURE) $(WAITING),$(shell go list $(PACKAGES)))
WAITING     := github.com/handfast-tcp/handfast/cmd/handfast github.com/handfast-tcp/handfast/conformance/answers
# It compiles what others export as vet and the tests do, with the same flags: compiled otherwise, all would be compiled once more.
STATICCHECK = go run -exec 'env "GOFLAGS=$(strip $(GOFLAGS) -race)"' honnef.co/go/tools/cmd/staticcheck@v0.8.2

# Tests of what handles packets run on these machines too, by an emulator: 32 bits, and the other byte order.
EMULATED := arm s390x

# Every system for which the code is checked, and those for which the command and wgnet are. Only Linux has TUN and Ethernet devices.
# 32-bit ARM is among the emulated ones.
SYSTEMS := linux/arm64 linux/riscv64 linux/386 darwin/arm64 ios/arm64 android/arm64 windows/amd64 freebsd/amd64 openbsd/amd64 \
	js/wasm wasip1/wasm
COMMANDS := linux/arm64 darwin/arm64 windows/amd64 freebsd/amd64

# What the tests call, and the Debian package that has it, as command:package. clang and llvm-strip compile the eBPF programs anew, and the
# test compares: of all these they are the largest, 272 MB that are installed in 20 s. Of Debian 12 they are the version that it compares with.
TOOLS := unshare:util-linux script:bsdutils ip:iproute2 netstat:net-tools curl:curl nc:netcat-openbsd tmux:tmux tshark:tshark ping:iputils-ping dig:bind9-dnsutils \
	iperf3:iperf3 git:git nft:nftables nfcapd:nfdump prometheus:prometheus etcd:etcd-server etcdctl:etcd-client nginx:nginx-light haproxy:haproxy \
	clang:clang llvm-strip:llvm \
	$(EMULATED:%=qemu-%-static:qemu-user-static)

# How many parts of make test run beside each other. Most wait half of their time: for timers, packages, or
# one test that is left over.
JOBS     ?= 2
TOGETHER  = -j$(JOBS) $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

FUZZTIME ?= 10s
COUNT    ?= 5

.PHONY: help try test pure concurrent race emulated $(EMULATED) explore mutate fuzz bench lint systems tools deb reproducible playground

help:
	@echo 'make try    a transfer between our TCP and the kernel, shown as a ladder'
	@echo 'make playground  the lab as a page, in bin/playground (ARGS="-web 127.0.0.1:8080" serves it)'
	@echo 'make test   everything: format, vet, staticcheck, all tests, with the race detector where goroutines are, and on other machines'
	@echo 'make race   all tests with the race detector, COUNT=$(COUNT) times'
	@echo 'make emulated  tests of the library on $(EMULATED), by QEMU'
	@echo 'make explore  every way that two endpoints can take, within the bounds of lab/explore'
	@echo 'make mutate  the faults of internal/mutate, one by one, and which test finds each (ARGS=-h for flags)'
	@echo 'make fuzz   every fuzz target for FUZZTIME=$(FUZZTIME)'
	@echo 'make bench  the table beside gVisor netstack and the kernel (ARGS=-h for flags)'
	@echo 'make lint   gofmt, vet, staticcheck'
	@echo 'make deb    a Debian package of the command in bin/, with manual pages, completions and a unit of systemd'
	@echo 'make reproducible  the command built twice, in two folders with two caches: the same bytes'
	@echo 'make systems  types on $(SYSTEMS)'

# -n prints what would run: a compiler for each package that the build cache lacks.
try:
	@n=$$(go build -n -o /dev/null ./cmd/handfast 2>&1 | grep -c '/compile '); \
	if [ "$$n" -gt 20 ]; then echo "compiling $$n packages; this once it may take a minute"; fi
	go run ./cmd/handfast try $(ARGS)

playground:
	@go run ./cmd/playground $(ARGS)

# What is quick to fail comes first, alone; then what takes long, so that little is left for the end. All is compiled in one way:
# what lint compiles, with the race detector, serves the tests, and what a test installs.
test: export GOFLAGS += -trimpath
test: tools lint
	@$(MAKE) --no-print-directory $(TOGETHER) concurrent $(EMULATED) pure systems

pure:
	$(QUICKLY) go test -vet=off -timeout 60m $(PURE) $(CROWDS)

concurrent:
	$(QUICKLY) go test -exec '$(COMMONLY)' -race -vet=off -timeout 60m $(CONCURRENT)

race: tools
	go test -race -count=$(COUNT) -timeout 60m $(PACKAGES)

# Compilers, checkers and tests without goroutines live for seconds: less often collected, their garbage costs a fifth less
# time. What has goroutines is tested as programs commonly run.
QUICKLY := GOGC=400 GOMEMLIMIT=3GiB
COMMONLY := env -u GOGC -u GOMEMLIMIT

bench:
	@go run ./bench $(ARGS)

lint:
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then echo "gofmt -w these files:"; echo "$$unformatted"; exit 1; fi
	$(QUICKLY) go vet -race $(PACKAGES)
	$(QUICKLY) $(STATICCHECK) $(PACKAGES)

# What runs long there and tells nothing of the machine is left out: pictures, statistics, large tables, floods and attacks that
# others are like, what reads sources, many hosts, long days.
LONG_EMULATED := TestADayOfConnections TestAcksInPieces TestArchitecture TestAttackModeTellsNothing TestBBRFillsThePath \
	TestBatchesAreTold TestBlindSynWithMore TestCongestionControlOnAPath TestCookieForging TestCookieModes TestDelayIsBounded \
	TestDocumentedGo TestDuplicateAcksAmongPartialOnes TestECNIsAgreedOn TestEndOfAttackModeTellsNothing TestEpisodes \
	TestEveryFlagInEveryState TestEverySegmentHasARow TestEveryWorldEndsOrComesBack TestFleetRolls TestGigabytesUnderLoss \
	TestHalfOpenCache TestHalfOpenCountsReturn TestIdleConnections TestIdleMemory TestLabelledTraces \
	TestLabelsHoldAtEveryThreshold TestLateTimers TestNoAckWarInAnyState TestNoLossRaisesTheWindow \
	TestNothingOverflowsAfterIdle TestOptimisticAcks TestPairsOfCalls TestPreparedComesBackOnce TestProbeFlood TestPureTestsAreAlone \
	TestQueryFlood TestRealLossIsNotUndone TestRelations TestReplayIsTheLife TestScenariosWithOtherSeeds TestScenes TestSizeIsSearched \
	TestSizes TestSmallHost TestSpoofedDuplicates TestTwoEvents TestZeroWindowPeers
NOTHING :=
BAR     := |

emulated: tools
	@$(MAKE) --no-print-directory $(TOGETHER) $(EMULATED)

$(EMULATED):
	@command -v qemu-$@-static >/dev/null || { echo "no qemu-$@-static: no tests on $@"; exit 0; }; \
		echo "GOARCH=$@ go test"; \
		GOARCH=$@ $(QUICKLY) go test -short -vet=off -timeout 60m -exec qemu-$@-static \
			-skip '^($(subst $(NOTHING) $(NOTHING),$(BAR),$(strip $(LONG_EMULATED))))$$' \
			$$(go list . ./engine/... ./lab/... ./link/... ./keyring ./guard | grep -vE '/(story|book|link/(tun|packet|internal/.*))$$')

# Numbers that do not fit there, and what is missing there.
systems:
	@echo "types on $(SYSTEMS)"; go run ./internal/typecheck $(SYSTEMS) -- ./...
	@echo "types of the command and wgnet on $(COMMANDS)"; go run ./internal/typecheck $(COMMANDS) -- ./cmd/handfast/... ./wgnet/...

# The same each time for a commit, on any machine with the same Go.
deb:
	CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o bin/handfast ./cmd/handfast
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) cmd/handfast/deploy/debian/build.sh bin/handfast bin

# Nothing of the first may help the second, so it takes minutes. Both are of the same commit, whatever is committed meanwhile.
reproducible:
	@commit=$$(git rev-parse HEAD); \
	for n in 1 2; do \
		dir=$$(mktemp -d) && git clone -q . $$dir/$$n && \
		(cd $$dir/$$n && git checkout -q $$commit && GOCACHE=$$dir/cache CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags="-s -w" -o handfast ./cmd/handfast && sha256sum handfast) || exit 1; \
		chmod -R u+w $$dir; rm -rf $$dir; \
	done | sort | uniq -c | awk '{ print $$2; n++ } END { if (n != 1) { print "two builds differ"; exit 1 } }'

# The garbage of an exploration is much and short-lived.
explore:
	@GOGC=500 go run ./internal/explore $(ARGS)

# Some faults ask for memory without end: a bound of 24 GB ends them.
mutate:
	@ulimit -v 24000000; go run ./internal/mutate $(ARGS)

# Without the limit an input that is new is made smaller for up to a minute, and nothing else is tried meanwhile.
fuzz:
	@go list -f '{{.Dir}}' $(PACKAGES) | while read -r dir; do \
		grep -shoE '^func Fuzz\w+' "$$dir"/*_test.go | cut -c6- | while read -r target; do \
			echo "$$target in $$dir"; \
			(cd "$$dir" && go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x .) </dev/null || exit 1; \
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
