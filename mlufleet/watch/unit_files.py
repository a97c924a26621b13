"""systemd's units for the watch: a service, or a service and a timer that looks once."""

from __future__ import annotations

import getpass
import os
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fleet.checksum import cache
from fleet.errors import ExitStatus, InvalidInput
from fleet.language import ENGLISH, LANGUAGE_VARIABLE, _, current_language
from fleet.paths import find_quarantine_file
from mlufleet.watch import unit_user

UNIT_NAME = "mlufleet-watch"
#: seconds without a word of the watch after which it is started again
WATCHDOG_S = 120

#: seconds that the watch has to end; a run that mends a host ends its step first
STOP_S, MENDING_STOP_S = 30, 660

#: MiB that its processes may use. Measured: the look process has 76 for 300 names and 106 for
#: 2,000, the watch 56 for 300, and each of its rounds, of which there are eight at most, its own
MEMORY_MIB, HOSTS_PER_MIB = 2048, 4
#: MiB more for runs that send files
RUN_MEMORY_MIB = 6144

#: what the service may not do. It reads keys of the user's home, and writes its own folder only
HARDENING = """\
NoNewPrivileges=yes
CapabilityBoundingSet={capabilities}
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={writable}
PrivateTmp={private_tmp}
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
UMask=0077
LimitNOFILE=65536
MemoryMax={memory}M
TasksMax=2048
"""

SERVICE = """\
# Written by `mlufleet watch --install`. Change it with `systemctl edit {name}`.
[Unit]
Description=mlufleet watch of {inventory}
Wants=network-online.target
After=network-online.target

[Service]
{kind}
User={user}
{environment}WorkingDirectory={folder}
ExecStart={command}
{restart}KillMode=mixed
TimeoutStopSec={stop_s}

{hardening}"""

#: a service that goes on
CONTINUOUS = f"""\
Type=notify
NotifyAccess=main
ExecReload=/bin/kill -HUP $MAINPID
WatchdogSec={WATCHDOG_S}"""
CONTINUOUS_RESTART = f"""\
Restart=on-failure
RestartSec=10
RestartPreventExitStatus={ExitStatus.INVALID.value}
TimeoutStartSec=330
"""
#: a service that a timer starts; problems of hosts are no failure of the service
ONESHOT = f"""\
Type=oneshot
SuccessExitStatus={ExitStatus.FAILED.value} {ExitStatus.UNREACHABLE.value} \
{ExitStatus.INTERRUPTED.value}
TimeoutStartSec=1800"""

INSTALL = """
[Install]
WantedBy=multi-user.target
"""

TIMER = """\
# Written by `mlufleet watch --install`. Change it with `systemctl edit {name}.timer`.
[Unit]
Description=mlufleet watch of {inventory}, every {every_s} s

[Timer]
OnBootSec=60
OnUnitInactiveSec={every_s}
AccuracySec=1s

[Install]
WantedBy=timers.target
"""


@dataclass(frozen=True)
class UnitSettings:
    """What a unit is made for.

    Attributes:
        inventory: File of the inventory.
        options: Options of `mlufleet watch`, with absolute paths.
        state: Folder of the watch.
        every_s: Seconds between two looks at a host.
        once: Whether a timer starts it.
        mends: Whether it may begin runs, which write into the site's folder.
        host_count: Number of hosts that are watched.
    """

    inventory: Path
    options: Sequence[str]
    state: Path
    every_s: int
    once: bool
    mends: bool = False
    host_count: int = 0


