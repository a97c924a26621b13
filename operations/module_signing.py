"""The site's key on a host, where DKMS finds it."""

from __future__ import annotations

import base64
from typing import Any

from pyinfra import logger
from pyinfra.api import Host
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.state import State
from typing_extensions import override

from fleet.module_key import ModuleKey
from operations.host import connection
from operations.host.failures import fail_by_output, isolate_failures, relay_output
from operations.host.lock import audit_identity
from operations.host.probe import invalidate_facts
from operations.host.scripts import script_command


class InstallSigningKey(PyinfraCommand):
    """Has DKMS sign with the site's key. It goes to the host through standard input, as a step's
    arguments are seen by everybody there."""

    def __init__(self, signing: ModuleKey) -> None:
        super().__init__()
        self.signing, self.stage = signing, ""

    @override
    def __repr__(self) -> str:
        return f"GiveKey({self.signing.certificate_file})"

    @override
    @isolate_failures
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        title = f"giving DKMS the key of {self.signing.certificate_file}"
        logger.info(f"{host.print_prefix}{title}")
        certificate = base64.b64encode(self.signing.certificate).decode()
        given = f"{certificate}\n{self.signing.key.decode()}"
        command = script_command("sign-modules", identity=audit_identity(host, self.stage, title))
        ok, output = connection.run_command(host, command, {**connector_arguments, "_stdin": given})
        invalidate_facts(host)
        relay_output(host, output.stdout_lines)
        return ok or fail_by_output(host, "SIGNING", self.stage, output.output_lines, title)
