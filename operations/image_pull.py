"""An image from a registry: login, CA, an insecure registry, and the pull itself."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from pyinfra import logger
from pyinfra.api import Host
from typing_extensions import override

from fleet.errors import Failure
from fleet.language import _
from fleet.registry.host_access import RegistryAccess
from fleet.registry.reference import Reference
from operations.host import connection, limits
from operations.host.command import HostCommand
from operations.host.context import emit_event
from operations.host.failures import failure_from_output, relay_output
from operations.host.file_edit import decode_content
from operations.host.job import RemoteJob
from operations.host.lock import audit_identity
from operations.host.scripts import script_command
from operations.transfer.swarm import swarms

#: seconds that docker may take for all layers; complete ones are kept for the next attempt
PULL_TIMEOUT_S = 7200
#: codes with which an image may still come from its archive
REPLACEABLE_CODES = (
    "REGISTRY_LOGIN",
    "IMAGE_NOT_FOUND",
    "REGISTRY_CERTIFICATE",
    "REGISTRY_UNREACHABLE",
    "REGISTRY_INSECURE",
    "IMAGE_LOAD",
    "TIMED_OUT",
)


class PullImage(RemoteJob):
    """Has docker pull an image by its digest.

    User, password and CA reach the host through standard input, and docker through files in memory
    that are gone afterwards: the arguments of a command can be read by every user of the host.
    """

    def __init__(
        self, reference: Reference, identity: str, access: RegistryAccess, archive_sha: str = ""
    ) -> None:
        """Prepare the pull.

        Args:
            reference: the image in its registry
            identity: id of the image that has to come
            access: what the host needs for the registry
            archive_sha: sha256 of the archive that comes instead if the registry does not give the
                image; "" if there is none, and the host fails
        """
        login = access.login
        lines = [login.user if login else "", login.password if login else ""]
        lines.append(base64.b64encode(access.ca).decode())
        super().__init__(
            _("pulling the image from {host} (gigabytes, this takes minutes)", host=reference.host),
            "pull-image",
            str(reference),
            identity,
            code="IMAGE_LOAD",
            timeout=PULL_TIMEOUT_S,
            secret_stdin="".join(f"{line}\n" for line in lines),
            resource=limits.LOAD,
        )
        self.archive_sha = archive_sha

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        failure = super().run(host, arguments)
        if not self.archive_sha:
            return failure
        if failure is None:
            swarms(host).host_done(host.name, self.archive_sha)
            return None
        if failure.code not in REPLACEABLE_CODES:
            return failure
        note = _(
            "{code}: {sentence}; the archive is sent instead",
            code=failure.code,
            sentence=failure.sentence,
        )
        logger.warning(f"{host.print_prefix}{note}")
        emit_event(host, "note", text=note)
        return None


class AllowInsecureRegistry(HostCommand):
    """Has docker use a registry without TLS, and leaves its other settings and all containers."""

    def __init__(self, registry: str) -> None:
        """Prepare the command.

        Args:
            registry: host and port, which the inventory names
        """
        super().__init__(_("allowing the insecure registry {registry}", registry=registry))
        self.registry = registry

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        identity = audit_identity(host, self.stage, self.title)
        command = script_command("allow-registry", self.registry)
        ok, output = connection.run_command(host, command, arguments)
        if not ok:
            return failure_from_output("ENGINE", output.output_lines, self.title)
        content = decode_content(output.stdout_lines)
        if content is None:  # it is allowed already
            return None
        try:
            changed = add_insecure_registry(content.decode(), self.registry)
        except ValueError as error:
            return Failure(
                "ENGINE",
                _("/etc/docker/daemon.json is not what docker reads: {error}", error=error),
            )
        logger.info(f"{host.print_prefix}{self.title}")
        command = script_command(
            "allow-registry", self.registry, hashlib.sha256(content).hexdigest(), identity=identity
        )
        stdin = base64.encodebytes(changed.encode()).decode()
        ok, output = connection.run_command(host, command, {**arguments, "_stdin": stdin})
        relay_output(host, output.stdout_lines)
        return None if ok else failure_from_output("ENGINE", output.output_lines, self.title)


def add_insecure_registry(text: str, registry: str) -> str:
    """Return docker's daemon.json with a registry among its `insecure-registries`.

    Args:
        text: the file; empty if there is none
        registry: host and port

    Raises:
        ValueError: the text is not a JSON object, or its list is none
    """
    settings = json.loads(text) if text.strip() else {}
    if not isinstance(settings, dict):
        raise ValueError("it is not a JSON object")
    names = settings.setdefault("insecure-registries", [])
    if not isinstance(names, list):
        raise ValueError("insecure-registries is not a list")
    if registry not in names:
        names.append(registry)
    return json.dumps(settings, indent=2, ensure_ascii=False) + "\n"
