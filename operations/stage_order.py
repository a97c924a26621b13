"""The order of the stages, without the stages: reports need no more, and pyinfra is slow to import.

deploy.py goes through them in this order; :mod:`operations.stages` has the stages themselves.
"""

from __future__ import annotations

#: names of the steps of a retirement
RETIREMENT_ORDER = (
    "record",
    "containers",
    "images",
    "trees",
    "checkouts",
    "files",
    "settings",
    "originals",
    "driver",
    "engine",
    "folders",
    "state",
)
#: names of the stages; "lock" is an operation of deploy.py and no stage of its own
STAGE_ORDER = (
    "preflight",
    "lock",
    "driver",
    "engine",
    "sources",
    "image",
    "weights",
    "container",
    "migration",
    "patch",
    "packages",
    "smoke",
    "serve",
    "validation",
)
