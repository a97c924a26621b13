"""pyinfra's state of an inventory, in the stage in which each host goes at a pace of its own."""

from __future__ import annotations

import os

from pyinfra.api import Config, Host
from pyinfra.api.state import State, StateStage
from pyinfra.context import ctx_config, ctx_inventory, ctx_state

from fleet.inventory import host_selection
from fleet.inventory.pyinfra_loader import load_inventory
from mlufleet.connect import open_files
from mlufleet.run import launcher, pyinfra_options
from mlufleet.run.host_checks import check_hosts
from mlufleet.run.quarantined_hosts import QuarantinedHosts, leave_out

CONFIG_FILE = "config.py"


def prepare_state(
    inventory: str,
    limit: tuple[str, ...],
    data: tuple[str, ...],
    exclude: tuple[str, ...] = (),
    *,
    heeds_quarantine: bool = False,
) -> tuple[State, list[Host], QuarantinedHosts]:
    """Validate an inventory and all that it names, and make pyinfra's state of it.

    Args:
        inventory: File of the inventory.
        limit: Only these hosts and groups; empty for all.
        data: ``KEY=VALUE`` pairs for all hosts.
        exclude: Not these hosts and groups.
        heeds_quarantine: Whether hosts in quarantine are left out.

    Returns:
        The state, the selected hosts, of which none is connected to, and those in quarantine.

    Raises:
        InvalidInput: Something is wrong that can be known before the first connection.
    """
    pairs = pyinfra_options.parse_data(data)
    state = State(check_for_changes=False)
    ctx_state.set(state)
    found = load_inventory(inventory, pairs)
    check_hosts(inventory, found)
    launcher.warn_about_permissions(inventory, found)
    limited = host_selection.apply_exclude(found, host_selection.apply_limit(found, limit), exclude)
    limited, quarantined = leave_out(inventory, found, limited, heeds=heeds_quarantine)
    ctx_inventory.set(found)
    state.init(found, _read_config(), initial_limit=limited)
    hosts: list[Host] = list(found) if limited is None else limited
    open_files.raise_limit(hosts)
    _begin_execution(state, hosts)
    return state, hosts, quarantined


def _read_config() -> Config:
    from pyinfra_cli.util import exec_file

    config = Config()
    with ctx_config.use(config):
        if os.path.isfile(CONFIG_FILE):
            exec_file(CONFIG_FILE)
    return config


def _begin_execution(state: State, hosts: list[Host]) -> None:
    for host in hosts:
        state.activate_host(host)
    state.current_stage = StateStage.Execute
    state.is_executing = True
