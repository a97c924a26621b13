"""What the fields of a journal's events are: a line in which they are not was written by nobody
of this project, and is left out."""

from __future__ import annotations

import math
from typing import Any

NUMBER = (int, float)
TEXT_BY_NAME = {str: str}
LOCK = {"run": str, "operator": str, "since": str, "why": str, "lease": int, "age": int}
FAILURE = {"stage": str, "code": str, "sentence": str, "remedy": str, "tail": [str]}
TEST = {"verdict": str, "why": str, "rates": {str: NUMBER}}
#: a type or several, a list or mapping of it, or the fields that a mapping has where it is there
FIELDS: dict[str, Any] = {
    **FAILURE,
    **TEST,
    **{
        name: str
        for name in (
            "kind",
            "host",
            "title",
            "text",
            "what",
            "of",
            "wanted",
            "driver",
            "plugin",
            "fallback",
            "resumes",
            "stopped",
            "release",
            "run",
            "answer",
        )
    },
    **{
        name: NUMBER
        for name in ("time", "seconds", "seen", "sent", "swarmed", "window", "max_fail")
    },
    **{name: bool for name in ("dry", "interrupted", "canary")},
    **{name: TEXT_BY_NAME for name in ("cards", "serials", "models", "owners")},
    **{name: [str] for name in ("names", "needs", "proofs", "changes", "canaries")},
    "versions": {str: (str, int)},
    "drift": {str: [str]},
    "groups": {str: [str]},
    "lock": LOCK,
    "refusal": FAILURE,
    "validation": {str: TEST},
    "plan": {"kind": str},
}


def is_event(line: Any) -> bool:
    """Whether a line of JSON is what some version of this project wrote."""
    if not isinstance(line, dict) or not {"time", "kind", "host"} <= line.keys():
        return False
    return line["time"] is not None and all(
        matches_shape(value, FIELDS[name]) for name, value in line.items() if name in FIELDS
    )


def matches_shape(value: Any, shape: Any) -> bool:
    """Whether a value has a shape; nothing (null) has any."""
    if value is None:
        return True
    if isinstance(shape, list):
        return isinstance(value, list) and all(matches_shape(one, shape[0]) for one in value)
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return False
        if str in shape:
            return all(matches_shape(one, shape[str]) for one in value.values())
        return all(matches_shape(value[name], shape[name]) for name in shape if name in value)
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return isinstance(value, shape) and (shape is bool or not isinstance(value, bool))
