"""The process in which pyinfra runs deploy.py: it validates the input, then pyinfra takes over.

`mlufleet deploy` waits for it in a process of its own, which writes the report also if this one is
killed. Validation needs pyinfra's inventory, so both parts share one import of pyinfra: half a
second of processor time.
"""

from __future__ import annotations

import importlib
import os
import sys

from fleet.errors import ExitStatus
from mlufleet.run import launcher, pyinfra_options, startup
from mlufleet.run.error_exit import exit_on_error
from mlufleet.run.standard_streams import protect_standard_streams


def deploy_command(inventory: str, options: tuple[str, ...]) -> list[str]:
    """Return pyinfra's command line for deploy.py, which asks nobody whether to go on.

    Args:
        inventory: The inventory's file.
        options: Options of pyinfra.

    Raises:
        InvalidInput: An option is invalid.
    """
    if not {"dry", "yes"} & pyinfra_options.parse_options(options).keys():
        options = ("-y", *options)  # first, so that no option before it takes it for its value
    return ["pyinfra", inventory, "deploy.py", *options]


def main(output: int, inventory: str, options: tuple[str, ...]) -> None:
    """Validate the input and run deploy.py; pyinfra ends the process.

    Args:
        output: File descriptor for all that pyinfra prints; warnings and errors of the validation
            are printed on the terminal.
        inventory: The inventory's file.
        options: Options of pyinfra.

    Raises:
        SystemExit: Always; with ``ExitStatus.INVALID`` if the input is invalid.
    """
    protect_standard_streams()
    try:
        with exit_on_error():
            with startup.cheap_imports():
                from pyinfra_cli.main import main as run_pyinfra

                importlib.import_module("mlufleet.run.run")  # what config.py and deploy.py need
            # pyinfra reads the inventory once more, and config.py has that checked again
            launcher.validate_run(inventory, options)
            sys.argv = deploy_command(inventory, options)
    except KeyboardInterrupt:
        sys.exit(ExitStatus.INTERRUPTED)
    if output != sys.stdout.fileno():
        os.dup2(output, 1)
        os.dup2(output, 2)
    run_pyinfra()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], tuple(sys.argv[3:]))
