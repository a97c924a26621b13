"""The host with a kernel of its own that `make test-kernel` starts on this machine."""

from pathlib import Path

from fleet.inventory import grouped, read

globals().update(grouped(read(Path(".lab/kernel.yml")), "kernel"))
