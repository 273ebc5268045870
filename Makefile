# Two commands are enough on a machine that has Python and make: `make demo` and `make test`.

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# Two at once, a thread each: more would wait for one another.
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

.PHONY: help demo test check bench soak pictures docs clean

help:
	@echo "make demo    install, draw, and write a page of pictures (demo/index.html)"
	@echo "make test    install and run all tests"
	@echo "make check   format, lint, types and tests"
	@echo "make bench   measure what the evidence tables claim (evidence/*.json)"
	@echo "make soak    kills, threads, a thousand runs, odd input (evidence/soak.json)"
	@echo "make docs    build the documentation (docs/_build/index.html)"

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(INSTALL) --editable .
	@touch $@

.venv/developing: .venv/installed
	$(INSTALL) --editable ".[dev]"
	@touch $@

demo: .venv/installed
	$(BIN)/innerlight demo demo

test: .venv/developing
	$(TESTS)

check: .venv/developing
	$(BIN)/ruff format --check src tests docs
	$(BIN)/ruff check src tests docs
	$(BIN)/basedpyright
	$(TESTS)

bench: .venv/developing
	$(BIN)/innerlight world score --answers evidence/answers/legible.json
	$(BIN)/innerlight embedded score
	$(BIN)/innerlight embedded score --model pocket-2
	$(BIN)/innerlight bench core
	$(BIN)/innerlight bench editing
	$(BIN)/innerlight bench recognition
	$(BIN)/innerlight bench teaching
	$(BIN)/innerlight bench geometry
	$(BIN)/innerlight bench

soak: .venv/developing
	$(BIN)/innerlight bench soak

# The pictures that README and documentation show.
pictures: .venv/installed
	$(BIN)/innerlight world --seed 7 --count 8 --columns 4 --size 192 -o docs/pictures/world.png
	$(BIN)/innerlight demo build/demo
	cd build/demo && cp partners.png drawn.png daam.png edited.png recognised.png method_dreambooth_lora.png ../../docs/pictures/

docs: .venv/developing
	rm -rf docs/_build docs/guide
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs docs/_build
	@echo "Open docs/_build/index.html"

clean:
	rm -rf .venv demo docs/_build docs/guide build dist
