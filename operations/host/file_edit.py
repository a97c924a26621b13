"""Edits of a text file on a host by a plain function."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyinfra.api import Host
from typing_extensions import override

from fleet.errors import Failure
from fleet.language import _
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


@dataclass(frozen=True)
class GitFile:
    """A file of a commit in a checkout on a host, independent of the files checked out there.

    Attributes:
        checkout: path of the checkout on the host
        commit: full commit
        path: path in the checkout
        sha256: of the file; "" if it is not known
    """

    checkout: str
    commit: str
    path: str
    sha256: str


class EditFile(HostCommand):
    """Changes or creates a file on a host. The original is kept."""

    def __init__(
        self,
        path: str,
        change: Callable[[str], str] | None,
        sha256: str,
        stamp: str,
        container: str = "",
        *,
        origin: GitFile | None = None,
        creates: str = "",
    ) -> None:
        """Prepare an edit.

        Args:
            path: the file
            change: returns the new text for the old one; raises ValueError if it does not apply;
                None to copy the origin
            sha256: of the result; "" if it is not known beforehand
            stamp: name of the stamp that keeps the sha256 of the result on the host
            container: id of the container that owns the file; "" for a file of the host
            origin: what is changed or copied, if that is not the file itself
            creates: what is created if it is missing: the `file`, also its `folders`, or "" for
                nothing. The new text of a file that may be created does not depend on the old one
        """
        super().__init__(_("rewriting {path}", path=path))
        self.path, self.change, self.sha256, self.stamp = path, change, sha256, stamp
        self.container, self.origin, self.creates = container, origin, creates

    @property
    @override
    def summary(self) -> str:
        return self.path

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        origin, stdin = self.origin, ""
        if self.change:
            content = b"" if self.creates and not origin else self._read(host, arguments)
            if isinstance(content, Failure):
                return content
            if not origin and hashlib.sha256(content).hexdigest() == self.sha256:
                return None  # repeated after a lost connection
            try:
                changed = self.change(content.decode()).encode()
            except ValueError as error:
                return Failure("PATCH", f"{self.path}: {error}")
            # recognizes the result if the command is repeated after a lost connection
            self.sha256 = self.sha256 or hashlib.sha256(changed).hexdigest()
            origin, stdin = None, base64.encodebytes(changed).decode()
        command = script_command(
            "edit-file",
            self.path,
            self.sha256,
            self.stamp,
            self.container,
            self.creates,
            *((origin.checkout, origin.commit, origin.path) if origin else ()),
            identity=audit_identity(host, self.stage, self.title),
            target=self.target,
        )
        ok, output = connection.run_command(host, command, {**arguments, "_stdin": stdin})
        return None if ok else failure_from_output("PATCH", output.output_lines, self.path)

    def _read(self, host: Host, arguments: dict[str, Any]) -> bytes | Failure:
        """Return what is changed: the origin, or the file itself."""
        origin, words = self.origin, [self.path, self.container]
        if origin:
            words = [origin.path, "", origin.checkout, origin.commit]
        command = script_command("read-file", *words)
        ok, output = connection.run_command(host, command, arguments)
        content = decode_content(output.stdout_lines)
        place = self.path
        if origin:
            place = _("{path} of {checkout}", path=origin.path, checkout=origin.checkout)
        if not ok or content is None:
            return Failure("PATCH", _("{place} cannot be read", place=place))
        sha256 = hashlib.sha256(content).hexdigest()
        if origin and origin.sha256 not in ("", sha256):
            return Failure(
                "PATCH",
                _(
                    "{place} has sha256 {sha256}, expected {expected}",
                    place=place,
                    sha256=sha256,
                    expected=origin.sha256,
                ),
            )
        return content
