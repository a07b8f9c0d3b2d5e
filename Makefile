# Thin by rule: what takes more than a line lives in scripts/.
.DEFAULT_GOAL := help
.PHONY: build deb upgrade demo demo-down test storage backup fuzz models image plugin sim interleavings robustness swarm-test instructions bench sbom docs fmt help

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 12

# Packages and RocksDB's static library: nothing to do, and no time taken, when they are there.
.PHONY: ready
ready:
	@scripts/setup build
	@scripts/rocksdb

build: ready ## the berth binary, optimised
	cargo build --release --locked -p berth-node

deb: build ## the Debian package, in .deb/
	@scripts/deb

demo: build ## a running three-node cluster in .demo/, with Docker networks on it
	@scripts/demo

demo-down: ## end the demo and remove what it made
	@scripts/demo-down

test: ready ## everything that must hold before a change lands
	@scripts/test

storage: ready ## kills and damage, for the record (KILLS=4200 CLUSTER_KILLS=600 DAMAGES=700)
	@KILLS=$${KILLS:-4200} CLUSTER_KILLS=$${CLUSTER_KILLS:-600} DAMAGES=$${DAMAGES:-700} scripts/storage

backup: ready ## a backup while serving, restored and compared on all nodes (ADDRESSES=1_000_000)
	@ADDRESSES=$${ADDRESSES:-1_000_000} cargo test --locked -p berth-tests --test backup -- --nocapture many_addresses

fuzz: ready ## search for inputs that break something (FUZZ_SECONDS=60 TARGET=plugin_bodies)
	@scripts/fuzz $(TARGET)

image: build ## the container image berth:latest, which docker-compose.yml runs
	@scripts/image

models: ## long: histories against the naive model, the claim protocol's states (STEPS=1_000_000 SEED=1)
	@scripts/models

sim: ready ## simulated clusters under faults (SEEDS=100 FIRST=1; SEED=7 repeats one; CANARY=skip-sync)
	@scripts/sim

interleavings: ready ## every order in which tasks may meet, explored (SCHEDULES=100000)
	@scripts/interleavings

plugin: build ## the managed plugin's directory, .plugin/, for `docker plugin create`
	@scripts/plugin

swarm-test: plugin ## Swarm on three real engines in containers, all rounds (ROUNDS=5)
	@scripts/check-swarm

chaos: ready ## faults in docker-compose for ten minutes, and a report in .chaos/ (CHAOS_MINUTES=60 CHAOS_SEED=7)
	@scripts/chaos

robustness: ready ## real processes behind proxies that break their connections (RUNS=22 SEED=1)
	@scripts/robustness

upgrade: ready ## a rolling upgrade under load, with two builds (FROM=commit)
	@scripts/upgrade

sbom: ready ## what the binary is built from, as CycloneDX, in target/sbom
	@scripts/sbom

instructions: ready ## the hot paths' instructions, against their limits
	@scripts/instructions

bench: ready ## the figures of docs/benchmarks.md, beside others' (ROUNDS=5 SECONDS_A_RUN=5 ONLY=etcd-create CLIENTS=1,64)
	@scripts/bench

docs: ready ## the crates' documentation, in target/doc
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

fmt: ## format the code
	cargo fmt --all
