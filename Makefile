# The workshop. `make help` lists what there is.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# No workspace file outside the project may change what is built.
export GOWORK := off

# Modules with code of their own, and those that only pin a tool.
CODE := . contract_test contract_test/consumer contract_test/compatible contract_test/bench contract_test/browser contract_test/peers openapi/tools/licences wrapper/auditlogsreceiver
MODULES := $(CODE) wrapper/auditlogsreceiver/tools openapi/tools openapi/tools/lint openapi/tools/release
LINT := go tool -modfile=$(CURDIR)/openapi/tools/lint/go.mod
RELEASE := go tool -modfile=$(CURDIR)/openapi/tools/release/go.mod
FUZZTIME ?= 1m
ENTRIES ?= 1000000
MODULE ?=

# What make check runs, in this order.
CHECKS := format vet tidy drift compatible lint vulnerabilities licences cross consumer race copies crash faults secrets growth lint-contract peers browser fuzz schedules collector-check

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## The main job on made-up data: a day of entries as a table, from several pages
	go run ./cmd/cfaudit list --demo --since 24h --page-size 200 --format table

# What the last of these read and build is outside of their module: the go command would not notice
# that it has changed, and show the result of an earlier run.
.PHONY: test
test: ## The unit and contract tests: what must be green before a change is sent; needs nothing but Go
	go test ./...
	cd contract_test && go test ./simulation
	cd contract_test && go test -count=1 . ./command
	@echo "all tests passed"

.PHONY: check
check: ## Everything else that must hold, with the time that each step took; make help lists the steps
	@times=$$(mktemp); trap 'rm -f "$$times"' EXIT; \
	for step in $(CHECKS); do \
		echo "== $$step"; start=$$SECONDS; $(MAKE) --no-print-directory $$step || { echo "make $$step failed"; exit 1; }; \
		printf '%-14s %4d s\n' $$step $$((SECONDS - start)) >>"$$times"; \
	done; echo; cat "$$times"; echo "all checks passed"

.PHONY: format
format: ## Fail where gofmt would change a file
	@files=$$(git ls-files -co --exclude-standard -- '*.go' | xargs gofmt -l); \
	if [ -n "$$files" ]; then echo "not formatted:"; echo "$$files"; exit 1; fi

.PHONY: vet
vet: ## go vet in every module with code
	@for module in $(CODE); do echo "vet $$module"; (cd $$module && go vet ./...); done

.PHONY: lint
lint: ## staticcheck and errcheck in every module with code
	@for module in $(CODE); do echo "lint $$module"; \
		(cd $$module && $(LINT) staticcheck -checks all,-ST1003 ./... && \
			$(LINT) errcheck -ignoretests -ignoregenerated -exclude $(CURDIR)/openapi/tools/lint/errcheck.txt ./...); \
	done

.PHONY: tidy
tidy: ## Fail where a go.mod or go.sum is not tidy
	@for module in $(MODULES); do \
		echo "tidy $$module"; (cd $$module && go mod tidy -diff); \
	done

.PHONY: generate
generate: ## Make gen/ anew from openapi/
	go generate ./...

.PHONY: drift
drift: ## Fail where gen/ is not what openapi/ makes
	@copy=$$(mktemp -d); trap 'rm -rf "$$copy"' EXIT; \
	cp -r openapi generate.go go.mod go.sum "$$copy"/; mkdir -p "$$copy"/gen/auditlogsapi "$$copy"/gen/auditlogsserver; \
	(cd "$$copy" && go generate .); \
	diff -r "$$copy"/gen gen || { echo "gen/ is not what openapi/ makes: run make generate, and commit the result"; exit 1; }

.PHONY: compatible
compatible: ## What has changed in the contract and in the library's API since the last release; fails where that breaks programs
	cd contract_test/compatible && go run .

.PHONY: release-contract
release-contract: ## Make the contract and the library's API of today the last release, for make compatible
	cd contract_test/compatible && go run . -release

# The timers of a bubble of testing/synctest crash the race detector's runtime where two threads run
# them at once (go.dev/issue/78156), so each package gets one thread. Which events happened before
# which is seen there as well. Long computations of one goroutine are shortened: make test does them
# whole.
RACE := go test -race -cpu 1 -short

