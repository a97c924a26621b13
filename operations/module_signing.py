"""The site's key on a host, where DKMS finds it."""

from __future__ import annotations

import base64
from typing import Any

from pyinfra import logger
from pyinfra.api import Host
from typing_extensions import override

from fleet.errors import Failure
from fleet.module_key import ModuleKey
from operations.host import connection
from operations.host.command import HostCommand
from operations.host.failures import failure_from_output, relay_output
from operations.host.lock import audit_identity
from operations.host.probe import invalidate_facts
from operations.host.scripts import script_command


class InstallSigningKey(HostCommand):
    """Makes DKMS sign modules with the site's key.

    The key is sent over standard input: arguments of a command are visible to all users of a host.
    """

    def __init__(self, signing: ModuleKey) -> None:
        """Prepare the command.

        Args:
            signing: the site's key
        """
        super().__init__(f"giving DKMS the key of {signing.certificate_file}")
        self.signing = signing

    @property
    @override
    def summary(self) -> str:
        return str(self.signing.certificate_file)

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        logger.info(f"{host.print_prefix}{self.title}")
        certificate = base64.b64encode(self.signing.certificate).decode()
        stdin = f"{certificate}\n{self.signing.key.decode()}"
        identity = audit_identity(host, self.stage, self.title)
        command = script_command("sign-modules", identity=identity)
        ok, output = connection.run_command(host, command, {**arguments, "_stdin": stdin})
        invalidate_facts(host)
        relay_output(host, output.stdout_lines)
        return None if ok else failure_from_output("SIGNING", output.output_lines, self.title)
