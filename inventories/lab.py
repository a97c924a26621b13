"""The lab that `make lab` starts on this machine."""

from pathlib import Path

from fleet.inventory import read

lab = read(Path(".lab/inventory.yml"))
