# make demo     from a text to two models that answer, on ./var; CORPUS=FILE takes another text than the fortunes
# make test     everything built and tested
# make test-web the page in a real browser; skips where there is none
# make fuzz     each reader of what others wrote, a minute with libFuzzer; FUZZ_SECONDS=60 FUZZ_TARGETS=
# make sanitize the tests within one process under AddressSanitizer; its build takes as long again
# make generate  rewrites the committed files that come from tables in the sources
# make soak     the service under load for half an hour; SOAK_MINUTES=30
# make install  DESTDIR= PREFIX=/usr/local
SWIFT ?= swift
PREFIX ?= /usr/local
DESTDIR ?=
CORPUS ?=
# Folders laid out like the golden ones, each checked by `make parity`.
GOLDEN ?= ../shared/golden
# Where tokenizers and transformers are installed, and beside it, with -4.46 behind its name, the older transformers.
PEERS ?= .peers
BUILD ?= .build/release
FUZZ_SECONDS ?= 60
# Of `kb-fuzz --list`; empty: all.
FUZZ_TARGETS ?=
SOAK_MINUTES ?= 30

PYTHON ?= python3

PACKAGES = libopenblas-dev libsystemd-dev libsqlite3-dev zlib1g-dev libzstd-dev libzip-dev zstd pkg-config
PROGRAMS = $(addprefix $(BUILD)/,kantaibertd kantaibert-train kbctl kantaibert-web kb-bench)
# On a terminal SwiftPM would pass a color flag to the compiler, and what is built there and elsewhere would differ.
BUILDFLAGS = -c release --no-color-diagnostics
# Tests use what a module shows to others, so that they and the programs are made of the same objects.
TESTFLAGS = $(BUILDFLAGS) --disable-testable-imports
# The test targets whose tests start servers, clients and processes.
TALKING = ^(Daemon|Kbctl|Supervision|Varlink|VarlinkServer|Web)Tests\.
export DESTDIR PREFIX

.PHONY: all build man generate test test-root python test-systemd test-faults test-web lint parity fuzz sanitize soak demo demo-corpus demo-deps deps install

all: build

build: deps
	$(SWIFT) build $(BUILDFLAGS)
	$(MAKE) man

# kantaibertd(8), kantaibert-train(8), kbctl(1), kantaibert.yaml(5), from what the programs and the settings say.
man:
	$(BUILD)/kb-man pages $(BUILD) $(BUILD)/man

# Rewrites the committed files that come from tables in the sources. A test fails if they are stale.
generate: deps
	$(SWIFT) build $(BUILDFLAGS) --product kb-man
	$(BUILD)/kb-man generate .

# All tests of a run share the few threads of Swift concurrency. Tests that compute hold them for seconds, and those that
# talk to a server of their own need them at once: each kind has its own run, the latter one test at a time.
test: deps
	$(SWIFT) test $(TESTFLAGS) --skip '$(TALKING)' --skip EndToEndTests
	$(SWIFT) test $(TESTFLAGS) --skip-build --no-parallel --filter '$(TALKING)'
	$(SWIFT) test $(TESTFLAGS) --skip-build --filter EndToEndTests
	$(MAKE) python

# What `test` skips for want of root, of what it has built.
test-root:
	$(SWIFT) test $(TESTFLAGS) --skip-build --no-parallel --filter AsRoot

# The client for Python, against a service of its own.
python:
	@if $(PYTHON) -c 'import pytest' 2>/dev/null; then \
	    cd clients/python && KANTAIBERT_BUILD=$(abspath $(BUILD)) $(PYTHON) -m pytest -q -p no:cacheprovider; \
	else \
	    echo "skipped the tests of clients/python: $(PYTHON) has no pytest"; \
	fi

# The installed units in a Debian of their own, booted with systemd. CACHE= says where that is kept.
test-systemd: build
	@sh Tests/RealSystemd/run.sh $(BUILD)

# Every change of a file fails once, in every way: half an hour. `test` tries some of them.
test-faults: deps
	KANTAIBERT_TEST_FAULTS=all $(SWIFT) test $(TESTFLAGS) --filter FaultTests

test-web: build
	@sh Tests/Web/run.sh $(BUILD)

lint:
	$(SWIFT) format lint --strict --parallel --configuration .swift-format -r Package.swift Plugins Sources Tests clients

parity: build
	$(BUILD)/kb-bench parity $(GOLDEN)/mlm
	$(BUILD)/kb-bench parity $(GOLDEN)/clm
	@if [ -x $(PEERS)/bin/python ]; then \
	    $(PEERS)/bin/python Tests/Parity/tokenizer_parity.py $(BUILD)/kb-bench --old $(PEERS)-4.46/bin/python && \
	    for python in $(PEERS)/bin/python $(PEERS)-4.46/bin/python; do \
	        [ -x $$python ] || continue; \
	        $$python Tests/Parity/import_parity.py $(BUILD)/kb-bench && \
	        $$python Tests/Parity/published_parity.py $(BUILD) || exit 1; \
	    done; \
	else \
	    echo "skipped the tokenizer's comparison: no tokenizers in PEERS=$(PEERS)"; \
	fi

fuzz: deps
	@SWIFT="$(SWIFT)" sh Tests/Fuzz/fuzz.sh $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# What ends with its process is no leak here; kbctl's size and its commands are tested as they are shipped.
sanitize: deps
	ASAN_OPTIONS=detect_leaks=0 $(SWIFT) test $(TESTFLAGS) --sanitize=address --scratch-path .build/sanitized \
	    --skip '$(TALKING)' --skip EndToEndTests
	ASAN_OPTIONS=detect_leaks=0 $(SWIFT) test $(TESTFLAGS) --sanitize=address --scratch-path .build/sanitized \
	    --skip-build --no-parallel --filter '$(TALKING)' --skip KbctlTests

soak: build
	$(BUILD)/kb-bench soak --minutes $(SOAK_MINUTES)

demo: demo-corpus demo-deps build
	@sh clients/demo/demo.sh $(BUILD) "$(CORPUS)"

deps:
	@sh .ci/packages $(PACKAGES)

# Before the build, which takes minutes.
demo-corpus:
	@[ -z "$(CORPUS)" ] || { [ -f "$(CORPUS)" ] && [ -r "$(CORPUS)" ]; } || { echo "CORPUS=$(CORPUS) is no file that can be read" >&2; exit 66; }

demo-deps: deps
	@[ -n "$(CORPUS)" ] || sh .ci/packages fortunes

# Not built again where it was built: root need not have Swift.
install: $(PROGRAMS)
	@sh systemd/install.sh $(BUILD)

$(PROGRAMS):
	$(MAKE) build
