"""Load an inventory file as pyinfra does, with a message for every error."""

from __future__ import annotations

import os
import sys
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

from fleet.errors import InvalidInput
from fleet.inventory import file_formats, inventory_argument
from fleet.language import _

if TYPE_CHECKING:
    from pyinfra.api.inventory import Inventory


#: group data that applies to all hosts of every inventory
DEFAULT_GROUP_DATA = "inventories/group_data/all.py"


def load_inventory(path: str, override: dict[str, Any] | None = None) -> Inventory:
    """Load an inventory.

    Args:
        path: the inventory file.
        override: data that takes precedence over the inventory (default: none).

    Returns:
        pyinfra's inventory.

    Raises:
        InvalidInput: the file is missing or invalid, or has no hosts.
    """
    from pyinfra.api.state import State
    from pyinfra.context import ctx_state

    file_formats.check_inventory_path(path)
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    if not ctx_state.isset():
        ctx_state.set(State())
    inventory = _read_inventory_file(path, override)
    if not len(inventory):
        raise InvalidInput(_("{path}: the inventory has no hosts", path=path))
    apply_default_group_data(inventory)
    return inventory


def _read_inventory_file(path: str, override: dict[str, Any] | None) -> Inventory:
    """Let pyinfra read the file; turn every exception of it into one message."""
    from pyinfra.api.exceptions import PyinfraError
    from pyinfra_cli.exceptions import CliError, UnexpectedExternalError
    from pyinfra_cli.inventory import make_inventory_from_files

    inventory_argument.patch_pyinfra()
    try:
        inventory: Inventory = make_inventory_from_files(path, override, cwd=os.getcwd())
        return inventory
    except InvalidInput:
        raise
    except SyntaxError as error:  # without file and line if the file is not text
        raise InvalidInput(f"{error.filename or path}:{error.lineno or 1}: {error.msg}") from error
    except UnicodeDecodeError as error:
        number = error.object.count(b"\n", 0, error.start) + 1
        raise InvalidInput(
            _(
                "{path}:{number}: not UTF-8 ({reason}): save it as UTF-8",
                path=path,
                number=number,
                reason=error.reason,
            )
        ) from error
    except SystemExit as error:
        raise InvalidInput(_("{path}: it calls sys.exit: remove that", path=path)) from error
    except UnexpectedExternalError as error:
        cause = error.exception
        frames = [f for f in extract_tb(cause.__traceback__) if f.filename == error.filename]
        line = frames[-1].lineno if frames else 1
        problem = f"{type(cause).__name__}: {cause}"
        raise InvalidInput(f"{error.filename}:{line}: {problem}") from error
    except (CliError, PyinfraError, OSError) as error:
        raise InvalidInput(f"{path}: {error}") from error
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise InvalidInput(
            _(
                "{path}: pyinfra cannot read its hosts ({error}): write each as a name "
                "or (name, {{field: value}})",
                path=path,
                error=error,
            )
        ) from error


def apply_default_group_data(inventory: Inventory) -> None:
    """Apply the project's data of all hosts to an inventory in another folder.

    pyinfra itself reads `group_data` beside the inventory and in the current directory.

    Args:
        inventory: the inventory; its own values are kept.
    """
    from pyinfra_cli.inventory import _get_group_data

    for key, value in _get_group_data(DEFAULT_GROUP_DATA).get("all", {}).items():
        inventory.get_data().setdefault(key, value)