def render_units(settings: UnitSettings) -> dict[str, str]:
    """Return the units: name of the file -> text.

    Args:
        settings: What they are for.
    """
    user = find_user()
    check_lines(settings)
    words = [sys.executable, "-m", "mlufleet", "watch", str(settings.inventory), *settings.options]
    service = SERVICE.format(
        name=UNIT_NAME,
        inventory=escape_specifiers(str(settings.inventory)),
        kind=ONESHOT if settings.once else CONTINUOUS,
        user=user,
        environment=describe_environment(),
        folder=escape_specifiers(os.getcwd()),
        command=" ".join(map(quote_word, words)),
        stop_s=MENDING_STOP_S if settings.mends else STOP_S,
        restart="" if settings.once else CONTINUOUS_RESTART,
        hardening=HARDENING.format(
            capabilities=choose_capabilities(user, settings),
            # checksums of the store are kept in the user's cache, which may not be there
            writable=" ".join(map(quote_word, list_writable(settings))),
            memory=MEMORY_MIB
            + settings.host_count // HOSTS_PER_MIB
            + (RUN_MEMORY_MIB if settings.mends else 0),
            private_tmp="no" if uses_shared_tmp(settings) else "yes",
        ),
    )
    if not settings.once:
        return {f"{UNIT_NAME}.service": service + INSTALL}
    timer = TIMER.format(
        name=UNIT_NAME,
        inventory=escape_specifiers(str(settings.inventory)),
        every_s=settings.every_s,
    )
    return {f"{UNIT_NAME}.service": service, f"{UNIT_NAME}.timer": timer}


def find_user() -> str:
    """Return the user of the service: who called sudo, or else the user of this process."""
    sudo_user = unit_user.find_sudo_user()
    return sudo_user.pw_name if sudo_user else getpass.getuser()


def describe_environment() -> str:
    """Return the lines with which the service speaks the language of this process."""
    language = current_language()
    return "" if language == ENGLISH else f"Environment={LANGUAGE_VARIABLE}={language}\n"


def choose_capabilities(user: str, settings: UnitSettings) -> str:
    """Return what root may do there beside what other users may.

    Args:
        user: The user.
        settings: What the unit is for.
    """
    if user != "root":
        return ""
    # it reads the files of users, and writes into folders that may be a user's if it mends
    folders = (Path.cwd(), find_quarantine_file(settings.inventory).parent)
    is_foreign = settings.mends and any(find_owner(folder) != 0 for folder in folders)
    return "CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH" if is_foreign else "CAP_DAC_READ_SEARCH"


def find_owner(folder: Path) -> int:
    """Return the user ID that a folder belongs to.

    Args:
        folder: The folder.
    """
    return folder.stat().st_uid


def list_writable(settings: UnitSettings) -> list[str]:
    """Return the folders that the service may write, as systemd names them.

    Args:
        settings: What it is for.
    """
    # what is before a dash may not be there
    folders = [str(settings.state), f"-{find_cache_folder()}"]
    if settings.mends:  # a run writes its journal and report, and what it learns of releases
        folders.append(os.getcwd())
        site = str(find_quarantine_file(settings.inventory).parent)  # for the last rung
        folders += [site] if site != os.getcwd() else []
    return folders


def check_lines(settings: UnitSettings) -> None:
    """Check that nothing that goes into a unit could begin another line of it.

    Args:
        settings: What it is for.

    Raises:
        InvalidInput: Something has a line break or another control character.
    """
    for text in (os.getcwd(), str(settings.inventory), *settings.options):
        if any(unicodedata.category(character) == "Cc" for character in text):
            raise InvalidInput(
                _(
                    "{text!r}: has a control character, which a unit of systemd cannot "
                    "have; remedy: rename it",
                    text=text,
                )
            )


def find_cache_folder() -> Path:
    """Return the folder in which checksums of files are kept by the user of the service."""
    if sudo_user := unit_user.find_sudo_user():
        return unit_user.find_cache_folder(sudo_user)
    return Path(os.path.abspath(cache.index_path().parent))


def uses_shared_tmp(settings: UnitSettings) -> bool:
    """Return whether the service needs files that are in a folder for temporary ones.

    Args:
        settings: What it is for.
    """
    folders = [Path("/tmp"), Path("/var/tmp")]
    needed = [Path.cwd(), settings.inventory, settings.state, Path(sys.executable)]
    return any(path.is_relative_to(folder) for path in needed for folder in folders)


def escape_specifiers(text: str) -> str:
    """Return text that systemd takes as it is, in a value without words.

    Args:
        text: The text, of one line.
    """
    return text.replace("%", "%%")


def quote_word(word: str) -> str:
    """Return a word of a command line as systemd.syntax(7) has it.

    Args:
        word: The word.
    """
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if escaped != word or set(word) & set(" '\t") else word
