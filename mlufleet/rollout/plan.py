"""The options of a rollout, which its journal keeps so that it can be resumed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from fleet.documents.types import Bool, Int, Model, matching
from mlufleet.rollout.host_count import HostCount


def _check_count(text: str) -> str:
    return str(HostCount.parse(text))


def _check_positive_count(text: str) -> str:
    if HostCount.parse(text).value == 0:
        raise ValueError("must be at least one host")
    return _check_count(text)


HostCountText = Annotated[str, AfterValidator(_check_count)]
PositiveHostCount = Annotated[str, AfterValidator(_check_positive_count)]
ContainerName = Annotated[str, matching(r"[A-Za-z0-9][A-Za-z0-9_.-]+", "the name of a container")]
Natural = Annotated[Int, Field(ge=0)]
PositiveInt = Annotated[Int, Field(ge=1)]


class Plan(Model):
    """What an operator asked for.

    Attributes:
        inventory: File of the inventory.
        kind: Bring hosts to their releases, back to the ones before, take over what others made on
            them, or remove what this tool made.
        limit: Only these hosts and groups; empty for all.
        exclude: Not these hosts and groups.
        data: ``KEY=VALUE`` pairs for all hosts, as pyinfra takes them.
        canary: Hosts that go first.
        window: Hosts at work at the same time: a number, or a percentage of the fleet.
        max_fail: Hosts of the fleet that may be broken: a number or a percentage.
        order: Which hosts go first.
        pause: Seconds to wait after the canaries passed.
        confirm: Ask the operator after the canaries passed.
        share_of: Key of a host's data that names its group (rack, service); may be empty.
        share: Hosts of one such group at work at the same time: a number or a percentage.
        keep_serving: Endpoints that have to stay ready of those that were when the rollout began: a
            number or a percentage.
        before: Shell command on this machine before a host; may be empty.
        after: Shell command on this machine after a host; may be empty.
        hook_timeout: Seconds after which one of these commands is killed.
        uploads: Hosts that files are sent to at the same time.
        loads: Hosts that load an image at the same time.
        stop: Containers of others that an adoption may stop.
        keep_weights: A retirement leaves the weights where they are.
        driver: A retirement removes the driver, too.
        engine: A retirement removes the Docker engine, too, if this tool installed it.
        dry: Only find out what would be done.
        yes: Retire hosts without asking the operator.
        include_quarantined: Work on hosts in quarantine as well; a retirement always does.
    """

    inventory: str
    kind: Literal["rollout", "rollback", "adoption", "retirement"] = "rollout"
    limit: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    canary: Natural = 1
    window: PositiveHostCount = "20%"
    max_fail: HostCountText = "10%"
    order: Literal["inventory", "name", "random"] = "inventory"
    pause: Natural = 0
    confirm: Bool = False
    share_of: str = ""
    share: PositiveHostCount = "100%"
    keep_serving: HostCountText = "0%"
    before: str = ""
    after: str = ""
    hook_timeout: PositiveInt = 600
    uploads: PositiveInt = 4
    loads: PositiveInt = 8
    stop: tuple[ContainerName, ...] = ()
    keep_weights: Bool = False
    driver: Bool = False
    engine: Bool = False
    dry: Bool = False
    yes: Bool = False
    include_quarantined: Bool = False

    @model_validator(mode="after")
    def _check_gate(self) -> Plan:
        if not self.canary and (self.confirm or self.pause):
            raise ValueError("--pause and --confirm need --canary 1 or more")
        return self

    @model_validator(mode="after")
    def _check_limit(self) -> Plan:
        if self.kind == "retirement" and not self.limit:
            raise ValueError("name the hosts to retire with --limit; `--limit all` is all of them")
        return self

    @model_validator(mode="after")
    def _check_keep_serving(self) -> Plan:
        if self.kind == "retirement" and HostCount.parse(self.keep_serving).value:
            raise ValueError(
                "--keep-serving cannot be kept: endpoints of hosts that are retired go for good; "
                "leave it out, and retire fewer hosts with --limit"
            )
        return self
