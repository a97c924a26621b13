"""The text of a file on a host, changed by a plain function."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

from pyinfra.api import Host
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.state import State
from typing_extensions import override

from fleet.errors import Failure
from fleet.release.target import ReleaseTarget
from operations.host import connection
from operations.host.failures import fail_by_output, fail_host, isolate_failures
from operations.host.lock import audit_identity
from operations.host.scripts import script_command


def decode_content(lines: list[str]) -> bytes | None:
    """The file that `read.sh` printed among whatever else; None when it could not be read."""
    if "@@begin" not in lines or "@@end" not in lines:
        return None
    text = lines[lines.index("@@begin") + 1 : lines.index("@@end")]
    try:
        return base64.b64decode("".join(text), validate=True)
    except ValueError:
        return None


class EditFile(PyinfraCommand):
    """Changes the text of a file on a host by a plain function, the original kept.

    :param change: text -> text; raises ValueError when it does not apply
    :param sha256: of the result; "" when nobody knows it beforehand
    :param stamp: keeps the sha256 of the result on the host
    :param container: id of the one whose own file it is; "" for one of the host
    """

    def __init__(
        self, path: str, change: Callable[[str], str], sha256: str, stamp: str, container: str = ""
    ) -> None:
        super().__init__()
        self.path, self.change, self.sha256, self.stamp = path, change, sha256, stamp
        self.container, self.stage = container, ""
        self.wanted: ReleaseTarget | None = None

    @override
    def __repr__(self) -> str:
        return f"Rewrite({self.path})"

    @override
    @isolate_failures
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        ok, output = connection.run_command(
            host, script_command("read", self.path, self.container), connector_arguments
        )
        text = decode_content(output.stdout_lines)
        if not ok or text is None:
            return fail_host(host, Failure("PATCH", f"{self.path} cannot be read"), self.stage)
        if hashlib.sha256(text).hexdigest() == self.sha256:  # given again after a lost connection
            return True
        try:
            changed = self.change(text.decode())
        except ValueError as error:
            return fail_host(host, Failure("PATCH", f"{self.path}: {error}"), self.stage)
        # given again after a lost connection, it is recognised
        self.sha256 = self.sha256 or hashlib.sha256(changed.encode()).hexdigest()
        title = f"rewriting {self.path}"
        ok, output = connection.run_command(
            host,
            script_command(
                "rewrite",
                self.path,
                self.sha256,
                self.stamp,
                self.container,
                identity=audit_identity(host, self.stage, title),
                target=self.wanted,
            ),
            {**connector_arguments, "_stdin": base64.encodebytes(changed.encode()).decode()},
        )
        return ok or fail_by_output(host, "PATCH", self.stage, output.output_lines, self.path)
