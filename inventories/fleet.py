"""Your fleet: the hosts of fleet.yml or fleet.csv beside this file, and their groups."""

from pathlib import Path

from fleet.inventory import grouped, one_of, read

_beside = Path(__file__)
globals().update(grouped(read(one_of(_beside.with_suffix(".yml"), _beside.with_suffix(".csv")))))
