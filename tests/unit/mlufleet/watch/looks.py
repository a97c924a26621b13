"""Looks at hosts, in the words of tests."""

from __future__ import annotations

from typing import Any

from mlufleet.journal.events import FailureRecord
from mlufleet.watch.observation import BUSY, SEEN, UNREACHABLE, Observation

BOOT = "boot-1"
CARDS = {"0000:39:00.0": "CN_RUNNING", "0000:3a:00.0": "CN_RUNNING"}


def facts(**fields: Any) -> dict[str, Any]:
    versions = {"release": "small", "os": "ubuntu18.04", "kernel": "4.15", "driver": "5.10.10"}
    return {
        "seen": 0.0,
        "wanted": "small",
        "versions": {**versions, "engine": "20.10", "cards": 2},
        "owners": {},
        "lock": None,
        "validation": {},
        "cards": dict(CARDS),
        "serials": {},
        "models": {},
        "endpoints": [],
        **fields,
    }


def endpoint(state: str = "ready", code: str = "", **fields: Any) -> dict[str, Any]:
    return {"release": "small", "name": "0", "cards": [0], "state": state, "code": code, **fields}


def look(
    at: float,
    outcome: str = SEEN,
    *,
    host: str = "a",
    failure: str | FailureRecord | None = None,
    boot_id: str = BOOT,
    drift: dict[str, list[str]] | None = None,
    **fields: Any,
) -> Observation:
    was_probed = outcome in (SEEN, BUSY)
    if isinstance(failure, str):
        failure = FailureRecord("preflight" if was_probed else "", failure, "it is so", "mend it")
    return Observation(
        host=host,
        began=at - 1,
        ended=at,
        outcome=outcome,
        failure=failure,
        boot_id=boot_id if was_probed else "",
        facts=facts(**fields) if was_probed else {},
        drift=drift or {},
    )


def off(at: float, code: str = "UNREACHABLE", host: str = "a") -> Observation:
    return look(at, UNREACHABLE, failure=code, host=host)
