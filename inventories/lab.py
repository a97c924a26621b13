"""The lab that `make lab` starts on this machine."""

from pathlib import Path

from fleet.inventory import as_pyinfra_groups, load_hosts

globals().update(as_pyinfra_groups(load_hosts(Path(".lab/inventory.yml")), "lab"))
