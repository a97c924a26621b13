"""One run of deploy.py: its journal from the first connection, its report at the end."""

from __future__ import annotations

import atexit
import getpass
import logging
import os
import re
import shlex
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from pyinfra import logger
from pyinfra.api import BaseStateCallback, Host
from pyinfra.api.state import State

from fleet import journal, report, unreachable
from fleet.failures import Failure
from fleet.wanted import Wanted
from operations import events, lock, sudo
from operations.failing import TAIL
from operations.stage import Decision
from operations.state import HostState

#: set by `mlufleet deploy`, which reads the report afterwards
RUN_ID = "MLUFLEET_RUN"
#: seconds; a resolver that does not answer costs sshd at least ten
PATIENT = 8
SLOW_LOGIN = (
    "the login took {:.0f} s: its sshd looks up names (UseDNS) and no name server answers; "
    "the host itself is not slow; remedy: `UseDNS no` in /etc/ssh/sshd_config, or a right "
    "/etc/resolv.conf"
)
STYLES = re.compile(r"\x1b\[[0-9;]*m")


class Log(logging.Handler):
    """Keeps what pyinfra says of each host, in a file for each."""

    def __init__(self, folder: Path) -> None:
        super().__init__(logging.INFO)
        self.folder = folder
        self.lines: dict[str, list[str]] = {}
        #: host -> the exception that pyinfra was handling when it last spoke of it
        self.errors: dict[str, BaseException | None] = {}
        #: host -> seconds that connecting took
        self.connected: dict[str, float] = {}
        self._started = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        line = STYLES.sub("", record.getMessage()).strip()
        if match := re.match(r"\[([^\]]+)\]\s*(.*)", line):
            name, text = match.groups()
            self.lines.setdefault(name, []).append(text)
            self.errors[name] = sys.exc_info()[1]
            if text == "Connected":
                self.connected.setdefault(name, time.monotonic() - self._started)
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)}.log").open(
                "a", encoding="utf-8", errors="backslashreplace"
            ) as file:
                file.write(f"{time.strftime('%H:%M:%S')} {text}\n")


class Goodbye(BaseStateCallback):
    """Gives each host back before its connection goes: the lock, then the sudo password."""

    @staticmethod
    def host_disconnect(state: State, host: Host) -> None:
        lock.release(host)
        sudo.remove(host)


class Run:
    _current: Run | None = None

    def __init__(self, state: State, identity: str) -> None:
        self.state = state
        self.folder = journal.RUNS / identity
        self.journal = journal.Journal(self.folder)
        self.log = Log(self.folder)
        self.owner = lock.Owner(identity, f"{getpass.getuser()}@{socket.gethostname()}",
                                shlex.join(["pyinfra", *sys.argv[1:]]))  # fmt: skip
        self.named = False
        self.interrupted = False

    @classmethod
    def start(cls, state: State) -> None:
        """Begin a journal if this process runs deploy.py (not a fact, not a shell command)."""
        if cls._current or not any(Path(word).name == "deploy.py" for word in sys.argv[1:]):
            return
        default = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
        run = cls._current = cls(state, os.environ.get(RUN_ID, default))
        logger.addHandler(run.log)
        events.listeners.append(lambda host, kind, fields: run.journal.append(kind, host, **fields))
        run._watch_interrupts()
        atexit.register(run.finish)

    @classmethod
    def current(cls) -> Run:
        """:raises RuntimeError: deploy.py was not started from the project's folder"""
        if cls._current is None:
            raise RuntimeError("run pyinfra in the project's folder, where config.py is")
        return cls._current

    def _watch_interrupts(self) -> None:
        """Ctrl-C once lets running steps end and gives the hosts back; twice stops at once.

        pyinfra would end with status 0; the report must know better.
        """
        pyinfras = signal.getsignal(signal.SIGINT)

        def interrupted(number: int, frame: FrameType | None) -> None:
            if self.interrupted or not self.named:  # the second time, or before any work
                self.interrupted = True
                if callable(pyinfras):
                    pyinfras(number, frame)
                return
            self.interrupted = True
            events.halt()
            logger.warning("stopping: running steps end, no new one starts; again to stop at once")

        signal.signal(signal.SIGINT, interrupted)

    def observed(
        self, host: Host, wanted: Wanted, state: HostState | Failure, drift: Mapping[str, Decision]
    ) -> None:
        """Note what a host is before anything is done to it."""
        self._name_hosts()
        if isinstance(state, Failure):
            self.journal.append("failed", host.name, stage="probe", **_fields(state))
            return
        versions = {
            "release": wanted.release.name, "os": state.system, "kernel": state.kernel,
            "driver": state.loaded, "engine": state.engine, "cards": len(state.present),
        }  # fmt: skip
        refused = ({"stage": stage, **_fields(d)} for stage, d in drift.items()
                   if isinstance(d, Failure))  # fmt: skip
        self.journal.append("observed", host.name, needs=list(drift), versions=versions,
                            refusal=next(refused, None),
                            drift={stage: _words(decision) for stage, decision in drift.items()},
                            lock=asdict(state.lock) if state.lock else None,
                            cards=state.health)  # fmt: skip
        seconds = self.log.connected.get(host.name, 0)
        if state.use_dns and seconds > PATIENT:
            self.journal.append("note", host.name, text=SLOW_LOGIN.format(seconds))
        if not drift:
            logger.info(f"{host.print_prefix}is as release {wanted.release.name} says: 0 changes")

    def _name_hosts(self) -> None:
        if self.named:
            return
        self.named = True
        inventory = getattr(self.state, "inventory", None) or []
        limit = getattr(self.state, "limit_hosts", None)
        hosts = [host for host in inventory if limit is None or host in limit]
        self.journal.append("hosts", names=[host.name for host in hosts])
        self.state.add_callback_handler(Goodbye())  # type: ignore[no-untyped-call]
        for host in hosts:
            if host not in self.state.activated_hosts:
                tail = tuple(self.log.lines.get(host.name, [])[-TAIL:])
                why = unreachable.failure(self.log.errors.get(host.name), tail)
                self.journal.append("unreachable", host.name, stage="connect", **_fields(why))

    def finish(self) -> None:
        """Write the report; also after a failure that pyinfra itself stopped at."""
        if not getattr(self.state, "initialised", False):
            return  # nothing was connected to: the error on the terminal says all
        self._name_hosts()
        self._name_silent_failures()
        words = set(sys.argv)
        dry = "--dry" in words or bool({"--debug-operations", "--debug-facts"} & words)
        self.journal.append("end", dry=dry, interrupted=self.interrupted)
        result = report.write(self.folder)
        report.summary(result, self.folder)

    def _name_silent_failures(self) -> None:
        """A host that pyinfra failed without any of our steps saying why."""
        told = {e["host"] for e in journal.read(self.folder) if e["kind"] == "failed"}
        for host in self.state.failed_hosts & self.state.activated_hosts:
            if host.name not in told:
                tail = self.log.lines.get(host.name, [])[-TAIL:]
                failure = Failure("NOT_PROVED", tail[-1] if tail else "", tuple(tail))
                self.journal.append("failed", host.name, stage="", **_fields(failure))


def _words(decision: Decision) -> list[str]:
    if isinstance(decision, Failure):
        return [f"{decision.code}: {decision.sentence}", f"remedy: {decision.remedy}"]
    return decision


def _fields(failure: Failure) -> dict[str, Any]:
    return {"code": failure.code, "sentence": failure.sentence, "remedy": failure.remedy,
            "tail": list(failure.tail)}  # fmt: skip