.PHONY: race
race: ## The tests again, with the race detector
	$(RACE) ./...
	cd contract_test && $(RACE) -count=1 . ./command
	cd contract_test && CFAUDIT_SIMULATION_RUNS=30 $(RACE) -run '^TestSimulation$$' ./simulation
	cd contract_test/compatible && $(RACE) ./...

.PHONY: copies
copies: ## Changes tried on copies of the repository: another module path, a new filter, a changed contract
	cd contract_test && go test -count=1 -timeout 20m ./copies

# What needs Node.js says so where there is none.
PEERS := contract_test/peers
export REDOCLY_SUPPRESS_UPDATE_NOTICE := true

.PHONY: peers lint-contract
ifneq ($(shell command -v node && command -v npm),)
peers: $(PEERS)/node_modules/.package-lock.json ## The official SDKs against the fake, our client against a mock of the contract; needs Node.js
	cd $(PEERS) && go test -count=1 ./...

lint-contract: $(PEERS)/node_modules/.package-lock.json ## The contract through redocly, bad examples included; needs Node.js
	cd $(PEERS) && node_modules/.bin/redocly lint --config redocly.yaml ../../openapi/auditlogs.yaml

$(PEERS)/node_modules/.package-lock.json: $(PEERS)/package-lock.json
	cd $(PEERS) && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@
else
peers lint-contract:
	@echo "make $@: SKIPPED, since there is no Node.js (20 or later, with npm)"
endif

.PHONY: browser
ifneq ($(shell command -v chromium || command -v chromium-browser || command -v google-chrome),)
browser: ## The pages of summary and new in a real browser; needs Chromium
	cd contract_test/browser && go test -count=1 -timeout 20m ./...
else
browser:
	@echo "make $@: SKIPPED, since there is no Chromium"
endif

.PHONY: secrets
secrets: ## Look for the tests' tokens in all that the tests of make test print
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	{ go test -count=1 -v ./... && (cd contract_test && go test -count=1 -v . ./command); } >"$$log" 2>&1 || { tail -n 50 "$$log"; exit 1; }; \
	tokens=$$(sed -n 's/^[[:space:]]*\(const\)\{0,1\}[[:space:]]*\(token\|goodToken\|secret\)[[:space:]]*= "\(.*\)"$$/\3/p' $$(git ls-files '*_test.go')); \
	test -n "$$tokens"; \
	if grep -nF "$$tokens" "$$log"; then echo "a token is printed"; exit 1; fi; \
	echo "none of $$(wc -l <<<"$$tokens") tokens is in the $$(wc -l <"$$log") lines that the tests print"

.PHONY: consumer
consumer: ## Import the library as an outsider, and count what that costs
	cd contract_test/consumer && $(RACE) -count=1 ./...

.PHONY: cross
cross: ## Build for the other systems
	GOOS=windows GOARCH=amd64 go build -o /dev/null ./cmd/cfaudit
	GOOS=darwin GOARCH=arm64 go build -o /dev/null ./cmd/cfaudit
	GOOS=windows go vet ./wrapper/... ./cmd/...

.PHONY: faults
faults: ## The table of faults: what struck where, and what came of it
	CFAUDIT_FAULT_TABLE=1 go test -count=1 -v -run '^TestFaults$$' ./wrapper/auditlogs

RUNS ?= 20000

.PHONY: schedules
schedules: ## RUNS (20,000) simulated services, durations, faults and stops, and 2,000 schedules of odd answers
	@cd contract_test && CFAUDIT_SIMULATION_RUNS=$(RUNS) CFAUDIT_SIMULATION_MINUTES=10 \
		go test -count=1 -v -timeout 20m ./simulation | sed -n '/^ *\(===\|---\)/!p'
	cd contract_test && go test -race -cpu 1 -count=1 -run Schedules -timeout 10m . -rapid.checks=2000

