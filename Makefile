# make mpi      build the plugins for training on several machines, where libopenmpi-dev or libmpich-dev is installed
# make demo     train and query two models in ./var; CORPUS=FILE replaces the default corpus of fortunes
# make test     build and test everything
# make test-levels run the tests of kernels and models at each level of vector instructions of this CPU; LEVELS=
# make test-cluster train on three hosts, which are network namespaces of this one; skipped unless run as root; RATE=1gbit
# make test-web test the page in a real browser; skipped if there is none
# make test-arm test the C kernels compiled for 64-bit ARM, in an emulator; skipped if there is none
# make fuzz     fuzz each parser of untrusted data with libFuzzer for a minute; FUZZ_SECONDS=60 FUZZ_TARGETS=
# make sanitize run the in-process tests under AddressSanitizer, in a separate build
# make generate rewrite the committed files that are generated from tables in the sources
# make soak     run the service under load for half an hour; SOAK_MINUTES=30
# make install  DESTDIR= PREFIX=/usr/local
# make deb      Debian packages of the built programs, in DEBS=.build/release/deb
# make test-deb install, upgrade and remove the packages in booted Debian systems; needs root; SUITES="bookworm trixie"
SWIFT ?= swift
PREFIX ?= /usr/local
DESTDIR ?=
CORPUS ?=
# Folders of reference values, checked by `make parity`.
GOLDEN ?= ../shared/golden
# A Python environment with tokenizers and transformers; $(PEERS)-4.46 has the older transformers version.
PEERS ?= .peers
BUILD ?= .build/release
FUZZ_SECONDS ?= 60
# Names from `kb-fuzz --list`; empty means all.
FUZZ_TARGETS ?=
SOAK_MINUTES ?= 30

PYTHON ?= python3
# The programs of packages, as release/link.py links them.
LINKED ?= $(BUILD)/linked
DEBS ?= $(BUILD)/deb
VERSION ?= $(shell sed -n 's/.*static let version = "\(.*\)"/\1/p' Sources/Formatting/Release.swift)

DEB_PACKAGES = debhelper dh-python dpkg-dev libmpich-dev libopenmpi-dev lintian mpich openmpi-bin \
	pybuild-plugin-pyproject python3 python3-all python3-setuptools systemd
PACKAGES = libopenblas-dev libsystemd-dev libsqlite3-dev libarchive-dev libxml2-dev libuchardet-dev libmagic-dev libdivsufsort-dev poppler-utils pkg-config
PROGRAMS = $(addprefix $(BUILD)/,kantaibertd kantaibert-train kantaibert-read kbctl kantaibert-web kb-bench)
# On a terminal, SwiftPM passes a color flag to the compiler, which would cause a rebuild when run elsewhere.
BUILDFLAGS = -c release --no-color-diagnostics
# Tests use only public and package declarations, so that tests and programs share the same object files.
TESTFLAGS = $(BUILDFLAGS) --disable-testable-imports
# Values of KANTAIBERT_CPU_LEVEL that select different kernels on this CPU, without the one that the other tests use.
LEVELS ?= baseline $(shell sed -n '/^flags.* avx512vl /{s/.*/avx2/p;q}' /proc/cpuinfo) \
	$(shell sed -n '/^flags.* avx512_vnni /{s/.*/avx512/p;q}' /proc/cpuinfo)
# Test targets whose tests start servers, clients or processes.
TALKING = ^(Daemon|Kbctl|Supervision|Varlink|Web)Tests\.
export DESTDIR PREFIX

.PHONY: all build deb deb-deps linked test-deb man mpi generate test test-levels test-root test-cluster python test-systemd test-faults test-web test-arm lint parity fuzz sanitize soak demo demo-corpus demo-deps deps install

all: build

build: deps
	$(SWIFT) build $(BUILDFLAGS)
	$(MAKE) man mpi

# Builds a plugin of kantaibert-train for each MPI implementation that is installed. See docs/cluster.md.
mpi:
	@sh .ci/mpi $(BUILD)

# Generates the manual pages from the programs' help and the settings: kantaibertd(8), kantaibert-train(8),
# kantaibert-web(8), kbctl(1) and kantaibert.yaml(5).
man:
	$(BUILD)/kb-man pages $(BUILD) $(BUILD)/man

# Rewrites the committed files that are generated from tables in the sources. A test fails if they are stale.
generate: deps
	$(SWIFT) build $(BUILDFLAGS) --product kb-man
	$(BUILD)/kb-man generate .

