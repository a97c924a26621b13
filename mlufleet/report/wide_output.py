"""Whether summaries are printed with all that they have, however wide the terminal is."""

from __future__ import annotations

import os

#: set by `--wide`; child processes inherit it, and `pyinfra … deploy.py` heeds it as well
WIDE_VARIABLE = "MLUFLEET_WIDE"


def is_output_wide() -> bool:
    """Return whether the operator has asked for all rows, columns and notes."""
    return bool(os.environ.get(WIDE_VARIABLE))
