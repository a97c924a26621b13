"""Observations and states of hosts as the store keeps them.

Most looks see what the look before saw. So what can differ between two equal looks (times) is kept
apart from the rest, which is compressed and written only if it differs.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, replace
from dataclasses import fields as dataclass_fields
from typing import Any

from mlufleet.watch.observation import Observation
from mlufleet.watch.problems import HostState, Problem, TrackedProblem


def split_observation(observation: Observation) -> tuple[str, bytes]:
    """Return what is new in each look, as JSON, and the compressed rest.

    Args:
        observation: A look.
    """
    fields = json.loads(observation.to_json())
    facts = fields["facts"]
    fresh: dict[str, Any] = {"began": fields.pop("began"), "ended": fields.pop("ended")}
    for name in ("seen", "lock"):
        if name in facts:
            fresh[name] = facts[name]
            facts[name] = None
    endpoints = [one for one in facts.get("endpoints", ()) if "answered" in one]
    if endpoints:
        fresh["answered"] = [one["answered"] for one in endpoints]
        for one in endpoints:
            one["answered"] = None
    return _to_json(fresh), zlib.compress(_to_json(fields).encode())


def join_observation(fresh: str, body: bytes) -> Observation:
    """Return what :func:`split_observation` was given.

    Args:
        fresh: Its first part.
        body: Its second part.
    """
    fields, times = json.loads(zlib.decompress(body)), json.loads(fresh)
    fields["began"], fields["ended"] = times["began"], times["ended"]
    facts = fields["facts"]
    for name in ("seen", "lock"):
        if name in times:
            facts[name] = times[name]
    endpoints = [one for one in facts.get("endpoints", ()) if "answered" in one]
    for one, answered in zip(endpoints, times.get("answered", ()), strict=True):
        one["answered"] = answered
    return Observation.from_json(_to_json(fields))


def state_to_json(state: HostState) -> str:
    """Return a state as JSON; what has its default is left out.

    Args:
        state: The state.
    """
    default = HostState()
    fields = {
        name: value for name, value in asdict(state).items() if value != getattr(default, name)
    }
    return _to_json(fields)


def state_from_json(text: str) -> HostState:
    """Return what :func:`state_to_json` was given.

    Args:
        text: The JSON.
    """
    fields = json.loads(text)
    problems = {
        key: TrackedProblem(
            **{
                **_keep_known(TrackedProblem, one),
                "problem": Problem(**_keep_known(Problem, one["problem"])),
                "flaps": tuple(one["flaps"]),
            }
        )
        for key, one in fields.pop("problems", {}).items()
    }
    return replace(HostState(**_keep_known(HostState, fields)), problems=problems)


def _keep_known(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that this version knows: another one may have written more."""
    known = {one.name for one in dataclass_fields(kind)}
    return {name: value for name, value in values.items() if name in known}


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