# All tests of a run share the few threads of Swift's cooperative pool. Compute-bound tests block them for seconds, but
# tests with servers and clients need them immediately. Each kind therefore has a separate run, the latter serially.
test: deps
	$(SWIFT) test $(TESTFLAGS) --skip '$(TALKING)' --skip EndToEndTests
	$(SWIFT) test $(TESTFLAGS) --skip-build --no-parallel --filter '$(TALKING)'
	$(SWIFT) test $(TESTFLAGS) --skip-build --filter EndToEndTests
	$(MAKE) python

# Tests kernels and models at lower levels than the CPU's. OpenBLAS, which computes products at `baseline`, is limited
# likewise. `KANTAIBERT_CPU_LEVEL=avx2 make test` runs all tests at a level.
test-levels: deps
	@for level in $(LEVELS); do \
	    echo "KANTAIBERT_CPU_LEVEL=$$level"; \
	    case $$level in baseline) export OPENBLAS_CORETYPE=Prescott ;; *) unset OPENBLAS_CORETYPE ;; esac; \
	    KANTAIBERT_CPU_LEVEL=$$level $(SWIFT) test $(TESTFLAGS) --filter '^(Kernels|Models)Tests\.' || exit 1; \
	done

# Runs the tests that `test` skips unless it runs as root, without building.
test-root:
	$(SWIFT) test $(TESTFLAGS) --skip-build --no-parallel --filter AsRoot

# Tests the Python client with a separate service.
python:
	@if $(PYTHON) -c 'import pytest' 2>/dev/null; then \
	    cd clients/python && KANTAIBERT_BUILD=$(abspath $(BUILD)) $(PYTHON) -m pytest -q -p no:cacheprovider; \
	else \
	    echo "skipped the tests of clients/python: $(PYTHON) has no pytest"; \
	fi

# Tests the installed units in a Debian container booted with systemd. CACHE= sets the directory for its root.
test-systemd: build
	@sh Tests/RealSystemd/run.sh $(BUILD)

# Injects every kind of fault at every file operation, and kills the service at 200 moments of admission, which takes
# more than half an hour. `test` runs a sample.
test-faults: deps
	KANTAIBERT_TEST_FAULTS=all $(SWIFT) test $(TESTFLAGS) --filter 'FaultTests|AdmissionKillTests'

test-cluster: build
	@RATE=$(RATE) sh Tests/Cluster/run.sh $(BUILD)

test-web: build
	@sh Tests/Web/run.sh $(BUILD)

# Needs no build.
test-arm:
	@SWIFT="$(SWIFT)" sh Tests/ARM/run.sh

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
	    if $(PEERS)/bin/python -c 'import onnx, onnxruntime' 2>/dev/null; then \
	        $(PEERS)/bin/python Tests/Parity/onnx_parity.py $(BUILD)/kb-bench || exit 1; \
	    else \
	        echo "skipped the ONNX comparison: onnx and onnxruntime are not installed in PEERS=$(PEERS)"; \
	    fi; \
	else \
	    echo "skipped the tokenizer comparison: tokenizers is not installed in PEERS=$(PEERS)"; \
	fi

fuzz: deps
	@SWIFT="$(SWIFT)" sh Tests/Fuzz/fuzz.sh $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# Leak detection is off, because memory in use at exit is not a leak here. kbctl is tested only as it is shipped.
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

# Checked before the build, which takes minutes.
demo-corpus:
	@[ -z "$(CORPUS)" ] || { [ -f "$(CORPUS)" ] && [ -r "$(CORPUS)" ]; } || { echo "CORPUS=$(CORPUS) is not a readable file" >&2; exit 66; }

demo-deps: deps
	@[ -n "$(CORPUS)" ] || sh .ci/packages fortunes

# Does not rebuild existing programs, because root may not have Swift.
install: $(PROGRAMS)
	@sh systemd/install.sh $(BUILD)

$(PROGRAMS):
	$(MAKE) build

# Before the build, which makes plugins for the MPI implementations that are installed. Packages have both.
deb-deps:
	@sh .ci/packages $(DEB_PACKAGES)

# Links the built programs again, with one library that they share.
linked: $(PROGRAMS)
	rm -rf $(LINKED)
	SWIFT="$(SWIFT)" $(PYTHON) release/link.py $(BUILD) $(LINKED) $(VERSION) $(filter-out kb-bench,$(notdir $(PROGRAMS)))
	cp -R $(BUILD)/man $(BUILD)/libkantaibert-mpi-*.so $(LINKED)

deb: deb-deps build
	$(MAKE) linked
	sh release/deb.sh $(LINKED) $(DEBS) $(VERSION)

# CACHE= sets the directory for the systems' roots.
test-deb: deb-deps build
	$(MAKE) linked
	@sh Tests/Packages/run.sh $(LINKED) $(VERSION) $(SUITES)
