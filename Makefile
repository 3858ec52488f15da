# Cella. `make` lists what can be made.

UV ?= uv

# How long each drill goes on, in seconds. The drills read it as CELLA_DRILL_SECONDS.
DRILL_SECONDS ?= 600

VENV := .venv
PYTHON := $(VENV)/bin/python
RUN := $(VENV)/.run
DEV := $(VENV)/.dev
CODE := $(wildcard src tests benchmarks)
PYTEST := $(PYTHON) -m pytest

.DEFAULT_GOAL := help
.PHONY: help serve test drills lint types imports check bench lock clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
	while IFS='|' read -r target says; do printf '%-16s%s\n' "$$target" "$$says"; done

serve: $(RUN) ## run the server on http://127.0.0.1:8333, its data in ./data
	@$(VENV)/bin/cella serve

test: $(DEV) ## run the tests, without the drills
	$(PYTEST) -q -m "not drill"

# pytest ends with 5 where there are none.
drills: $(DEV) ## run the long and random tests, each for DRILL_SECONDS (600)
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

lock: ## work out requirements/*.txt anew from pyproject.toml; needs uv
	for lock in "run build" "dev dev"; do set -- $$lock; \
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate pyproject.toml --group $$2 -o requirements/$$1.txt || exit 1; done

clean: ## remove what was made, but no data
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(PYTHON):
	@.ci/venv $(VENV)

$(RUN): requirements/run.txt pyproject.toml | $(PYTHON)
	@$(call install,requirements/run.txt)

$(DEV): requirements/dev.txt pyproject.toml | $(PYTHON)
	@$(call install,requirements/dev.txt)

define install
echo "Installing what $(1) names; this happens once." >&2; \
$(PYTHON) -m pip install -q --disable-pip-version-check --require-hashes -r $(1) && \
$(PYTHON) -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e . && \
touch $@
endef