.PHONY: fleet
fleet: ## Up to 1500 accounts on a service that counts arrivals: requests, waits and memory; takes two minutes
	@CFAUDIT_FLEET=1 go test -count=1 -v -run '^TestFleetKeepsTheBudget$$' -timeout 20m ./wrapper/auditlogs/follow | sed -n '/^ *===/!p'

KILLS ?= 200

.PHONY: crash
crash: ## Kill the program KILLS times (200) in each of its long jobs, and print what that has cost
	cd contract_test && CFAUDIT_KILLS=$(KILLS) go test -count=1 -v -run 'Kills$$' -timeout 60m ./crash

RECEIVER := wrapper/auditlogsreceiver
# What the tests of the collector look at.
collector-check collector-crash collector-bench: export CFAUDIT_COLLECTOR := $(CURDIR)/bin/collector/otelcol-cfaudit

.PHONY: collector collector-licences collector-check collector-crash collector-bench collector-generate collector-drift
collector: ## A collector with the receiver for audit logs, in bin/collector; takes three minutes the first time
	@mkdir -p bin
	cd $(RECEIVER)/distribution && CGO_ENABLED=0 go tool -modfile=../tools/go.mod builder --config builder.yaml

collector-licences: ## The licences of all that the collector is built from, in bin/collector/licences; needs no network after make collector
	@licences=$(CURDIR)/bin/collector/licences; vendor=$$(mktemp -d); trap 'rm -rf "$$vendor"' EXIT; \
	rm -rf "$$licences" && mkdir -p "$$licences"/go && cp "$$(go env GOROOT)"/{LICENSE,PATENTS} "$$licences"/go; \
	cd bin/collector && go mod vendor -o "$$vendor" && cd "$$vendor" && \
	find . -type f \( -iname 'licen[cs]e*' -o -iname 'notice*' -o -iname 'copying*' -o -iname 'copyright*' -o -iname 'patents*' \) \
		! -name '*.go' | tar -cf - -T - | tar -xf - -C "$$licences"

collector-check: collector-drift collector collector-licences ## The receiver's tests, the examples through the built collector, and a few kills of it
	cd $(RECEIVER) && $(RACE) . ./internal/...
	cd $(RECEIVER) && go test -count=1 -v -timeout 20m ./distribution

collector-crash: collector ## Kill the collector KILLS times (200) while entries arrive and its backend fails, and count what is lost
	cd $(RECEIVER) && CFAUDIT_KILLS=$(KILLS) go test -count=1 -v -run Kills -timeout 60m ./distribution

collector-bench: collector ## Entries a second and CPU an entry, beside contrib's receiver for files
	cd $(RECEIVER) && CFAUDIT_BENCH=1 go test -count=1 -v -run '^TestThroughput$$' ./distribution

collector-generate: ## Make what mdatagen makes of the receiver's metadata.yaml
	cd $(RECEIVER) && go generate .

collector-drift: ## Fail where that is not up to date
	@copy=$$(mktemp -d); trap 'rm -rf "$$copy"' EXIT; cp -r $(RECEIVER) "$$copy"; \
	(cd "$$copy"/$(notdir $(RECEIVER)) && go mod edit -replace cfaudit.example=$(CURDIR) && go generate .); \
	diff -r -x go.mod "$$copy"/$(notdir $(RECEIVER)) $(RECEIVER) || { echo "run make collector-generate, and commit the result"; exit 1; }

.PHONY: live
live: ## The contract against your own account; needs a token, and CFAUDIT_LIVE=1
	cd contract_test && go test -count=1 -v -run Live .

.PHONY: bench
bench: ## What an entry costs, beside the official SDK and beside the decoder's own check that a page is JSON
	cd contract_test/bench && go vet . && go run .
	go test -run '^$$' -bench . -benchmem ./wrapper/...

.PHONY: bench-archive-check
bench-archive-check: ## How long archive --check takes beside sha256sum over the same files, of 1 GB
	@CFAUDIT_ARCHIVE_SPEED=1 go test -count=1 -v -run '^TestCheckIsFast$$' ./wrapper/auditlogs/archive | sed -n '/^ *===/!p'

