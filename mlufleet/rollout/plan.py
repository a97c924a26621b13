"""What an operator asked of a rollout; written to its journal, from which it is resumed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from fleet.documents.types import Bool, Int, Model
from mlufleet.rollout.host_count import HostCount


def _host_count(text: str) -> str:
    return str(HostCount.parse(text))


def _positive_host_count(text: str) -> str:
    if HostCount.parse(text).value == 0:
        raise ValueError("at least one host has to be worked on at a time")
    return _host_count(text)


HostCountText = Annotated[str, AfterValidator(_host_count)]
PositiveHostCount = Annotated[str, AfterValidator(_positive_host_count)]
Count = Annotated[Int, Field(ge=0)]


class Plan(Model):
    inventory: str
    kind: Literal["rollout", "rollback"] = "rollout"
    limit: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    #: KEY=VALUE pairs for all hosts, as pyinfra takes them
    data: tuple[str, ...] = ()
    canary: Count = 1
    window: PositiveHostCount = "20%"
    max_fail: HostCountText = "10%"
    order: Literal["inventory", "name", "random"] = "inventory"
    #: seconds between the last canary's proof and the rest
    pause: Count = 0
    confirm: Bool = False
    #: name of a host's data that says which group it is in, and how much of one at a time
    share_of: str = ""
    share: PositiveHostCount = "100%"
    #: shell commands on this machine before and after a host
    before: str = ""
    after: str = ""
    #: seconds for one of them
    hook_timeout: Annotated[Int, Field(ge=1)] = 600
    #: hosts at once that files are sent to, and that unpack their image
    uploads: Annotated[Int, Field(ge=1)] = 4
    loads: Annotated[Int, Field(ge=1)] = 8

    @model_validator(mode="after")
    def _check_gate(self) -> Plan:
        if not self.canary and (self.confirm or self.pause):
            raise ValueError("without a canary there is nothing to pause after or to confirm")
        return self
