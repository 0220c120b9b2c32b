# Recipes name every path relative to this folder, so a checkout below a folder with spaces works.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
PACKAGES := .venv/.packages
INSTALLED := .venv/.installed
EDGES := build/mobilenet_v2_hed
PHOTO := build/sample.jpg

.DELETE_ON_ERROR:
.PHONY: setup demo test bench lint schema zoo

setup: $(INSTALLED)

$(PACKAGES): requirements.lock
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'archspec needs Python 3.11 or newer; name one with: make setup PYTHON=python3.11' >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo 'archspec needs the venv module of Python; on Debian: apt-get install python3-venv' >&2; exit 1; }
	"$(PYTHON)" -m venv --clear .venv
	$(PIP) install --no-deps -r requirements.lock
	@touch $@

$(INSTALLED): $(PACKAGES) pyproject.toml
	$(PIP) install --no-deps --no-build-isolation -e .
	$(PIP) check
	@# without bytecode every command compiles the sources anew; some machines forbid Python to write it by itself
	$(BIN)/python -m compileall -q archspec
	@touch $@

demo: setup
	$(BIN)/archspec build specs/mobilenet_v2_hed.yaml --weights weights/mobilenet_v2_hed.weights.h5
	$(BIN)/archspec sample $(PHOTO)
	$(BIN)/archspec predict $(EDGES)/arm64-v8a/model.tflite $(PHOTO) -o build/sample.edges.png --overlay build/sample.found.png
	@echo
	@echo 'artifacts: $(EDGES)'
	@echo 'photo:     $(PHOTO)'
	@echo 'edges:     build/sample.edges.png'
	@echo 'document:  build/sample.found.png'

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile

bench: setup
	$(BIN)/python benchmarks/run.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy archspec benchmarks tests

schema: setup
	mkdir -p schemas
	$(BIN)/archspec schema > schemas/archspec.schema.json.part
	mv schemas/archspec.schema.json.part schemas/archspec.schema.json

zoo: setup
	$(BIN)/python docs/zoo.py
