# Two commands are all that a fresh machine needs: `make serve` and `make test`.
# Wanted: CPython 3.11 or newer, a Rust toolchain and make. Everything else goes into .venv and target/.

SHELL := /bin/sh
.NOTPARALLEL:
.DEFAULT_GOAL := build
.PHONY: build serve test verify fix bench compare cluster-bench scale load clean rust-tests python-tests

# The first interpreter on PATH that can do the work: new enough, with TLS to fetch packages and venv to keep them apart.
PYTHON ?= $(shell IFS=:; for folder in $$PATH; do \
	for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$folder/$$name" -c 'import sys, ssl, venv, ensurepip; \
	sys.exit(sys.version_info < (3, 11) or sys.implementation.name != "cpython")' 2>/dev/null \
	&& echo "$$folder/$$name" && exit; done; done)
# Arguments for `make serve` and `make load`, as in: make serve ARGS="--port 0"
ARGS ?=

BIN := .venv/bin
export VIRTUAL_ENV := $(CURDIR)/.venv
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python

SOURCES := Cargo.toml Cargo.lock pyproject.toml $(shell find rust/core rust/python -name '*.rs' -o -name Cargo.toml)

## build: install the package, with its extension compiled for release, and all that the tests need into .venv
build: .venv/.built

.venv/.created:
	@test -n "$(PYTHON)" || { echo "CPython 3.11 or newer with ssl and venv is needed, and none was found on PATH" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	@touch $@

.venv/.installed: .venv/.created requirements-dev.txt
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	@touch $@

.venv/.built: .venv/.installed $(SOURCES)
	$(BIN)/maturin develop --release --locked
	@touch $@

## serve: build and start a node
serve: build
	$(BIN)/python -m nacos_core $(ARGS)

## test: build, then every linter and every test, the cheap ones first
test: build verify rust-tests python-tests

## verify: linters and type checks; changes nothing
verify: build
	cargo fmt --all --check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	MYPYPATH=python $(BIN)/python -m mypy.stubtest nacos_core._core --allowlist tests/stubtest-allowlist.txt
	cargo clippy --locked --workspace --all-targets -- -D warnings

rust-tests:
	cargo test --locked --quiet --package nacos-core --package nacos-load

python-tests: build
	$(BIN)/python -m pytest --durations=15

## fix: let the formatters and linters mend what they can
fix: build
	cargo fmt --all
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

## bench: the hot paths against plain Python, within ten minutes
bench: build
	$(BIN)/python -m pytest benches --benchmark-enable --benchmark-only

## compare: this server and r-nacos under the same loads, in one run; writes benches/RESULTS.md
compare: build
	cargo build --locked --release --package nacos-load
	$(BIN)/python benches/compare.py $(ARGS)

## cluster-bench: three nodes as processes, leaders killed, loaded and left behind; writes benches/RESULTS.md
cluster-bench: build
	cargo build --locked --release --package nacos-load
	$(BIN)/python benches/cluster.py $(ARGS)

## scale: 100,000 configurations and 100,000 instances in one node, listed, searched, exported; writes benches/RESULTS.md
scale: build
	$(BIN)/python benches/scale.py $(ARGS)

## load: the load generator alone, for any server that speaks the protocol
load:
	cargo run --locked --release --package nacos-load -- $(ARGS)

clean:
	rm -rf .venv target dist .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache python/nacos_core/_core*.so
