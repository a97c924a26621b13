"""The emulated host with its own kernel that `make test-kernel` starts on this machine."""

from pathlib import Path

from fleet.inventory import as_pyinfra_groups, load_hosts

globals().update(as_pyinfra_groups(load_hosts(Path(".lab/kernel.yml")), "kernel"))
