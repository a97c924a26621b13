"""Read by pyinfra before the inventory: every run of deploy.py keeps a journal from its start."""

from pyinfra import config, state

from fleet import connecting, foreign
from fleet.inventory import kinds, limits
from fleet.run import Run

config.REQUIRE_PYINFRA_VERSION = "==3.10.0"
kinds.check_asked()
limits.govern()
foreign.govern()
connecting.unattended()
Run.start(state)
