# `make demo`: from a fresh clone to a running service. `make test`: from a fresh clone to a green test run.
# Both make what they need in .venv and touch nothing outside this folder.

PYTHON ?= python3
VENV := .venv
VLLM_VENV := .venv-vllm
CLIENTS_VENV := .venv-clients
RAY_VENV := .venv-ray
TUNE_VENV := .venv-tune
MLFLOW_VENV := .venv-mlflow
DOCLING_VENV := .venv-docling
BIN := $(VENV)/bin
DEMO_DATA ?= demo-data
DEMO_PORT ?= 8080

export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false

.DEFAULT_GOAL := help
.PHONY: help demo test test-vllm test-clients test-ocr test-docling test-ray test-tune test-mlflow lint types floors unit eval lock format clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

$(VENV)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' || \
	  { echo "Python 3.11 or 3.12 is needed; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Choose one with: make PYTHON=/path/to/python3.11 ..." >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo "The venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 2; }
	@touch $@

$(VENV)/runtime: $(VENV)/python pyproject.toml constraints.txt
	@echo "Installing the service into $(VENV) (once; PyTorch is most of it) ..." >&2
	$(BIN)/python -m pip install --quiet --progress-bar on --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/dev: $(VENV)/python pyproject.toml constraints.txt
	@echo "Installing the service and the test tools into $(VENV) (once; PyTorch is most of it) ..." >&2
	$(BIN)/python -m pip install --quiet --progress-bar on --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $(VENV)/runtime $@

demo: $(VENV)/runtime ## Ingest the sample company and serve it on 127.0.0.1
	@PATH="$(CURDIR)/$(BIN):$$PATH" deploy/demo.sh "$(DEMO_DATA)" "$(DEMO_PORT)"

# Two at a time: mypy has one thread, and the tests start beside it.
test: $(VENV)/dev ## Lint, strict types, import floors and the whole test suite
	@$(MAKE) --no-print-directory -j2 lint types floors unit

$(VLLM_VENV)/ready: tests/contracts/vllm-requirements.txt $(VENV)/python
	@echo "Installing vLLM's CPU build into $(VLLM_VENV) (once; 1.8 GB) ..." >&2
	$(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/python -m pip install --quiet --disable-pip-version-check setuptools==78.1.1 torch==2.13.0
	$(VLLM_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

test-vllm: $(VENV)/dev $(VLLM_VENV)/ready ## The contract of model servers on a real vLLM server, without a GPU
	RINGFENCE_TEST_VLLM_PYTHON="$(CURDIR)/$(VLLM_VENV)/bin/python" OMP_NUM_THREADS=1 \
	  $(BIN)/python -m pytest -v -k vllm --timeout 700 tests/contracts/test_generator.py tests/contracts/test_model_server.py

$(CLIENTS_VENV)/ready: tests/e2e/clients-requirements.txt $(VENV)/python
	@echo "Installing LlamaIndex's client into $(CLIENTS_VENV) (once) ..." >&2
	$(PYTHON) -m venv $(CLIENTS_VENV)
	$(CLIENTS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

test-clients: $(VENV)/dev $(CLIENTS_VENV)/ready ## Clients that cannot share an environment with the official one
	RINGFENCE_TEST_CLIENTS_PYTHON="$(CURDIR)/$(CLIENTS_VENV)/bin/python" OMP_NUM_THREADS=1 \
	  $(BIN)/python -m pytest -v tests/e2e/test_other_clients.py tests/api/test_curl.py tests/api/test_openai_client.py

# What is tested there runs inside the service: these environments have what a file names, and see what .venv has.
define beside
	@echo "Installing what $< names into $(@D) (once) ..." >&2
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
	  > "$$($(@D)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/service.pth"
	@touch $@
endef

$(RAY_VENV)/ready: tests/ingestion/ray-requirements.txt $(VENV)/python
	$(beside)

test-ray: $(VENV)/dev $(RAY_VENV)/ready ## Ingestion on a Ray cluster of several nodes on this machine, one of which is killed
	OMP_NUM_THREADS=1 $(RAY_VENV)/bin/python -m pytest -v tests/ingestion/test_ray_engine.py tests/ingestion/test_cluster.py

$(TUNE_VENV)/ready: tests/api/tune-requirements.txt $(VENV)/python
	$(beside)

test-tune: $(VENV)/dev $(TUNE_VENV)/ready ## An embedder trained on a tenant's documents, its index built, compared, switched to
	OMP_NUM_THREADS=1 $(TUNE_VENV)/bin/python -m pytest -v tests/api/test_cli_tune.py tests/evals/test_tuning.py

$(MLFLOW_VENV)/ready: tests/evals/mlflow-requirements.txt $(VENV)/python
	$(beside)

test-mlflow: $(VENV)/dev $(MLFLOW_VENV)/ready ## Reports of evals written to MLflow's store on SQLite
	OMP_NUM_THREADS=1 $(MLFLOW_VENV)/bin/python -m pytest -v -k mlflow tests/evals/test_page.py

test-ocr: $(VENV)/dev ## Scanned pages: installs RapidOCR (150 MB) into the environment and reads some
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[ocr]"
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -v tests/ingestion/test_ocr.py

$(DOCLING_VENV)/ready: tests/ingestion/docling-requirements.txt $(VENV)/python
	@echo "Installing docling-serve into $(DOCLING_VENV) (once; 7 GB, most of it PyTorch) ..." >&2
	$(PYTHON) -m venv $(DOCLING_VENV)
	$(DOCLING_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

test-docling: $(VENV)/dev $(DOCLING_VENV)/ready ## Scanned pages on a real docling-serve, with layout models made for one page
	RINGFENCE_TEST_DOCLING_PYTHON="$(CURDIR)/$(DOCLING_VENV)/bin/python" OMP_NUM_THREADS=1 \
	  $(BIN)/python -m pytest -v --timeout 700 tests/ingestion/test_docling_serve.py

lint: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/dev
	$(BIN)/mypy

floors: $(VENV)/dev
	$(BIN)/lint-imports

# In the order of the folders: by number of tests, long files of one test would come last, and one worker be idle.
# With bytecode, whatever the environment says: else each worker and each command of a test compiles all modules anew.
unit: $(VENV)/dev
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

# The page is written whatever the gates say; the exit code is theirs.
eval: $(VENV)/dev ## What fits into an hour of all evals, and the page of their reports, evals/reports/index.html
	@$(BIN)/ringfence eval all --minutes 60; held=$$?; \
	  $(BIN)/ringfence eval page --out evals/reports/index.html && exit $$held

lock: ## Write constraints.txt anew from what pyproject.toml resolves to in a fresh environment
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	{ sed -n '/^#/p' constraints.txt; .venv-lock/bin/python -m pip freeze --exclude-editable | sed 's/+[a-z0-9]*$$//'; } > constraints.new
	mv constraints.new constraints.txt && rm -rf .venv-lock

format: $(VENV)/dev ## Rewrite the code in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove the virtual environment, caches and demo data
	rm -rf $(VENV) $(VLLM_VENV) $(CLIENTS_VENV) $(RAY_VENV) $(TUNE_VENV) $(MLFLOW_VENV) $(DOCLING_VENV) $(DEMO_DATA) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
