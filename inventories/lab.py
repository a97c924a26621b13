"""The lab that `make lab` starts on this machine."""

from pathlib import Path

from fleet.inventory import grouped, read

globals().update(grouped(read(Path(".lab/inventory.yml")), "lab"))
