"""`python -m mlufleet` is the `mlufleet` command."""

from mlufleet.cli.main import main

main()
