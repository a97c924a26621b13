"""Read by pyinfra before the inventory: every run of deploy.py keeps a journal from its start."""

import sys

from pyinfra import config, state

if not sys.flags.dont_write_bytecode:
    # pyinfra's command turns bytecode off; every run would compile the packages below again
    sys.dont_write_bytecode = False

from fleet.inventory import file_formats, host_selection
from fleet.text import sanitize
from mlufleet.connect import settings
from mlufleet.run.run import Run

config.REQUIRE_PYINFRA_VERSION = "==3.10.0"
file_formats.check_command_line()
host_selection.patch_pyinfra_cli()
sanitize.filter_pyinfra_output()
settings.configure_unattended()
Run.start_for_deploy(state)
