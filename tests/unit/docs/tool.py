"""The scripts of tools/ that the documentation is made with, as modules."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from tests.unit import PROJECT


def load_tool(name: str) -> ModuleType:
    """Import a script of tools/, which import each other without a package."""
    folder = str(PROJECT / "tools")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)
