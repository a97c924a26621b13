"""Edits of a text file on a host by a plain function."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

from pyinfra.api import Host
from typing_extensions import override

from fleet.errors import Failure
from operations.host import connection
from operations.host.command import HostCommand
from operations.host.failures import failure_from_output
from operations.host.lock import audit_identity
from operations.host.scripts import script_command


def decode_content(lines: list[str]) -> bytes | None:
    """Return the file that the script `read` printed.

    Args:
        lines: its output, with whatever a login shell printed around it

    Returns:
        The content; None if the file could not be read.
    """
    if "@@begin" not in lines or "@@end" not in lines:
        return None
    text = lines[lines.index("@@begin") + 1 : lines.index("@@end")]
    try:
        return base64.b64decode("".join(text), validate=True)
    except ValueError:
        return None


class EditFile(HostCommand):
    """Changes the text of a file on a host. The original is kept."""

    def __init__(
        self, path: str, change: Callable[[str], str], sha256: str, stamp: str, container: str = ""
    ) -> None:
        """Prepare an edit.

        Args:
            path: the file
            change: returns the new text for the old one; raises ValueError if it does not apply
            sha256: of the result; "" if it is not known beforehand
            stamp: name of the stamp that keeps the sha256 of the result on the host
            container: id of the container that owns the file; "" for a file of the host
        """
        super().__init__(f"rewriting {path}")
        self.path, self.change, self.sha256, self.stamp = path, change, sha256, stamp
        self.container = container

    @property
    @override
    def summary(self) -> str:
        return self.path

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        command = script_command("read-file", self.path, self.container)
        ok, output = connection.run_command(host, command, arguments)
        content = decode_content(output.stdout_lines)
        if not ok or content is None:
            return Failure("PATCH", f"{self.path} cannot be read")
        if hashlib.sha256(content).hexdigest() == self.sha256:  # repeated after a lost connection
            return None
        try:
            changed = self.change(content.decode()).encode()
        except ValueError as error:
            return Failure("PATCH", f"{self.path}: {error}")
        # recognizes the result if the command is repeated after a lost connection
        self.sha256 = self.sha256 or hashlib.sha256(changed).hexdigest()
        command = script_command(
            "edit-file",
            self.path,
            self.sha256,
            self.stamp,
            self.container,
            identity=audit_identity(host, self.stage, self.title),
            target=self.target,
        )
        stdin = base64.encodebytes(changed).decode()
        ok, output = connection.run_command(host, command, {**arguments, "_stdin": stdin})
        return None if ok else failure_from_output("PATCH", output.output_lines, self.path)
