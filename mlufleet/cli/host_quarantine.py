"""`mlufleet host quarantine` and `unquarantine`: hosts that runs leave alone."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet import quarantine
from fleet.errors import FAILURE_TABLE, ExitStatus, Failure, InvalidInput, canonical_code
from fleet.language import _
from fleet.quarantine import MAX_REASON, Quarantine
from fleet.text import sanitize, suggestions

if TYPE_CHECKING:
    from pyinfra.api.inventory import Inventory

#: what a hook learns of the host's new status
QUARANTINED, RELEASED = "quarantined", "released"
#: seconds that a hook may take, unless an option says otherwise
HOOK_TIMEOUT_S = 600


def begin(
    inventory: str, patterns: Sequence[str], reason: str, code: str, hook: str, timeout_s: int
) -> int:
    """Take hosts out of service, run the hook for each, and return the exit status.

    Args:
        inventory: File of the inventory.
        patterns: The hosts, as `--limit` takes them.
        reason: Why; the same for all of them.
        code: Failure code that it is about; may be empty.
        hook: Shell command for each host; may be empty.
        timeout_s: Seconds that it may take.

    Raises:
        InvalidInput: A host is unknown, there is no reason, or the file is not valid.
    """
    from mlufleet.run.operator import operator_name

    path = quarantine.find_file(inventory)
    hosts = _load_inventory(inventory)
    names = _select(patterns, hosts, ())
    entry = Quarantine.begin(operator_name(), check_reason(reason), check_code(code))
    begun = quarantine.add(path, dict.fromkeys(names, entry), Path(inventory))
    known = quarantine.load(path)
    for name in names:
        if name in begun:
            click.echo(f"{name}: {entry.sentence}")
        elif name in known:
            click.echo(
                _(
                    "{host}: was already {state}; nothing is changed",
                    host=name,
                    state=known[name].sentence,
                )
            )
    if begun:
        click.echo(_("written: {path}", path=path), err=True)
    return _run_hooks(hook, timeout_s, hosts, dict.fromkeys(begun, entry), QUARANTINED)


def end(inventory: str, patterns: Sequence[str], hook: str, timeout_s: int) -> int:
    """Put hosts back into service, run the hook for each, and return the exit status.

    Args:
        inventory: File of the inventory.
        patterns: The hosts, as `--limit` takes them; also those that the inventory has no more.
        hook: Shell command for each host; may be empty.
        timeout_s: Seconds that it may take.

    Raises:
        InvalidInput: A host is unknown, or the file is not valid.
    """
    path = quarantine.find_file(inventory)
    hosts = _load_inventory(inventory)
    names = _select(patterns, hosts, quarantine.load(path))
    ended = quarantine.remove(path, names)
    for name in names:
        if name in ended:
            click.echo(
                _(
                    "{host}: no longer in quarantine; it was so {details}",
                    host=name,
                    details=ended[name].details,
                )
            )
        else:
            click.echo(_("{host}: is not in quarantine; nothing is changed", host=name))
    return _run_hooks(hook, timeout_s, hosts, ended, RELEASED)


def run_hook_of_watch(inventory: str, name: str) -> int:
    """Run the hook that the environment names for a host that is in quarantine.

    Args:
        inventory: File of the inventory.
        name: Name of the host.

    Raises:
        InvalidInput: The inventory or the file is not valid, or the host is not in quarantine.
    """
    from mlufleet.watch.remediation.quarantine_rung import HOOK_VARIABLE, TIMEOUT_VARIABLE

    hook = os.environ.get(HOOK_VARIABLE, "")
    timeout_s = int(os.environ.get(TIMEOUT_VARIABLE, HOOK_TIMEOUT_S))
    marks = quarantine.load(quarantine.find_file(inventory))
    if name not in marks:
        raise InvalidInput(
            _("{host}: is not in quarantine any more; the hook is not run", host=name)
        )
    hosts = _load_inventory(inventory)
    return _run_hooks(hook, timeout_s, hosts, {name: marks[name]}, QUARANTINED)


def list_hosts(inventory: str, *, as_json: bool) -> None:
    """Print the hosts that are in quarantine.

    Args:
        inventory: File of the inventory.
        as_json: Print one JSON document.

    Raises:
        InvalidInput: The inventory or the file is not valid.
    """
    path = quarantine.find_file(inventory)
    known, marks = {host.name for host in _load_inventory(inventory)}, quarantine.load(path)
    if as_json:
        document = {
            "file": str(path),
            "hosts": [
                {"host": name, **entry.model_dump(), "in_inventory": name in known}
                for name, entry in marks.items()
            ],
        }
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))
        return
    for name, entry in marks.items():
        state = entry.sentence
        if name not in known:
            state = _("{state} ({inventory} has no such host)", state=state, inventory=inventory)
        click.echo(f"{name}: {state}")
    if not marks:
        click.echo(_("no host is in quarantine"), err=True)


def check_reason(reason: str) -> str:
    """Return a reason without blanks around it.

    Args:
        reason: What the operator gave.

    Raises:
        InvalidInput: It is empty, too long, or not one line of text.
    """
    found = reason.strip()
    if not found:
        raise InvalidInput(
            _(
                "--reason is missing; remedy: say in a line why, for those who find "
                "the host left out"
            )
        )
    if sanitize.escape_line(found) != found or len(found) > MAX_REASON:
        raise InvalidInput(
            _(
                "--reason: expected one line of at most {limit} characters; "
                "remedy: shorten it, and leave out line breaks and control characters",
                limit=MAX_REASON,
            )
        )
    return found


def check_code(code: str) -> str:
    """Return a failure code in its present spelling.

    Args:
        code: What the operator gave; may be empty.

    Raises:
        InvalidInput: There is no such code.
    """
    from mlufleet.watch.problems import OWN_CODES

    found = canonical_code(code.strip().upper().replace("-", "_"))
    known = [*OWN_CODES, *FAILURE_TABLE]
    if found and found not in known:
        near = suggestions.format_suggestions(found, known)
        raise InvalidInput(
            _(
                "--code {code}: no such code{nearest}; remedy: `mlufleet explain` lists all",
                code=code,
                nearest=near,
            )
        )
    return found


def _load_inventory(inventory: str) -> Inventory:
    from fleet.inventory.pyinfra_loader import load_inventory

    return load_inventory(inventory)


def _select(patterns: Sequence[str], hosts: Inventory, others: Collection[str]) -> list[str]:
    """Return the names of hosts in the order of the inventory, then of those it has not."""
    from fleet.inventory.host_selection import InventoryNames, collect_names

    if not patterns:
        raise InvalidInput(_("missing HOST; remedy: name a host, a group or mlu[01-08]"))
    found = collect_names(hosts)
    everyone = tuple(dict.fromkeys((*found.hosts, *others)))
    groups = {name: members for name, members in found.groups.items() if name != "all"}
    chosen = InventoryNames(everyone, groups).select_hosts(patterns, "HOST")
    return [name for name in everyone if name in chosen]


def _run_hooks(
    hook: str,
    timeout_s: int,
    hosts: Inventory,
    entries: Mapping[str, Quarantine],
    status: str,
) -> int:
    if not hook:
        return ExitStatus.OK
    failed = False
    for name, entry in entries.items():
        host = hosts.get_host(name, None)
        data = {} if host is None else {**host.data.dict(), **_releases(host)}
        if failure := run_hook(hook, timeout_s, name, data, entry, status):
            failed = True
            for line in (f"{name}: {failure.code}: {failure.sentence}", *failure.tail):
                click.echo(sanitize.escape_line(line), err=True)
    return ExitStatus.FAILED if failed else ExitStatus.OK


def _releases(host: Any) -> dict[str, Any]:
    return {key: host.data.get(key) for key in ("release", "releases", "groups", "ssh_hostname")}


def run_hook(
    hook: str,
    timeout_s: int,
    name: str,
    data: Mapping[str, Any],
    entry: Quarantine,
    status: str,
) -> Failure | None:
    """Run a hook for one host, and return why it failed, if it did.

    Args:
        hook: Shell command.
        timeout_s: Seconds that it may take.
        name: Name of the host.
        data: Data of the host.
        entry: Its quarantine.
        status: :data:`QUARANTINED` or :data:`RELEASED`.
    """
    from mlufleet.rollout import hooks

    variables = {
        **hooks.build_environment(name, data, status),
        "MLUFLEET_SINCE": entry.since,
        "MLUFLEET_BY": entry.by,
        "MLUFLEET_REASON": entry.reason,
        "MLUFLEET_CODE": entry.code,
    }
    return hooks.run_hook(hook, variables, timeout_s)
