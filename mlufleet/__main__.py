"""`python -m mlufleet`: the same as the `mlufleet` command."""

from mlufleet.cli.main import main

main(prog_name="mlufleet")
