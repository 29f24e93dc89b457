# Every target is a script or one command; `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# dev builds in half the time of release and runs slower: PROFILE=release for what others will use.
PROFILE ?= dev
export PROFILE

# The steps of `make check` share cargo's lock; side by side they would only mix their output.
.NOTPARALLEL:
.PHONY: help run up down build test chaos check fmt fmt-check lint deny generate check-generated bench bench-short bench-journal bench-ingest bench-ingest-short fuzz clean-data

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Build and start everything in one process, with SQLite and state in ./data (MAAS_UPSTREAM=http://host:port/v1 for your models)
	@exec ./scripts/run.sh

up: ## Start the five services, Postgres, NATS and nginx as local processes, state in ./data/up
	@./scripts/up.sh

down: ## Stop what `make up` started; the data stays
	@./scripts/down.sh

build: ## Build all programs
	cargo build --locked --workspace --bins --profile $(PROFILE)

test: ## Install what is missing, build, and run all tests
	@./scripts/test.sh

chaos: ## Kill, freeze, cut and roll back everything and set clocks wrong under traffic, then prove the books (about 20 minutes; MAAS_CHAOS_SEED=n repeats a history)
	@./scripts/chaos.sh

check: fmt-check lint deny check-generated test ## Everything that CI checks

fmt: ## Format the code
	cargo fmt --all

fmt-check: ## Fail when the code is not formatted
	cargo fmt --all --check

lint: ## Clippy over all targets; a warning is an error
	cargo clippy --locked --workspace --all-targets -- -D warnings

deny: ## Check licences, sources and banned crates
	cargo deny --locked check bans licenses sources

generate: ## Write the files that are made from code: protobuf types, OpenAPI document, metrics page
	@./scripts/generate.sh

check-generated: ## Fail when a generated file is stale
	@./scripts/generate.sh --check

bench: ## Compare the proxy with nginx and with no gateway at all (release build, about 5 minutes of measuring)
	@./scripts/bench.sh

bench-short: ## The same in seconds, to see that it works; its figures mean little
	@./scripts/bench.sh --short

bench-journal: ## Measure how fast a killed proxy takes 1 GiB of usage over, in the journal alone and on the platform, beside live traffic (release build)
	cargo run --locked --release -p maas-journal --example replay
	@./scripts/bench-replay.sh

bench-ingest: ## Measure the ledger: events per second, backlog, analytics over 100 million events (release build, 20 GB of disk, half an hour)
	@./scripts/bench-ingest.sh

bench-ingest-short: ## The same in a minute, to see that it works; its figures mean little
	@./scripts/bench-ingest.sh --short

fuzz: ## Fuzz what strangers send, a minute for each target (needs a nightly compiler and cargo-fuzz)
	@cd libs/llm && for target in sse json multipart streams; do cargo +nightly fuzz run $$target -- -max_total_time=60 -max_len=4096; done

clean-data: ## Stop `make up` and remove ./data for good: users, keys, usage
	@./scripts/clean-data.sh
