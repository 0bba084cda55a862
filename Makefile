# The front door. `make help` lists the targets; recipes longer than a line live in scripts/.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# Jobs for cargo; the default suits a laptop, `make JOBS=8 test` a larger machine.
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
# The profile of `make run` and `make build`.
PROFILE ?= release

.PHONY: help build run try test check fmt lint doc deny man completions cluster checks clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the server: target/release/rhumb
	cargo build --profile $(PROFILE) --bin rhumb -j $(JOBS)

run: ## Build the server and serve the example cluster on 127.0.0.1:1053
	@PROFILE=$(PROFILE) JOBS=$(JOBS) scripts/run.sh

try: ## Serve the example cluster, ask it what README.md asks, and compare
	@PROFILE=$(PROFILE) JOBS=$(JOBS) scripts/try.sh

test: ## Run every test that this machine can run, and name the others with the reason
	@JOBS=$(JOBS) scripts/test.sh

check: fmt-check rooms lint doc ## What must hold before a commit: format, imports, lints, docs

.PHONY: fmt-check rooms
fmt-check:
	cargo fmt --all -- --check

rooms:
	@scripts/rooms.sh

fmt: ## Format the code
	cargo fmt --all

lint: ## Run clippy over everything; a warning is an error
	cargo clippy --workspace --all-targets -j $(JOBS) -- -D warnings
	cargo clippy --workspace --no-default-features -j $(JOBS) -- -D warnings

doc: ## Build the API documentation; a warning is an error
	RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' cargo doc --workspace --no-deps --document-private-items -j $(JOBS)

deny: ## Check dependencies: licences, duplicates, sources, advisories
	@scripts/deny.sh

man: ## Build the man pages from the command line and the plugins' READMEs: target/man
	@JOBS=$(JOBS) scripts/man.sh

completions: ## Build shell completions: target/completions
	@JOBS=$(JOBS) scripts/completions.sh

cluster: ## Build the Kubernetes control plane that tests use: target/cluster (6 minutes the first time)
	@tests/cluster/build.sh

checks: ## Run the acceptance checks in ../shared/checks, where they are there
	@PROFILE=$(PROFILE) JOBS=$(JOBS) scripts/checks.sh

clean: ## Remove everything that was built
	cargo clean
