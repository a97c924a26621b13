"""The script that says on a host itself whether it is what its last smoke test proved."""

from __future__ import annotations

from shlex import quote

from fleet.language import _
from fleet.release import endpoints
from fleet.release.target import HostTarget, ReleaseTarget
from operations.host.facts import HostFacts
from operations.host.job import RemoteJob
from operations.host.probe import CONTAINER_TEMPLATE
from operations.host.scripts import script_text
from operations.stage import Action

#: stands for the empty key of a host's only release
NO_KEY = "-"


def build_script(target: HostTarget, facts: HostFacts) -> str:
    """Return what is placed on a host, but for what only the host knows: its boot.

    Args:
        target: The desired state of the host.
        facts: The host, whose cards have just been proved.
    """
    values = {
        "DRIVER": target.primary.release.driver.version,
        "CARDS": " ".join(card.address for card in facts.present_cards),
        "FACTS": CONTAINER_TEMPLATE,
        "RELEASES": " ".join(
            _describe_release(release, len(facts.present_cards)) for release in target.releases
        ),
    }
    assigned = "".join(f"{name}={quote(value)}\n" for name, value in values.items())
    return assigned + script_text("verdict")


def _describe_release(target: ReleaseTarget, card_count: int) -> str:
    servers = ",".join(
        f"{endpoint.name}={endpoint.container_port:04X}"
        for endpoint in endpoints.list_endpoints(target, card_count)
    )
    words = (target.release.container.name, target.key or NO_KEY, target.release.name, servers)
    return ":".join(words)


def plan_placing(target: HostTarget, facts: HostFacts) -> Action:
    """Place the script on a host whose releases have answered before.

    Args:
        target: The desired state of the host.
        facts: The host.
    """
    job = RemoteJob(
        _("placing the verdict"),
        "place-verdict",
        code="NOT_RECORDED",
        stdin=build_script(target, facts),
    )
    return Action((_("place the host's verdict on itself"),), lambda _: (job,))
