# make lab: the main job on a lab of its own.  make test: lint, types and all tests.
PYTHON ?= python3
LAB_HOSTS ?= 3
BIN := .venv/bin
INVENTORY := inventories/lab.py
# the lab of a lane of tests, beside that of `make lab`
lane = LAB_PREFIX=mlulane-$(1)- LAB_DIR=.lanes/$(1)/.lab
# the tests start this project's commands hundreds of times: they are compiled once
unexport PYTHONDONTWRITEBYTECODE

.PHONY: bench browser cards clean docs help kernel killed kills lab lab-down lab-up light lint lock model \
  monitoring rollouts servers single test test-all test-kernel unit unit-fleet unit-host \
  unit-mlufleet unit-operations unit-proof unit-python unit-waits unit-watch

help:
	@echo "make lab       start a lab of $(LAB_HOSTS) hosts and provision it (LAB_HOSTS=20 for more)"
	@echo "make lab-down  remove the lab and all it built"
	@echo "make test      lint, types, unit and browser tests, end-to-end and fault tests on the lab"
	@echo "make test-all  make test with the tests that are marked long, then make test-kernel"
	@echo "make test-kernel  install, upgrade and reboot a host with a kernel of its own (qemu, an hour)"
	@echo "make unit      lint, types and what needs no lab"
	@echo "make unit-python  the unit tests on other versions (PYTHONS=\"python3.10 python3.12\")"
	@echo "make docs      write the generated pages and build docs/ as a site, in English and Chinese"
	@echo "make bench     what runs and transfers cost (an hour; BENCHES=\"noop peers\": these alone)"
	@echo "make kills     strike a lab host at POINTS=100 points (an hour)"

# installing compiles the catalogs of messages
.venv/ready: requirements.lock pyproject.toml $(wildcard fleet/locale/*/LC_MESSAGES/*.po)
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
	@for release in .lab/releases/*.yml; do $(BIN)/mlufleet release lock "$$release" --store .lab/store --quiet || exit $$?; done

lab: lock
	$(BIN)/pyinfra -y $(INVENTORY) deploy.py

lab-down: .venv/ready
	@$(foreach name,$(LANES),$(call lane,$(name)) $(BIN)/python -m tests.lab down &&) :
	@rm -rf .lanes
	@$(BIN)/python -m tests.lab down --all

docs: .venv/ready
	@$(BIN)/python -m mlufleet.reference
	@$(BIN)/python -m mlufleet.reference.report_schema > docs/report.schema.json
	@$(BIN)/python tools/llms_index.py > llms.txt
	@$(BIN)/mkdocs build --strict
	@echo "docs: .site/index.html; in Chinese: .site/zh/index.html"

lint: .venv/ready
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --no-cache > .mypy_cache/imports || { cat .mypy_cache/imports; exit 1; }
	@$(BIN)/python tools/structure.py
	@$(BIN)/python tools/messages.py check
	@$(BIN)/python tools/translations.py

WAITING_TESTS := tests/unit/mlufleet/connect tests/unit/serving
HOST_TESTS := tests/unit/operations/host tests/unit/operations/transfer

# beside each other, as each waits for processes of its own
UNIT := unit-watch unit-waits unit-host unit-operations unit-mlufleet unit-fleet unit-proof
unit: .venv/ready
	@$(MAKE) --no-print-directory --jobs=$(JOBS_AT_ONCE) --keep-going --output-sync=target \
	  lint $(UNIT)

unit-operations: .venv/ready
	@$(BIN)/pytest tests/unit/operations $(addprefix --ignore ,$(HOST_TESTS))

unit-host: .venv/ready
	@$(BIN)/pytest $(HOST_TESTS)

# these wait for pip and git
unit-proof: .venv/ready
	@$(BIN)/pytest tests/unit/fleet/proof tests/unit/fleet/gather

unit-fleet: .venv/ready
	@$(BIN)/pytest tests/unit/fleet --ignore tests/unit/fleet/proof --ignore tests/unit/fleet/gather

# these wait for hosts and servers that do not answer, beside what keeps the processor busy
unit-waits: .venv/ready
	@$(BIN)/pytest $(WAITING_TESTS)

unit-watch: .venv/ready
	@$(BIN)/pytest tests/unit/mlufleet/watch

unit-mlufleet: .venv/ready
	@$(BIN)/pytest tests/unit $(addprefix --ignore ,tests/unit/fleet tests/unit/operations \
	  tests/unit/mlufleet/watch $(WAITING_TESTS))

PYTHONS ?= python3.10 python3.11 python3.12 python3.13
unit-python:
	@for python in $(PYTHONS); do \
	  $$python -c '' 2>/dev/null || { echo "$$python: skipped, it is not installed"; continue; }; \
	  echo "$$python: $$($$python --version)"; folder=.pythons/$${python##*/}; \
	  cmp -s requirements.lock $$folder/ready || { \
	    $$python -m venv --clear $$folder && \
	    $$folder/bin/pip install --quiet --disable-pip-version-check --require-hashes \
	      -r requirements.lock && \
	    $$folder/bin/pip install --quiet --disable-pip-version-check --no-deps \
	      --no-build-isolation --editable . && \
	    cp requirements.lock $$folder/ready; } || exit $$?; \
	  $$folder/bin/python -m pytest tests/unit || exit $$?; \
	done

# more at once only wait for the processor, and then time limits of the tests run out
JOBS_AT_ONCE ?= 6

