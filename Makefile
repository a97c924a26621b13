# make lab: the main job on a lab of its own.  make test: lint, types and all tests.
PYTHON ?= python3
LAB_HOSTS ?= 3
BIN := .venv/bin
INVENTORY := inventories/lab.py
# lanes of tests in labs of their own, beside the one of `make lab`, which has what those need
faults := LAB_PREFIX=mlulab2- LAB_DIR=.faults/.lab
rollouts := LAB_PREFIX=mlulab3- LAB_DIR=.rollouts/.lab

.PHONY: bench clean docs e2e faults help kills lab lab-down lab-up lint lock rollouts test \
  test-kernel unit unit-1 unit-2

help:
	@echo "make lab       start a lab of $(LAB_HOSTS) hosts and provision it (LAB_HOSTS=20 for more)"
	@echo "make lab-down  remove the lab and all it built"
	@echo "make test      lint, types, unit and browser tests, end-to-end and fault tests on the lab"
	@echo "make test-kernel  install, upgrade and reboot a host with a kernel of its own (qemu, an hour)"
	@echo "make unit      what needs no lab"
	@echo "make docs      write the generated pages and build docs/ as a site"
	@echo "make bench     what runs and transfers cost (an hour; BENCHES=\"noop peers\": these alone)"
	@echo "make kills     strike a lab host at POINTS=100 points (an hour)"

.venv/ready: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "python3 (3.10 or newer) is missing: apt-get install python3 python3-venv" >&2; exit 1; }
	@echo "environment: .venv"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "Python 3.10 or newer is needed (PYTHON=/path/to/python3 make ...)" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

lab-up: .venv/ready
	@$(BIN)/python -m tests.lab up --hosts $(LAB_HOSTS)

lock: lab-up
	@for release in .lab/releases/*.yml; do $(BIN)/mlufleet lock "$$release" --store .lab/store --quiet || exit $$?; done

lab: lock
	$(BIN)/pyinfra -y $(INVENTORY) deploy.py

lab-down: .venv/ready
	@$(faults) $(BIN)/python -m tests.lab down
	@$(rollouts) $(BIN)/python -m tests.lab down
	@rm -rf .faults .rollouts
	@$(BIN)/python -m tests.lab down --all

docs: .venv/ready
	@$(BIN)/python -m mlufleet.reference.release_format
	@$(BIN)/mkdocs build --strict
	@echo "docs: .site/index.html"

lint: .venv/ready
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# in two processes, as each test waits for processes of its own
unit: lint
	@$(MAKE) --no-print-directory --jobs=2 --keep-going --output-sync=target unit-1 unit-2

unit-1 unit-2: .venv/ready
	@$(BIN)/pytest tests/unit --splits 2 --group $(@:unit-%=%) --splitting-algorithm least_duration

# a lab that is built waits for downloads, unit tests for the processor; hosts that reboot, rollouts
# and an emulated host wait for themselves: all beside each other
test: .venv/ready
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=line unit lock
	@$(BIN)/pytest tests/browser
	@$(MAKE) --no-print-directory --jobs=3 --keep-going e2e faults rollouts

e2e: lock
	@$(BIN)/pytest tests/e2e

faults: lock
	$(call apart,tests/faults)

# with the core of what needs a real kernel
rollouts: lock
	$(call apart,tests/rollout tests/kernel/test_1_install.py)

# in a lab of the target's own; the output comes at the end, one lane after the other
define apart
	@mkdir -p .$@/.lab && cp -a .lab/store .lab/upstream .lab/build .lab/releases .$@/.lab
	@$($@) $(BIN)/python -m tests.lab up --hosts $(LAB_HOSTS) > .$@/output 2>&1; \
	  $($@) $(BIN)/pytest $(1) >> .$@/output 2>&1; status=$$?; cat .$@/output; exit $$status
endef

test-kernel: .venv/ready
	@$(BIN)/pytest tests/kernel

POINTS ?= 100
kills: lock
	@$(BIN)/python -m tests.faults.kills --points $(POINTS)

BENCHES ?= transfer noop rtt probe changed peers distribution racks lockstep
bench: lock
	@mkdir -p .lab/figures
	@for bench in $(BENCHES); do \
	  $(BIN)/python -m tests.bench.$$bench > .lab/figures/$$bench.json || exit $$?; \
	  echo ".lab/figures/$$bench.json"; done

clean:
	rm -rf .venv .site .mypy_cache .ruff_cache .pytest_cache
