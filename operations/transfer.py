"""Files from the store to a host: partial name, verified against the lock, then in place."""

from __future__ import annotations

import base64
import shlex
from pathlib import Path
from typing import Any

from pyinfra import logger
from pyinfra.api import Host
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.state import State
from typing_extensions import override

from fleet.failures import Failure
from operations import layout
from operations.scripts import script
from operations.stage import alone, fail

INCOMING = f"{layout.STATE}/incoming"
BLOCK = 1 << 20


def send(host: Host, local: Path, dest: str) -> bool:
    """Stream a file over the host's own connection, as the login user.

    Not through SFTP, which pyinfra uses: a login shell that prints a banner breaks it.

    :raises OSError, EOFError, SSHException: the connection was lost
    """
    client = getattr(host.connector, "client", None)
    if client is None:  # not SSH
        return bool(host.put_file(str(local), dest))
    with client.get_transport().open_session() as channel, local.open("rb") as stream:
        channel.exec_command(f"cat > {shlex.quote(dest)}")
        while block := stream.read(BLOCK):
            channel.sendall(block)
        channel.shutdown_write()
        return bool(channel.recv_exit_status() == 0)


class Upload(PyinfraCommand):
    """Puts files on a host. One that is there already, byte for byte, is not sent.

    :param files: (local path, path on the host, sha256)
    """

    def __init__(self, title: str, files: list[tuple[Path, str, str]]) -> None:
        super().__init__()
        self.title, self.files = title, files

    @override
    def __repr__(self) -> str:
        return f"Upload({self.title}: {', '.join(dest for _, dest, _ in self.files)})"

    @override
    @alone
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        manifest = "".join(f"{sha}  {dest}\n" for _, dest, sha in self.files)

        def run(phase: str) -> tuple[bool, list[str], tuple[str, ...]]:
            ok, output = host.run_shell_command(
                script("receive", phase, timeout=3600),
                **{**connector_arguments, "_stdin": manifest},
            )
            return ok, output.stdout_lines, tuple(output.output_lines[-20:])

        ok, lines, tail = run("begin")
        if not ok:
            return fail(host, Failure("TRANSFER", self.title, tail))
        missing = {line.removeprefix("want ") for line in lines if line.startswith("want ")}
        todo = [f for f in self.files if f[2] in missing]
        size = sum(local.stat().st_size for local, _, _ in todo)
        if todo:
            logger.info(f"{host.print_prefix}{self.title}: {len(todo)} files, {size / 1e6:.1f} MB")
        for local, dest, sha in todo:
            if not send(host, local, f"{INCOMING}/{sha}.part"):
                return fail(host, Failure("TRANSFER", dest))
        ok, _, tail = run("end")
        return ok or fail(host, Failure("TRANSFER", self.title, tail))


class Rewrite(PyinfraCommand):
    """Changes the text of a file on a host by a plain function, the original kept.

    :param change: text -> text; raises ValueError when it does not apply
    """

    def __init__(self, path: str, sha256: str, change: Any) -> None:
        super().__init__()
        self.path, self.sha256, self.change = path, sha256, change

    @override
    def __repr__(self) -> str:
        return f"Rewrite({self.path})"

    @override
    @alone
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        ok, output = host.run_shell_command(script("read", self.path), **connector_arguments)
        lines = output.stdout_lines
        if not ok or "@@begin" not in lines or "@@end" not in lines:
            return fail(host, Failure("PATCH", f"{self.path} cannot be read"))
        encoded = lines[lines.index("@@begin") + 1 : lines.index("@@end")]
        text = base64.b64decode("".join(encoded)).decode()
        try:
            changed = self.change(text)
        except ValueError as error:
            return fail(host, Failure("PATCH", f"{self.path}: {error}"))
        ok, output = host.run_shell_command(
            script("rewrite", self.path, self.sha256),
            **{**connector_arguments, "_stdin": base64.encodebytes(changed.encode()).decode()},
        )
        return ok or fail(host, Failure("PATCH", self.path, tuple(output.output_lines[-20:])))
