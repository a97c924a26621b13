"""What a proof of a served model depends on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet.release.serve import Serve
from fleet.release.target import ReleaseTarget
from operations import serving, smoke_test
from operations.host.job import RemoteJob
from tests.unit.conftest import DRIVEN, probe

SERVE = Serve(command=("python", "api.py"), question="谁", expect="是")


@pytest.fixture
def served(wanted: ReleaseTarget) -> ReleaseTarget:
    return replace(wanted, release=wanted.release.model_copy(update={"serve": SERVE}))


@pytest.mark.parametrize(
    "line",
    ["stamp|serve|d1", "stamp|serve-files|d2", "stamp|serve-figures-0|1 2 3 4", "boot|other:1"],
)
def test_a_smoke_test_holds_whatever_its_servers_did_since(
    served: ReleaseTarget, line: str
) -> None:
    before = smoke_test.input_digest(served, probe(*DRIVEN))
    assert smoke_test.input_digest(served, probe(*DRIVEN, line)) == before
    assert smoke_test.input_digest(served, probe(*DRIVEN, "stamp|packages|d3")) != before


@pytest.mark.parametrize(
    ("lines", "has_requests"), [(("container|id1|sha256:x|true|9|spec",), True), ((), False)]
)
def test_a_host_without_a_container_has_no_requests_to_wait_for(
    served: ReleaseTarget, lines: tuple[str, ...], has_requests: bool
) -> None:
    first = next(serving.place_files(served, probe(*DRIVEN, *lines).releases[served.key]))
    assert isinstance(first, RemoteJob)
    assert ("requests" in first.title) is has_requests
