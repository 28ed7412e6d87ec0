# The same targets for people and CI. `make help` lists them; `make check` is everything a change has to pass.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := .local/bin
# Tools have go.mod files of their own, so that what they need never upgrades what the product links.
LINT := go tool -modfile=dev/tools/lint/go.mod
EXAMPLES := $(wildcard examples/*)
MODULES := . dev/tools dev/tools/lint dev/tools/sbom dev/deploycheck dev/tools/compose $(EXAMPLES)
PKG ?= ./...
FUZZTIME ?= 30s
# A test binary that hangs prints its goroutines well before CI stops it.
TEST_TIMEOUT ?= 30m
# Integration tests wait for servers most of the time: `make test` runs one package more at once than there are processors.
AT_ONCE := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
TESTFLAGS ?=

# Chaos: how long things break, how often a binary is crashed at each failpoint, and the seed to repeat a run with.
MINUTES ?= 10
CRASHES ?= $(if $(filter 1,$(MINUTES)),1,25)
SEED ?=
DRILL_MINUTES ?= 1
CHAOS := .local/chaos

# Events of the property test of the bridge, which has a SEED too.
N ?= 1000

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build every binary into .local/bin
	@mkdir -p $(BIN)
	@go build -o $(BIN)/ ./...

# What the stack consists of, and orderflow for its user: a first run compiles nothing else.
STACK := ./worker ./starter ./publisher ./projector ./api ./orderflow ./dev/kurrentsim/cmd/kurrentsim ./dev/sessim/cmd/sessim ./dev/local

.PHONY: run
run: ## Run the whole stack here: make run ARGS='--fresh'
	@mkdir -p $(BIN)
	@[ -x $(BIN)/local ] || echo "building Orderflow: two to five minutes, once" >&2
	@go build -o $(BIN)/ $(STACK)
	@exec $(BIN)/local $(ARGS)

# For tests and checks it is built and never downloaded, so that they need no server on the internet. `make run` tries the
# download of Temporal's SDK first.
.PHONY: temporal
temporal: ## Build the Temporal CLI into .local/bin unless there is one on the PATH
	@command -v temporal >/dev/null || { \
		[ -x $(BIN)/temporal ] || echo "building the Temporal CLI: about three minutes, once" >&2; \
		go build -C dev/tools -o $(CURDIR)/$(BIN)/temporal github.com/temporalio/cli/cmd/temporal; }

.PHONY: packages
packages: ## Install the Debian packages that the tests need, or name them
	@dev/packages/packages.sh

# All Debian packages are installed only if all tests run.
WHOLE := $(if $(filter ./...,$(PKG)),packages)

.PHONY: test
test: $(WHOLE) temporal ## Run all tests: make test PKG=./internal/credit TESTFLAGS='-run Reserve -v'
	go test -p $(AT_ONCE) -timeout $(TEST_TIMEOUT) $(TESTFLAGS) $(PKG)

.PHONY: race
race: $(WHOLE) temporal ## Run all tests with the race detector
	go test -race -timeout $(TEST_TIMEOUT) $(TESTFLAGS) $(PKG)

.PHONY: secure
secure: temporal ## Run the end-to-end tests once more with TLS, users, roles and encryption
	go test -count=1 -timeout $(TEST_TIMEOUT) ./dev/e2e $(TESTFLAGS) -args -secure

.PHONY: examples
examples: temporal ## Build and test the programs in examples, each of which is a module of its own
	@for module in $(EXAMPLES); do (cd $$module && go vet ./... && go test -timeout $(TEST_TIMEOUT) ./...); done

.PHONY: catalog
catalog: ## Run the video catalog of examples with all its servers, and upload a video: make catalog ARGS=--once
	@dev/packages/packages.sh catalog
	@cd examples/catalog && go run ./local $(ARGS)

.PHONY: record-histories
record-histories: temporal ## Keep the histories that the end-to-end tests cause and that are not kept yet, for the replay test
	go test ./dev/e2e ./workflows -count=1 -args -record

.PHONY: conformance
conformance: ## Run the KurrentDB client's own test suites against kurrentsim, on ports 2114 and 2115
	@dev/kurrentsim/conformance.sh

.PHONY: node-client
node-client: ## Run calls of the official Node client against kurrentsim: make node-client ARGS=--test-name-pattern=append
	@dev/kurrentsim/node-client.sh $(ARGS)

.PHONY: fidelity
fidelity: ## Compare kurrentsim with what a real KurrentDB did: make fidelity ARGS='--only ^group'
	@mkdir -p $(BIN)
	@go build -o $(BIN)/ ./dev/kurrentsim/cmd/kurrentsim ./dev/fidelity
	@$(BIN)/fidelity --kurrentsim $(BIN)/kurrentsim $(ARGS)

.PHONY: bench-store
bench-store: ## Compare kurrentsim's speed with that of a bare gRPC server, for the same sizes
	go test -run '^$$' -bench . -benchtime 1x -timeout 30m ./dev/kurrentsim/cmd/kurrentsim

.PHONY: bench-bin
bench-bin:
	@mkdir -p $(BIN)
	@go build -o $(BIN)/ $(STACK) ./dev/bench

# The result names the commit, also where go builds without it.
BENCH_COMMIT = $(shell git describe --always --dirty --abbrev=40 --exclude '*' 2>/dev/null)

# As for `make real`, the connection string reaches the program by its environment.
bench bench-full: export REAL_URL = $(value KURRENTDB_URL)
.PHONY: bench
bench: temporal bench-bin ## Measure ratios to ceilings in at most 15 minutes: make bench ARGS='--only ^bridge' KURRENTDB_URL=
	@KURRENTDB_URL="$$REAL_URL" $(BIN)/bench --commit "$(BENCH_COMMIT)" $(ARGS)

.PHONY: bench-full
bench-full: temporal bench-bin ## Measure the large sizes, which takes hours on a small machine
	@KURRENTDB_URL="$$REAL_URL" $(BIN)/bench --full --commit "$(BENCH_COMMIT)" $(ARGS)

.PHONY: bench-docs
bench-docs: ## Write docs/performance.md and its charts: make bench-docs RESULT=.local/bench/result.json
	@go run ./dev/bench/docs $(if $(RESULT),--result $(RESULT))

.PHONY: chaos-bin
chaos-bin:
	@mkdir -p $(CHAOS)/bin
	@go build -tags failpoint -o $(CHAOS)/bin/ ./worker ./starter ./publisher ./projector ./api ./orderflow ./dev/kurrentsim/cmd/kurrentsim ./dev/sessim/cmd/sessim ./dev/checker ./dev/chaos

.PHONY: chaos
chaos: temporal chaos-bin ## Inject faults for a while and check what became of the orders: make chaos MINUTES=10 SEED=
	$(CHAOS)/bin/chaos --bin $(CHAOS)/bin --minutes $(MINUTES) --crashes $(CRASHES) $(if $(SEED),--seed $(SEED))

# What is put back to an earlier moment, and the commit that an upgrade begins with: the last release's, named in CHANGELOG.
STORES ?= postgres temporal kurrentdb
RELEASE ?= $(shell sed -n 's/^Tag .*, commit \([0-9a-f]*\)\.$$/\1/p' CHANGELOG.md | head -1)

.PHONY: restore-drill
restore-drill: temporal chaos-bin ## Put each store back to an earlier moment under load, repair and check: make restore-drill STORES=kurrentdb SEED=
	@for store in $(STORES); do \
		$(CHAOS)/bin/chaos --bin $(CHAOS)/bin --scenario restore-$$store --minutes $(DRILL_MINUTES) $(if $(SEED),--seed $(SEED)); done

.PHONY: upgrade-drill
upgrade-drill: temporal chaos-bin ## Upgrade from the last release's binaries and schema under load and check: make upgrade-drill RELEASE= SEED=
	@rm -rf $(CHAOS)/release/source
	@mkdir -p $(CHAOS)/release/source $(CHAOS)/release/bin
	@git archive $(RELEASE) | tar -x -C $(CHAOS)/release/source
	go build -C $(CHAOS)/release/source -buildvcs=false -o $(CURDIR)/$(CHAOS)/release/bin/ ./worker ./starter ./publisher ./projector ./api ./orderflow
	$(CHAOS)/bin/chaos --bin $(CHAOS)/bin --release $(CHAOS)/release/bin --scenario upgrade --minutes $(DRILL_MINUTES) $(if $(SEED),--seed $(SEED))

.PHONY: alerts
alerts: temporal chaos-bin ## Inject each fault and demand that its alerts fire and clear: make alerts ARGS='--only ^postgres'
	@go build -tags failpoint -o $(CHAOS)/bin/ ./dev/chaos/alerts
	@$(CHAOS)/bin/alerts --bin $(CHAOS)/bin $(ARGS)

.PHONY: alerts-docs
alerts-docs: ## Write the table of faults and alerts into docs/alerts.md
	@go test ./dev/chaos/alerts -run TestMatrix -count=1 -args -write

.PHONY: event-catalog
event-catalog: ## Write docs/events from the catalog of events, and record the examples that are not recorded yet
	@go test ./dev/eventcatalog -count=1 -args -write

.PHONY: checker-selftest
checker-selftest: temporal ## Plant seventeen known bugs, one at a time, and demand that the checker finds each
	go run ./dev/checker/selftest

.PHONY: bridge-property
bridge-property: temporal ## Check that the bridge gives each event its outcome under faults: make bridge-property N=10000 SEED=
	go test -count=1 -v -timeout 3h ./dev/bridgeproperty $(TESTFLAGS) -args -n $(N) $(if $(SEED),-seed $(SEED))

.PHONY: fmt
fmt: ## Format the code
	$(LINT) golangci-lint fmt

.PHONY: fmt-check
fmt-check: ## Check that the code is formatted
	$(LINT) golangci-lint fmt --diff

.PHONY: vet
vet: ## Look for suspicious code, in the binaries with failpoints too
	go vet ./...
	go vet -tags failpoint ./internal/failpoint ./starter ./worker ./publisher ./projector ./api ./orderflow

.PHONY: lint
lint: ## Run the linters, the import rules among them
	$(LINT) golangci-lint run

.PHONY: workflowcheck
workflowcheck: ## Find code in workflows that a replay would execute differently
	$(LINT) workflowcheck -config workflowcheck.yaml ./...
	@for module in $(EXAMPLES); do (cd $$module && go tool -modfile=../../dev/tools/lint/go.mod workflowcheck -config ../../workflowcheck.yaml ./...); done

.PHONY: language
language: ## Count the words in comments that readers have to translate: make language ARGS='--list' or ARGS='--sample 200'
	@go run ./dev/language $(ARGS)

.PHONY: module
module: ## Give the repository the module path of the place where it lives: make module MODULE=host/owner/orderflow
	@go run ./dev/module . '$(MODULE)'

.PHONY: module-check
module-check: ## Rename the module in a copy, build the copy with its examples, and import it from another module
	@dev/module/check.sh

.PHONY: dist
dist: ## Build a release into dist, with checksums and SBOMs: make dist VERSION=v1.2.3 PLATFORMS='linux/amd64 linux/arm64'
	@dev/dist/build.sh

.PHONY: dist-check
dist-check: ## Build a release twice, compare the bytes, and check what is in it
	@dev/dist/check.sh

.PHONY: manifests
manifests: ## Render the Kubernetes manifests into .local/kubernetes, decode them strictly and check them
	@cd dev/deploycheck && go vet ./... && go test ./...
	@go run -C dev/deploycheck . $(CURDIR) $(CURDIR)/.local/kubernetes

# Offline, a developer can run everything else. CI sets VULN_DATABASE=required, where a database out of reach is a failure.
VULN_DATABASE ?= optional

.PHONY: vuln
vuln: ## Look for known vulnerabilities
	@found=$$($(LINT) govulncheck ./... 2>&1) || case $(VULN_DATABASE):$$found in \
		optional:*'fetching vulnerabilities'*) echo 'vuln: the database is out of reach, nothing was checked' >&2 ;; \
		*) echo "$$found" >&2; exit 1 ;; esac

.PHONY: tidy-check
tidy-check: ## Check that go.mod and go.sum of every module are tidy
	@for module in $(MODULES); do (cd $$module && go mod tidy -diff) \
		|| { echo "$$module: go.mod or go.sum is not tidy" >&2; exit 1; }; done

# The questions come first: they refuse a server that is in use. Chaos needs it without orders, which is checked before anything else,
# and so comes before the tests, which place some. The connection string is for these commands alone: tests that start their own stack
# must not see it. It reaches them by the environment, for make and the shell would expand what is in it.
unexport KURRENTDB_URL
real: export REAL_URL = $(value KURRENTDB_URL)
.PHONY: real
real: temporal chaos-bin ## Check any KurrentDB that runs already: make real KURRENTDB_URL=... MINUTES=10 THROWAWAY=yes
	@[ -n "$$REAL_URL" ] || { echo 'make real: KURRENTDB_URL=kurrentdb://... is required' >&2; exit 2; }
	@go build -o $(BIN)/ ./dev/fidelity
	@$(CHAOS)/bin/chaos --kurrentdb "$$REAL_URL" --check
	@$(BIN)/fidelity --url "$$REAL_URL" $(if $(filter yes,$(THROWAWAY)),--throwaway) $(ARGS)
	@$(CHAOS)/bin/chaos --bin $(CHAOS)/bin --kurrentdb "$$REAL_URL" --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))
	@KURRENTDB_ALLOW_PLAINTEXT=true go test -count=1 -timeout $(TEST_TIMEOUT) ./dev/e2e $(TESTFLAGS) -args -kurrentdb "$$REAL_URL"
	@go test -count=1 -timeout $(TEST_TIMEOUT) ./dev/bridgeproperty $(TESTFLAGS) -args -kurrentdb "$$REAL_URL" $(if $(SEED),-seed $(SEED))

.PHONY: chaos-minute
chaos-minute: ## Run one minute of faults, and one crash at every failpoint
	@$(MAKE) --no-print-directory chaos MINUTES=1

# One after the other, because some parts measure durations and need the machine to themselves. CONTRIBUTING.md lists what
# each part may cost.
CHECKS := fmt-check vet lint language workflowcheck vuln tidy-check manifests module-check dist-check images-check compose-check systemd-check examples conformance node-client fidelity race secure chaos-minute

.PHONY: check-packages
check-packages:
	@dev/packages/packages.sh check

.PHONY: check
check: check-packages ## Everything a change has to pass, with the time that each part takes
	@took=(); for part in $(CHECKS); do \
		began=$$SECONDS; \
		$(MAKE) --no-print-directory $$part; \
		took+=("$$(printf '%5d s  %s' $$((SECONDS - began)) $$part)"); \
	done; \
	took+=("$$(printf '%5d s  in all' $$SECONDS)"); \
	printf '%s\n' "$${took[@]}"

.PHONY: images-check
images-check: temporal ## Build the container image without a container engine, and settle orders with its binaries
	@dev/deploy/images.sh

.PHONY: compose-check
compose-check: ## Read the Compose file with docker-compose and the library of Compose v2, and compare it with the documentation
	@deploy/compose/up.sh --secrets
	@docker-compose --file deploy/compose/compose.yaml config --quiet
	@cd dev/tools/compose && go vet ./... && go test ./...

.PHONY: systemd-check
systemd-check: ## Verify the systemd units, and measure how far they are confined
	@dev/deploy/systemd.sh

.PHONY: fuzz
fuzz: ## Fuzz each target for a while: make fuzz FUZZTIME=10m PKG=./internal/order
	@packages=$$(go list $(PKG)); for package in $$packages; do \
		listed=$$(go test -list '^Fuzz' "$$package"); \
		for target in $$(grep '^Fuzz' <<<"$$listed" || true); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package"; \
		done; done
