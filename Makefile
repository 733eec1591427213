# Each target sets up what it needs in $(VENV); `make` alone lists them.
VENV ?= .venv
PYTHON ?= python3
BIN = $(VENV)/bin

.PHONY: help demo test test-slow formal sim-v1 lint bench fpga test-fpga test-board wheel wheel-test clean

help:
	@echo "make demo        compile the chip, run the digits model on it, show the answers"
	@echo "make test        the tests that take minutes at most"
	@echo "make test-slow   all tests, the long ones too"
	@echo "make formal      proofs of the control blocks, by yosys and z3"
	@echo "make sim-v1      build and run the 256x256 matrix unit as a simulation"
	@echo "make bench       cycles and simulation speed of the four MLPerf Tiny models"
	@echo "make fpga        a bitstream for each board (an hour)"
	@echo "make test-fpga   netlists in models of the vendors' cells, the smallest board and the top of each, by the FPGA tools (needs libftdi1, libusb)"
	@echo "make test-board  of these, the smallest board: its bitstream, and its netlist simulated"
	@echo "make lint        ruff"
	@echo "make wheel-test  build a wheel, install it elsewhere, use it"

$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/pyvenv.cfg
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/pyvenv.cfg
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-fpga: pyproject.toml | $(VENV)/pyvenv.cfg
	$(BIN)/python -m pip install --quiet --editable ".[test,fpga]"
	@touch $@ $(VENV)/.installed $(VENV)/.installed-test

demo: $(VENV)/.installed
	$(BIN)/python examples/digits/demo.py

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not slow and not fpga and not formal"

test-slow: $(VENV)/.installed-fpga
	$(BIN)/python -m pip install --quiet --editable ".[formal]"
	$(BIN)/python -m pytest

formal: $(VENV)/.installed-test
	$(BIN)/python -m pip install --quiet --editable ".[formal]"
	$(BIN)/python -m pytest -m formal

sim-v1: $(VENV)/.installed-test
	$(BIN)/python -m pytest tests/test_matrix_simulation.py

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .

bench: $(VENV)/.installed
	$(BIN)/systolith bench

test-fpga: $(VENV)/.installed-fpga
	$(BIN)/python -m pytest -m fpga

test-board: $(VENV)/.installed-fpga
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m fpga tests/test_icebreaker.py

# Goes on with the others where one fails.
fpga: $(VENV)/.installed-fpga
	failed=0; for board in $$($(BIN)/python -c "from systolith.synth.boards import BOARDS; print(*BOARDS)"); do \
	  $(BIN)/systolith build $$board || failed=1; done; exit $$failed

wheel: $(VENV)/pyvenv.cfg
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

# From a folder that holds no checkout: what a user of the wheel has, and no more.
wheel-test: wheel
	rm -rf build/wheel-test && mkdir -p build/wheel-test
	$(PYTHON) -m venv build/wheel-test/venv
	build/wheel-test/venv/bin/python -m pip install --quiet dist/systolith-*.whl
	cp examples/digits/digits.tflite build/wheel-test
	cd build/wheel-test && venv/bin/systolith info --json > info.json \
	  && venv/bin/systolith run digits.tflite --device model --config nano --check \
	  && venv/bin/systolith verilog --config pico -o pico.v

clean:
	rm -rf build dist .pytest_cache .ruff_cache sim_build
