"""`mlufleet watch`: looks at every host again and again, and tells what changes."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from fleet.errors import ExitStatus, InvalidInput
from fleet.language import _
from fleet.secret_files import read_key
from mlufleet.cli.listen_address import check_exposure, parse_address
from mlufleet.cli.options import (
    EXCLUDE_OPTION,
    INVENTORY_ARGUMENT,
    LIMIT_OPTION,
    STATE_OPTION,
    parse_duration,
)
from mlufleet.cli.translated_command import TranslatedCommand
from mlufleet.cli.watch_remediation import build_settings, remediation_options

if TYPE_CHECKING:
    from mlufleet.watch.clock import WatchClock
    from mlufleet.watch.http_server import HttpServer
    from mlufleet.watch.notices.delivery import Notifier
    from mlufleet.watch.remediation.remediator import RemediationSettings, Remediator
    from mlufleet.watch.service import Watch
    from mlufleet.watch.store import Store

#: bounds of --every; a look at a host that stalls takes minutes
MIN_EVERY_S, MAX_EVERY_S = 10, 86400
#: seconds that a message has to arrive when the watch ends
NOTICES_END_S = 5.0
#: the same after one look at each host, when nothing else is left to do
NOTICES_FLUSH_S = 60.0


@click.command("watch", cls=TranslatedCommand)
@INVENTORY_ARGUMENT
@click.option("--every", default="5m", show_default=True, help="Time between two looks at a host.")
@click.option(
    "--listen",
    default="127.0.0.1:9840",
    show_default=True,
    metavar="ADDRESS:PORT",
    help="Where the pages and metrics are; `off` for nowhere.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="File with the token that clients have to send; needed unless ADDRESS is a loopback one.",
)
@STATE_OPTION
@click.option(
    "--keep-days",
    default=90,
    show_default=True,
    type=click.IntRange(1, 36500),
    help="Days for which the history is kept.",
)
@click.option(
    "--notify",
    type=click.Path(path_type=Path),
    help="File with who is told: web services, chat robots, mail.",
)
@remediation_options
@LIMIT_OPTION
@EXCLUDE_OPTION
@click.option("--once", is_flag=True, help="Look at each host once, and end.")
@click.option("--install", is_flag=True, help="Install a systemd unit that does this.")
@click.option("--print", "only_print", is_flag=True, help="With --install: only print the unit.")
def watch_hosts(inventory: str, **given: Any) -> None:
    """Look at every host of INVENTORY again and again, and tell what changes.

    Changes nothing on a host unless its `remediate` allows that (docs/watch.md). A look costs what
    a run costs that changes nothing: one connection and one command. What two looks in a row see is
    told in a line on standard output, kept in the history, and shown at http://127.0.0.1:9840/
    with /metrics for Prometheus. A host that a run works on is left to that run.

    SIGHUP reads INVENTORY and its releases anew; if they are invalid, the older ones stay in use.
    SIGTERM and Ctrl-C end the watch. Only one watch can use a folder of history.

    With `--install`, checks all of its input, and writes a hardened service for systemd for the
    present user, to be enabled with `systemctl enable --now`; with `--once` also a timer.

    Exit status: 0 ended by a signal, 3 invalid input. With `--once`: 0 nothing is wrong, 2 some
    hosts have problems, 4 every host with a problem is unreachable, 130 ended by a signal.

    \b
    Examples:
      mlufleet watch inventories/fleet.py
      mlufleet watch inventories/fleet.py --every 1m --limit rack1
      mlufleet watch inventories/fleet.py --listen 0.0.0.0:9840 --token-file FILE
      mlufleet watch inventories/fleet.py --notify inventories/notices.yml
      mlufleet watch inventories/fleet.py --once
      mlufleet watch inventories/fleet.py --every 5m --install --print
    """
    every_s = parse_duration(given["every"], "--every", MIN_EVERY_S, MAX_EVERY_S)
    address, port = parse_address(given["listen"])
    token = read_key(given["token_file"], "--token-file") if given["token_file"] else ""
    check_exposure(address, token)
    if given["only_print"] and not given["install"]:
        raise InvalidInput(_("--print: only with --install"))
    if given["install"]:
        from mlufleet.cli.watch_install import install

        command = build_look_command(inventory, given["limit"], given["exclude"])
        install(inventory, command, every_s, (address, port), given)
    else:
        sys.exit(_run(inventory, every_s, (address, port, token), given))


def _run(inventory: str, every_s: int, listen: tuple[str, int, str], given: dict[str, Any]) -> int:
    """Watch until a signal ends it, and return the exit status."""
    from mlufleet.watch.service import Watch, WatchSettings
    from mlufleet.watch.store import Store

    once, mending = given["once"], build_settings(inventory, given)
    command = build_look_command(inventory, given["limit"], given["exclude"])
    settings = WatchSettings(inventory, every_s, given["keep_days"], command, once)
    with ExitStack() as stack:
        stack.enter_context(ending_quietly(ExitStatus.INTERRUPTED if once else ExitStatus.OK))
        store = Store(given["state"])
        stack.callback(store.close)
        clock = _make_clock(store, once)
        watch = Watch(
            settings,
            store,
            notifier=_start_notifier(given["notify"], store),
            remediator=None if once else _make_remediator(mending, store, clock),
            clock=clock,
        )
        if watch.notifier:
            stack.callback(watch.notifier.stop, NOTICES_END_S)
        if not once and (server := open_pages(watch, *listen)):
            stack.callback(server.close)
        status = watch.run()
        if watch.was_cut_short:
            status = ExitStatus.INTERRUPTED
        if (
            once and watch.notifier and not watch.was_cut_short
        ):  # no later turn would tell what was just seen
            watch.notifier.flush(NOTICES_FLUSH_S)
    return status or (find_exit_status(watch) if once else ExitStatus.OK)


@contextmanager
def ending_quietly(status: ExitStatus) -> Iterator[None]:
    """End with a status at a signal, also before and after the watch itself waits for them.

    Args:
        status: The exit status.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(status)

    handled = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)


