"""`ansible-inventory --list`: how Ansible itself interprets an inventory.

Only Ansible knows INI and YAML, ranges, children, group_vars, host_vars and plugins. The command is
a stable interface; Ansible's Python classes are not, and would need a process of their own.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from fleet.errors import InvalidInput
from fleet.inventory import ansible_origins
from fleet.language import _

#: warnings after which Ansible ignores a part of the inventory, which is an error here
DROPPED_WARNING = re.compile("Skipping|[Uu]nable to parse|both group and host")

#: text of a file that an error message quotes
QUOTED_TEXT = re.compile(
    r"(?:got: |Section |key \(|(?:definition|entry:) ')(.+?)(?:$| has|\) |'|\. )"
)

ORIGIN_PATTERNS = (
    re.compile(r"appears to be in '(/.*?)': line ([0-9]+)"),
    re.compile(r"^Origin: (/.*?):([0-9]+)(?::[0-9]+)?$", re.MULTILINE),
)


#: machine-readable output, and an error for every file that no plugin understands
ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_FORCE_COLOR": "0",
    "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
    "COLUMNS": "1000",
}


def list_inventory(path: Path) -> dict[str, Any]:
    """Run ansible-inventory.

    Args:
        path: a file, folder or script that Ansible accepts as an inventory.

    Returns:
        Groups with their hosts and children, and the variables of each host.

    Raises:
        InvalidInput: Ansible is not installed, or reports a problem with the inventory.
    """
    if not path.exists():
        raise InvalidInput(_("{path}: cannot be read: no such file", path=path))
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command = shutil.which("ansible-inventory", path=search)
    if command is None:
        raise InvalidInput(
            _(
                "{path}: reading an Ansible inventory needs the command "
                "ansible-inventory, which is not installed: pip install "
                "'mlu-fleet[ansible]'",
                path=path,
            )
        )
    done = subprocess.run(
        [command, "-i", str(path), "--list"],
        env=os.environ | ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode or DROPPED_WARNING.search(done.stderr):
        raise InvalidInput(explain_error(path, done.stderr))
    try:
        listed = json.loads(done.stdout)
    except ValueError as error:
        raise InvalidInput(
            _("{path}: ansible-inventory printed invalid JSON: {error}", path=path, error=error)
        ) from error
    if not isinstance(listed, dict):
        raise InvalidInput(
            _("{path}: ansible-inventory printed something other than an inventory", path=path)
        )
    return listed


def _has_byte_order_mark(file: Path) -> bool:
    marks = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    try:
        with file.open("rb") as stream:
            return stream.read(3).startswith(marks)
    except OSError:
        return False


def explain_error(path: Path, stderr: str) -> str:
    """Select the relevant message of Ansible, and find its place.

    Args:
        path: the inventory.
        stderr: messages of all plugins that tried to read it.

    Returns:
        File and line, if known, and the message.
    """
    if marked := next(filter(_has_byte_order_mark, ansible_origins.list_files(path)), None):
        return _(
            "{path}:1: the file begins with a byte order mark (BOM), which "
            "Ansible takes for a part of the first line: save it as UTF-8 without "
            "BOM",
            path=marked,
        )
    reason = _select_reason(path, stderr)
    if re.match("/.*?:[0-9]+: ", reason):
        return reason
    for origin in ORIGIN_PATTERNS:
        if place := origin.search(reason) or origin.search(stderr):
            return f"{place[1]}:{place[2]}: {reason}"
    quoted = QUOTED_TEXT.search(reason)
    return f"{ansible_origins.locate_words(path, [quoted[1]]) if quoted else path}: {reason}"


def _select_reason(path: Path, stderr: str) -> str:
    """Return the message of the plugin that the file is meant for."""
    plugin = "yaml" if path.suffix in (".yml", ".yaml", ".json") else "ini"
    failed = re.compile(rf"\**\s*Failed to parse .*? with '?{plugin}'? plugin: ")
    # one paragraph each; before ansible-core 2.19 in lines of 79 characters
    parts = re.split(r"^(?:\[WARNING\]:|\[ERROR\]:|ERROR!)", stderr, flags=re.MULTILINE)
    messages = [" ".join(part.split("\n\n")[0].split()) for part in parts if part.strip()]
    best = [message for message in messages if failed.match(message)]
    best += [message for message in messages if DROPPED_WARNING.match(message)] + messages
    reason = failed.sub("", best[0]) if best else _("Ansible gives no reason")
    return re.sub("^(Failed to parse inventory|YAML parsing failed): ", "", reason)