# Begun in this order: what fails soonest, what others wait for, then the lanes, which take longest; unit
# tests fill the time until there are hosts, and the end. Where lint finds something no lane begins. Where
# the kernel weighs sessions against each other, this session gets what the lab's hosts together get
# (CPU_WEIGHTS in tests/lab/machine.py): it has as many processes.
test: .venv/ready
	@{ echo -9 > /proc/self/autogroup; } 2>/dev/null || :
	@$(MAKE) --no-print-directory --jobs=$(JOBS_AT_ONCE) --keep-going --output-sync=target \
	  FIRST=lint lint lock $(LANES) $(UNIT) browser monitoring

browser: .venv/ready
	@$(BIN)/pytest tests/browser

# waits for alerts
monitoring: .venv/ready
	@$(BIN)/pytest tests/monitoring

# Lanes of what needs hosts. A file is in one lane: in `servers`, on the lab of `make lab` with a host of
# each kind, unless it stands in another; those have labs of their own. `single` and `model` have one
# host with the model, `cards` one with four cards; in `light` and `rollouts` hosts have the small
# release; the one host of `killed` is struck in every stage of a run; `kernel` has the core of what needs
# a real kernel. What takes the model from a host comes last.
LANES := kernel killed light single servers rollouts cards model
cards := tests/e2e/test_server.py tests/e2e/test_validation.py tests/faults/test_22_cards.py \
  tests/faults/test_liars.py tests/e2e/test_several_releases.py tests/e2e/test_serving.py
light := $(wildcard tests/faults/test_1_*.py) tests/faults/test_35_36_swarm.py \
  tests/e2e/test_adoption.py tests/e2e/test_bundle.py tests/e2e/test_foreign_things.py \
  tests/e2e/test_registry.py tests/e2e/test_reuse.py tests/e2e/test_slurm.py \
  tests/e2e/test_supervised_container.py tests/e2e/test_systems.py \
  tests/e2e/test_watch_alerts.py tests/e2e/test_watch_mends.py tests/e2e/test_watch_unit.py
killed := tests/faults/test_kill_points.py
model := tests/faults/test_17_18_disks.py tests/e2e/test_recipes.py tests/e2e/test_shapes.py
single := tests/e2e/test_earlier_version.py tests/e2e/test_refusals.py $(patsubst %,tests/faults/test_%.py, \
  3_artifacts 5_6_interrupted 7_power_cut 8_9_13_reboots 11_package_locks 12_module \
  14_15_16_kernels 23_busy_cards 25_clocks 29_30_two_operators 31_pins 33_34_trees \
  34_killed_tool 40_41_logins engine_settings silent_docker)
rollouts := tests/rollout
kernel := tests/kernel/test_1_driver.py
servers = $(filter-out $(cards) $(killed) $(light) $(model) $(single), \
  $(wildcard tests/e2e/test_*.py tests/faults/test_*.py))
# commands are forks of a process that has imported the tool
PRELOAD := MLULAB_PRELOAD=yes
HOSTS_single := --hosts 1
HOSTS_killed := --hosts 1
HOSTS_model := --hosts 1
HOSTS_light := --hosts 6
HOSTS_cards := --hosts 0 --kinds u1804

# what is marked `long` is left out by default: it takes minutes, and a case close to it is not marked
TESTS ?= not long

# the output comes at the end, one lane after the other
servers: lock $(FIRST)
	@mkdir -p .lanes/$@
	@$(BIN)/pytest -m "$(TESTS)" $($@) > .lanes/$@/output 2>&1; status=$$?; cat .lanes/$@/output; exit $$status

$(filter-out servers kernel,$(LANES)): lock $(FIRST)
	@mkdir -p .lanes/$@/.lab && cp -alf .lab/store .lanes/$@/.lab && \
	  cp -a .lab/upstream .lab/build .lab/releases .lanes/$@/.lab
	@export $(call lane,$@) $(PRELOAD); { \
	  $(if $(HOSTS_$@),$(BIN)/python -m tests.lab up $(HOSTS_$@) &&) $(BIN)/pytest -m "$(TESTS)" $($@); \
	} > .lanes/$@/output 2>&1; status=$$?; cat .lanes/$@/output; exit $$status

# the longest chain of work on one processor: it makes what little it needs, and waits for nobody
kernel: .venv/ready
	@mkdir -p .lanes/$@
	@export $(call lane,$@) $(PRELOAD); $(BIN)/pytest $($@) > .lanes/$@/output 2>&1; status=$$?; \
	  cat .lanes/$@/output; exit $$status

test-kernel: .venv/ready
	@$(BIN)/pytest tests/kernel

test-all:
	@$(MAKE) --no-print-directory TESTS= test
	@$(MAKE) --no-print-directory test-kernel

POINTS ?= 100
kills: lock
	@$(BIN)/python -m tests.faults.kills --points $(POINTS)

BENCHES ?= transfer noop rtt probe changed peers distribution pull racks lockstep serving watch
bench: lock
	@mkdir -p .lab/figures
	@for bench in $(BENCHES); do \
	  $(BIN)/python -m tests.bench.$$bench > .lab/figures/$$bench.json || exit $$?; \
	  echo ".lab/figures/$$bench.json"; done

clean:
	rm -rf .venv .pythons .site .mypy_cache .import_linter_cache .ruff_cache .pytest_cache
