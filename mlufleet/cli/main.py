"""The `mlufleet` command."""

from __future__ import annotations

import click

from mlufleet.cli.adopt import adopt
from mlufleet.cli.bundle import bundle, unbundle
from mlufleet.cli.deploy import deploy
from mlufleet.cli.doctor import doctor
from mlufleet.cli.endpoints import endpoints
from mlufleet.cli.explain import explain
from mlufleet.cli.gather import gather
from mlufleet.cli.groups import MainGroup, add_former_name
from mlufleet.cli.hardware import baseline, hardware, validate
from mlufleet.cli.history import history
from mlufleet.cli.host import break_lock, host, lock_status
from mlufleet.cli.init import init_site
from mlufleet.cli.inventory import check, inventory
from mlufleet.cli.release import lock, new, release, show
from mlufleet.cli.retire import retire
from mlufleet.cli.rollout import rollback, rollout
from mlufleet.cli.run import drift, report, run, status
from mlufleet.cli.store import fetch, store, verify
from mlufleet.cli.translated_command import LANGUAGE_OPTION
from mlufleet.cli.verdict import verdict
from mlufleet.cli.watch import watch_hosts

COMMANDS = (
    deploy,
    doctor,
    rollout,
    adopt,
    retire,
    run,
    inventory,
    release,
    gather,
    store,
    host,
    hardware,
    endpoints,
    verdict,
    watch_hosts,
    history,
    explain,
    bundle,
    unbundle,
    init_site,
)

#: Names that commands had before there were groups.
FORMER_NAMES: dict[str, click.Command] = {
    "check": check,
    "drift": drift,
    "fetch": fetch,
    "golden": baseline,
    "lock": lock,
    "lock-status": lock_status,
    "new": new,
    "report": report,
    "rollback": rollback,
    "show": show,
    "status": status,
    "unlock": break_lock,
    "validate": validate,
    "verify": verify,
}


@click.group(cls=MainGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mlu-fleet")
@click.option(
    LANGUAGE_OPTION,
    metavar="LANG",
    expose_value=False,
    help="Language of everything that people read: en or zh_CN.",
)
def main() -> None:
    """Provision servers with Cambricon MLU370 cards, from SSH access to a running model.

    \b
    Examples:
      mlufleet gather baichuan-7b --store artifacts
      mlufleet inventory check inventories/fleet.py
      mlufleet deploy inventories/fleet.py
      mlufleet rollout start inventories/fleet.py

    Exit status: 0 success, 1 internal error, 2 some hosts failed, 3 invalid input (no host was
    changed), 4 some hosts are unreachable, 5 stopped by the failure budget or to keep endpoints
    ready, or rolled back, 130 interrupted.

    Language: `--lang`, MLUFLEET_LANG or the locale (LC_ALL, LC_MESSAGES, LANG), whichever comes
    first; any but Chinese means English. Codes, metrics and keys of JSON are the same in both.
    """


for shown in COMMANDS:
    main.add_command(shown)
add_former_name(store, "gather", gather)
for name, command in FORMER_NAMES.items():
    add_former_name(main, name, command)
