# `make` lists the targets. Every target does its own set-up; nothing but make and Python is needed.

PYTHON      ?= python3
VENV        ?= .venv
# Where a CPU build of PyTorch is looked for, beside pip's own indexes; empty: nowhere else.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# auto: the optional GDAL bindings (osgeo) are built where they can be; no: they are not.
GDAL        ?= auto
# Processes that run tests at once.
TEST_JOBS   ?= 2
PYTEST_ARGS ?=

# A system's PROJ or GDAL data does not fit the libraries inside the rasterio, pyproj and pyogrio wheels.
unexport PROJ_DATA PROJ_LIB GDAL_DATA

PY        := $(VENV)/bin/python
STEP      := $(PYTHON) .ci/step.py
SETUP     := $(PYTHON) .ci/setup_env.py --venv "$(VENV)"
READY     := $(VENV)/.ready
GDALREADY := $(VENV)/.ready-gdal
BENCH     := $(if $(wildcard benchmarks/*.py),benchmarks)
TIMES     := demo/times.txt

.DEFAULT_GOAL := help
.PHONY: help setup gdal demo test test-full lint typecheck unit sample-data embedded clean distclean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile
	@echo 'Variables: PYTHON=$(PYTHON) VENV=$(VENV) GDAL=$(GDAL) (or no) TORCH_INDEX=$(TORCH_INDEX) TEST_JOBS=$(TEST_JOBS) PYTEST_ARGS='

$(READY): pyproject.toml .ci/constraints.txt .ci/setup_env.py
	@$(SETUP) packages --torch-index "$(TORCH_INDEX)" --stamp $@

$(GDALREADY): $(READY)
	@$(SETUP) gdal --stamp $@

setup: $(READY) $(if $(filter no,$(GDAL)),,$(GDALREADY)) ## make the environment, in .venv
	@echo "Environment ready: $(VENV) (sarseg is $(VENV)/bin/sarseg)"

gdal: $(READY) ## try once more to build the optional GDAL bindings
	@$(SETUP) gdal --stamp $(GDALREADY)

demo: ## map and vectorise the sample scene, into demo/
	@mkdir -p demo && rm -f $(TIMES)
	@$(STEP) --log $(TIMES) "environment" -- $(MAKE) --no-print-directory setup
	@$(STEP) --log $(TIMES) "predict" -- $(VENV)/bin/sarseg predict sample_data/scene.tif \
		-o demo/landcover.tif --confidence --overwrite
	@$(STEP) --log $(TIMES) "vectorize" -- $(VENV)/bin/sarseg vectorize demo/landcover.tif \
		-o demo/landcover.gpkg --overwrite
	@echo
	@echo "Land-cover map: demo/landcover.tif"
	@echo "Polygons:       demo/landcover.gpkg"
	@echo "Time taken:"
	@cat $(TIMES)

test: setup ## check style and types, and run the tests
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory typecheck
	@$(MAKE) --no-print-directory unit

# pytest's exit code 5: no test was collected.
test-full: test ## the same, and the long campaigns
	@$(STEP) "pytest -m full" -- $(PY) -m pytest -m full $(PYTEST_ARGS) || [ $$? -eq 5 ]

lint: setup
	@$(STEP) "ruff check" -- $(PY) -m ruff check .
	@$(STEP) "ruff format --check" -- $(PY) -m ruff format --check .

typecheck: setup
	@$(STEP) "mypy" -- $(PY) -m mypy sarseg $(BENCH)

unit: setup
	@$(STEP) "pytest" -- $(PY) -m pytest -n $(TEST_JOBS) --dist loadfile $(PYTEST_ARGS)

sample-data: setup ## make sample_data/ anew
	@$(STEP) "sample data" -- $(PY) -m sarseg.datasets.synthetic sample_data/

embedded: setup ## train the embedded model anew
	@$(STEP) "embedded model" -- $(PY) -m sarseg.training.embedded

clean: ## remove results and caches, but not the environment
	rm -rf demo build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find sarseg tests benchmarks .ci -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove the environment too
	[ ! -f "$(VENV)/pyvenv.cfg" ] || rm -rf "$(VENV)"
