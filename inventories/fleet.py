"""Your fleet: the hosts of fleet.yml beside this file."""

from pathlib import Path

from fleet.inventory import read

fleet = read(Path(__file__).with_name("fleet.yml"))
