"""How inspectors ask a host: see :mod:`operations.host.inspection`."""

from __future__ import annotations

from operations.host.inspection import InspectionFailed, ask_host

__all__ = ["InspectionFailed", "ask_host"]
