"""The site's key on a host, where DKMS finds it."""

from __future__ import annotations

import base64
from typing import Any

from pyinfra import logger
from pyinfra.api import Host
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.state import State
from typing_extensions import override

from fleet.module_key import Signing
from operations.host import connection
from operations.host.failures import alone, refused, told
from operations.host.lock import who
from operations.host.probe import forget
from operations.host.scripts import script


class GiveKey(PyinfraCommand):
    """Has DKMS sign with the site's key. It goes to the host through standard input, as a step's
    arguments are seen by everybody there."""

    def __init__(self, signing: Signing) -> None:
        super().__init__()
        self.signing, self.stage = signing, ""

    @override
    def __repr__(self) -> str:
        return f"GiveKey({self.signing.file})"

    @override
    @alone
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        title = f"giving DKMS the key of {self.signing.file}"
        logger.info(f"{host.print_prefix}{title}")
        certificate = base64.b64encode(self.signing.certificate).decode()
        given = f"{certificate}\n{self.signing.key.decode()}"
        command = script("sign-modules", who=who(host, self.stage, title))
        ok, output = connection.shell(host, command, {**connector_arguments, "_stdin": given})
        forget(host)
        told(host, output.stdout_lines)
        return ok or refused(host, "SIGNING", self.stage, output.output_lines, title)
