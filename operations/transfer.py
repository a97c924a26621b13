"""Files from the store to a host: partial name, verified against the lock, then in place."""

from __future__ import annotations

import base64
import hashlib
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

from pyinfra import logger
from pyinfra.api import Host
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.state import State
from typing_extensions import override

from fleet.failures import Failure
from operations import connection, layout, shares
from operations.failing import alone, fail, refused, told
from operations.lock import who
from operations.scripts import script

INCOMING = f"{layout.STATE}/incoming"
BLOCK = 1 << 20


def send(host: Host, local: Path, dest: str) -> list[str]:
    """Stream a file over the host's own connection, as the login user.

    :returns: what the host says of a failure; nothing when there is none
    :raises OSError, EOFError, SSHException: the connection was lost
    """
    channel = connection.stream(host, f"cat > {shlex.quote(dest)}")
    if channel is None:  # not SSH
        return [] if host.put_file(str(local), dest) else ["it could not be put there"]
    with channel, local.open("rb") as content:
        with suppress(OSError):  # the other end may stop reading before the end, and says why
            while block := content.read(BLOCK):
                channel.sendall(block)
            channel.shutdown_write()
        status = channel.recv_exit_status()
        said = channel.makefile_stderr("rb").read().decode(errors="replace")
    if connection.lost(host):
        raise ConnectionResetError("the connection is gone")
    return [] if status == 0 else [*said.splitlines(), f"cat ended with status {status}"]


class Upload(PyinfraCommand):
    """Puts files on a host. One that is there already, byte for byte, is not sent.

    :param files: (local path, path on the host, sha256)
    """

    def __init__(self, title: str, files: list[tuple[Path, str, str]]) -> None:
        super().__init__()
        self.title, self.files, self.stage = title, files, ""

    @override
    def __repr__(self) -> str:
        return f"Upload({self.title}: {', '.join(dest for _, dest, _ in self.files)})"

    @override
    @alone
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        manifest = "".join(f"{sha}  {dest}\n" for _, dest, sha in self.files)

        def run(phase: str) -> tuple[bool, list[str]]:
            command = script("receive", phase, timeout=3600, who=who(host, self.stage, self.title))
            given = {**connector_arguments, "_stdin": manifest}
            ok, output = connection.shell(host, command, given)
            told(host, output.stdout_lines)
            return ok, output.output_lines

        ok, lines = run("begin")
        if not ok:
            return refused(host, "TRANSFER", self.stage, lines, self.title)
        missing = {line.removeprefix("want ") for line in lines if line.startswith("want ")}
        todo = [f for f in self.files if f[2] in missing]
        size = sum(local.stat().st_size for local, _, _ in todo)
        if todo:
            logger.info(f"{host.print_prefix}{self.title}: {len(todo)} files, {size / 1e6:.1f} MB")
        for local, dest, sha in todo:
            with shares.place(host, "upload"):
                said = send(host, local, f"{INCOMING}/{sha}.part")
            if said:
                run("drop")  # half a file would take the room that is missing
                said.append(f"{dest} of {local.stat().st_size:,} bytes could not be written")
                return refused(host, "TRANSFER", self.stage, said, self.title)
        ok, lines = run("end")
        return ok or refused(host, "TRANSFER", self.stage, lines, self.title)


class Rewrite(PyinfraCommand):
    """Changes the text of a file on a host by a plain function, the original kept.

    :param change: text -> text; raises ValueError when it does not apply
    """

    def __init__(self, path: str, sha256: str, change: Any) -> None:
        super().__init__()
        self.path, self.sha256, self.change, self.stage = path, sha256, change, ""

    @override
    def __repr__(self) -> str:
        return f"Rewrite({self.path})"

    @override
    @alone
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        ok, output = connection.shell(host, script("read", self.path), connector_arguments)
        lines = output.stdout_lines
        if not ok or "@@begin" not in lines or "@@end" not in lines:
            return fail(host, Failure("PATCH", f"{self.path} cannot be read"), self.stage)
        encoded = lines[lines.index("@@begin") + 1 : lines.index("@@end")]
        text = base64.b64decode("".join(encoded))
        if hashlib.sha256(text).hexdigest() == self.sha256:  # given again after a lost connection
            return True
        try:
            changed = self.change(text.decode())
        except ValueError as error:
            return fail(host, Failure("PATCH", f"{self.path}: {error}"), self.stage)
        title = f"rewriting {self.path}"
        ok, output = connection.shell(
            host, script("rewrite", self.path, self.sha256, who=who(host, self.stage, title)),
            {**connector_arguments, "_stdin": base64.encodebytes(changed.encode()).decode()},
        )  # fmt: skip
        return ok or refused(host, "PATCH", self.stage, output.output_lines, self.path)
