"""Your fleet: the hosts and groups of fleet.yml, fleet.csv or fleet.xlsx in this folder.

A copy under another name reads the file with that name.
"""

from pathlib import Path

from fleet.inventory import as_pyinfra_groups, find_inventory_file, load_hosts

_endings = (".yml", ".yaml", ".csv", ".xlsx")
_candidates = [Path(__file__).with_suffix(ending) for ending in _endings]
globals().update(as_pyinfra_groups(load_hosts(find_inventory_file(*_candidates))))
