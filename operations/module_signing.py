"""The site's key for kernel modules on a host, where DKMS finds it."""

from __future__ import annotations

import base64
from typing import Any

from pyinfra import logger
from pyinfra.api import Host
from typing_extensions import override

from fleet.errors import Failure
from fleet.language import _
from fleet.module_key import ModuleKey
from operations.host import connection
from operations.host.command import HostCommand
from operations.host.failures import failure_from_output, relay_output
from operations.host.lock import audit_identity
from operations.host.probe import invalidate_facts
from operations.host.scripts import script_command


class InstallSigningKey(HostCommand):
    """Has DKMS sign modules with the site's key.

    The key is sent through standard input: the arguments of a command can be read by every user
    of the host.
    """

    def __init__(self, key: ModuleKey) -> None:
        """Prepare the command.

        Args:
            key: The site's key pair.
        """
        super().__init__(
            _("giving DKMS the key of {certificate_file}", certificate_file=key.certificate_file)
        )
        self.key = key

    @property
    @override
    def summary(self) -> str:
        """File of the key's certificate."""
        return str(self.key.certificate_file)

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        logger.info(f"{host.print_prefix}{self.title}")
        certificate = base64.b64encode(self.key.certificate).decode()
        command = script_command(
            "sign-modules", identity=audit_identity(host, self.stage, self.title)
        )
        ok, output = connection.run_command(
            host,
            command,
            {**arguments, "_stdin": f"{certificate}\n{self.key.key.decode()}"},
        )
        invalidate_facts(host)
        relay_output(host, output.stdout_lines)
        return None if ok else failure_from_output("SIGNING", output.output_lines, self.title)