def _make_clock(store: Store, once: bool) -> WatchClock:
    """Return the time of a watch; one look each cannot wait until a clock is believed."""
    from mlufleet.watch.clock import DOUBT_S, WatchClock

    newest = max((state.last_look or 0.0 for state in store.load_states().values()), default=0.0)
    return WatchClock(newest, 0.0 if once else DOUBT_S)


def _make_remediator(settings: RemediationSettings, store: Store, clock: WatchClock) -> Remediator:
    from mlufleet.watch.remediation.remediator import Remediator

    return Remediator(settings, store, clock=clock)


def _start_notifier(path: Path | None, store: Store) -> Notifier | None:
    """Begin to tell others what changes, if a file says whom."""
    if path is None:
        return None
    from mlufleet.watch.notices.delivery import Notifier
    from mlufleet.watch.notices.receivers import load_settings

    notifier = Notifier(load_settings(path), store)
    notifier.start()
    return notifier


def build_look_command(
    inventory: str, limit: tuple[str, ...], exclude: tuple[str, ...]
) -> list[str]:
    """Return the command that starts a look process.

    Args:
        inventory: File of the inventory.
        limit: Only these hosts.
        exclude: Not these hosts.
    """
    options = [f"--limit={hosts}" for hosts in limit] + [f"--exclude={hosts}" for hosts in exclude]
    return [sys.executable, "-m", "mlufleet.watch.look_process", *options, "--", inventory]


def open_pages(watch: Watch, address: str, port: int, token: str) -> HttpServer | None:
    """Answer over HTTP from now on; None if that is switched off.

    Args:
        watch: What is shown.
        address: IP address to listen on; empty for none.
        port: Its port.
        token: What clients have to send; may be empty.

    Raises:
        InvalidInput: Nothing can be listened on there.
    """
    from mlufleet.watch.http_server import HttpServer
    from mlufleet.watch.pages import list_routes

    if not address:
        return None
    try:
        server = HttpServer(address, port, token, list_routes(watch))
    except OSError as error:
        raise InvalidInput(
            _(
                "--listen {address}:{port}: {problem}; remedy: another address or port",
                address=address,
                port=port,
                problem=error.strerror,
            )
        ) from None
    server.start()
    return server


def find_exit_status(watch: Watch) -> ExitStatus:
    """Return the exit status after one look at each host.

    Args:
        watch: The watch that has ended.
    """
    from mlufleet.watch.observation import UNREACHABLE
    from mlufleet.watch.tracking import list_problems

    looks = [host.last for host in watch.take_snapshot().hosts.values() if host.last]
    bad = [look for look in looks if list_problems(look)]
    if not bad:
        return ExitStatus.OK
    is_contact = all(look.outcome == UNREACHABLE for look in bad)
    return ExitStatus.UNREACHABLE if is_contact else ExitStatus.FAILED
