# Cella. `make` lists what can be made.

UV ?= uv

# How long each drill goes on, in seconds. The drills read it as CELLA_DRILL_SECONDS. With a number in
# CELLA_DRILL_SEED schemathesis sends the same each time, and else something else.
DRILL_SECONDS ?= 600

VENV := .venv
PYTHON := $(VENV)/bin/python
RUN := $(VENV)/.run
DEV := $(VENV)/.dev
BROWSER := $(VENV)/.browser
PAGE := src/cella/web/static/index.html
PAGE_FROM := $(shell find web -type f -not -path '*/node_modules/*')
CODE := $(wildcard src tests benchmarks)
PYTEST := $(PYTHON) -m pytest

# Images for containers like to set it, and then every process that a test starts compiles Cella anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help serve test web drills lint types imports check bench torture access lock clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
	while IFS='|' read -r target says; do printf '%-16s%s\n' "$$target" "$$says"; done

serve: $(RUN) $(PAGE) ## run the server on http://127.0.0.1:8333, its data in ./data
	@$(VENV)/bin/cella serve

web: $(PAGE) ## build the page for people, which `make serve` does too

test: $(DEV) $(BROWSER) $(PAGE) ## run the tests, without the drills
	.ci/in-memory $(PYTEST) -q -m "not drill" -n 3 --dist worksteal

# pytest ends with 5 where there are none.
drills: $(DEV) $(BROWSER) ## run the long and random tests, each for DRILL_SECONDS (600)
	CELLA_DRILL_SECONDS=$(DRILL_SECONDS) $(PYTEST) -q -m drill \
	  --timeout $$(($(DRILL_SECONDS) + 300)) || [ $$? -eq 5 ]

lint: $(DEV) ## check style and form of the code
	$(VENV)/bin/ruff check $(CODE)
	$(VENV)/bin/ruff format --check $(CODE)

types: $(DEV) ## check the types
	$(VENV)/bin/mypy $(CODE)

imports: $(DEV) ## check which part imports which (docs/architecture.md)
	$(VENV)/bin/lint-imports

check: lint types imports ## lint, types and imports

bench: $(DEV) ## run the benchmarks and write docs/benchmarks.md
	$(PYTHON) -m benchmarks --write

torture: $(DEV) ## send the torture set to a server and write docs/torture.md
	$(PYTHON) -m tests.torture --write

access: $(DEV) ## write who may do what into docs/access.md
	CELLA_WRITE_ACCESS=1 $(PYTEST) -q tests/api/test_access.py -k page

lock: ## work out requirements/*.txt anew from pyproject.toml; needs uv
	for lock in "run build" "web web" "dev dev"; do set -- $$lock; \
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate pyproject.toml --group $$2 -o requirements/$$1.txt || exit 1; done

clean: ## remove what was made, but no data
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache \
	  tests/browser/node_modules web/node_modules src/cella/web/static
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(PYTHON):
	@.ci/venv $(VENV)

$(RUN): requirements/run.txt pyproject.toml | $(PYTHON)
	@$(call install,requirements/run.txt)

$(DEV): requirements/dev.txt pyproject.toml | $(PYTHON)
	@$(call install,requirements/dev.txt)

$(BROWSER): tests/browser/package-lock.json | $(DEV)
	@.ci/browser $(VENV)

$(PAGE): $(PAGE_FROM) requirements/web.txt | $(PYTHON)
	@.ci/page $(VENV)

define install
echo "Installing what $(1) names; this happens once." >&2; \
$(PYTHON) -m pip install -q --disable-pip-version-check --require-hashes -r $(1) && \
$(PYTHON) -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e . && \
touch $@
endef