.PHONY: bench-archive
bench-archive: ## How fast an archive of ENTRIES (a million) is searched, beside zstd -dc and jq
	cd contract_test/bench && go run ./archive -entries $(ENTRIES)

.PHONY: growth
growth: ## Ten thousand entries and more, up to ENTRIES (a million), through the command: time and peak memory
	cd contract_test && CFAUDIT_GROWTH=$(ENTRIES) go test -count=1 -v -run '^TestGrowth$$' ./command

.PHONY: latency
latency: ## How long a backfill takes beside a plain listing, in simulated time
	@CFAUDIT_LATENCY=1 go test -count=1 -v -run '^TestBackfillIsFast$$' ./wrapper/auditlogs | sed -n 's/^ *backfill_test.go:[0-9]*: //p'

.PHONY: fuzz
fuzz: ## Each fuzz target for FUZZTIME (a minute)
	@for package in $$(go list ./wrapper/... ./cmd/...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

.PHONY: vulnerabilities
vulnerabilities: ## govulncheck: known vulnerabilities that the library, the command and the receiver can reach
	@out=$$(for module in . $(RECEIVER); do (cd $$module && $(LINT) govulncheck ./...) || exit; done 2>&1) && { echo "$$out"; exit; }; \
	if [[ "$$out" == *"fetching vulnerabilities:"* && -z "$${GITHUB_ACTIONS:-}" ]]; then \
		echo "make $@: SKIPPED, since the database cannot be reached: $$out"; \
	else echo "$$out"; exit 1; fi

.PHONY: licences third-party
licences: ## Fail where something that is shipped has no licence that allows it, or is not in THIRD_PARTY.md
	cd openapi/tools/licences && go test ./... && go run . ../../..

third-party: ## Write cmd/cfaudit/THIRD_PARTY.md, the licences of what is shipped
	cd openapi/tools/licences && go run . -write ../../..

.PHONY: release-tag release-files release-snapshot release
# GoReleaser would also take the tag of a nested module on the same commit.
release-snapshot release: export GORELEASER_CURRENT_TAG ?= $(shell $(MAKE) --no-print-directory -s release-tag)

release-tag: ## The tag of the root module that a release is made from: the last one; none before the first
	@git describe --tags --match 'v[0-9]*' --abbrev=0 2>/dev/null || true

release-files: ## The man pages and completions that the packages bring, in bin/release
	rm -rf bin/release && mkdir -p bin/release/completions
	CGO_ENABLED=0 go build -trimpath -buildvcs=true -o bin/release/cfaudit ./cmd/cfaudit
	bin/release/cfaudit man bin/release/man1
	bin/release/cfaudit completion bash > bin/release/completions/cfaudit.bash
	bin/release/cfaudit completion zsh > bin/release/completions/_cfaudit
	bin/release/cfaudit completion fish > bin/release/completions/cfaudit.fish
	bin/release/cfaudit completion powershell > bin/release/completions/cfaudit.ps1

release-snapshot: ## Every file of a release in dist/, with checksums, from the last commit; publishes nothing
	$(RELEASE) goreleaser check
	$(RELEASE) goreleaser release --snapshot --clean

release: ## Publish the release of the tag that is checked out, as a draft; the workflow runs it with NOTES=FILE
	$(RELEASE) goreleaser release --clean $(if $(NOTES),--release-notes=$(NOTES))

.PHONY: rename
rename: ## Give the module another path: make rename MODULE=github.com/you/cfaudit
	@if [[ ! "$(MODULE)" =~ ^[a-z0-9.-]+\.[a-z]+(/[A-Za-z0-9._~-]+)*$$ ]]; then \
		echo "MODULE is \"$(MODULE)\": want a module path such as github.com/you/cfaudit"; exit 2; fi
	@old=$$(go list -m); \
	git ls-files -co --exclude-standard -z | xargs -0 grep -lIF "$$old" -- | while read -r file; do \
		sed -i.bak "s|$${old//./\\.}|$(MODULE)|g" "$$file" && rm "$$file.bak"; \
	done
	gofmt -w $$(git ls-files -co --exclude-standard -- '*.go')
	go generate ./...
