"""What a host's audit log says of who does what, and what a failure says to people."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from fleet.errors import Failure
from fleet.language import _
from fleet.release.target import HostTarget
from operations.host.failures import failure_from_output
from operations.host.lock import LOCK_KEY, HostLock, LockOwner, audit_identity
from operations.reboot import Reboot
from tests.unit.operations.other_language import MARK, speak_other_language


def test_an_audit_log_is_english_in_every_language(monkeypatch: pytest.MonkeyPatch) -> None:
    speak_other_language(monkeypatch)
    lock = HostLock(LockOwner("run-1", "ops@here", "deploy"), {})
    host = SimpleNamespace(connector_data={LOCK_KEY: lock})
    title = _("bring {source} to {commit}", source="model", commit="4247c4a")
    assert title == f"{MARK}bring model to 4247c4a"
    assert audit_identity(host, "sources", title) == (
        "run-1\tops@here\tsources\tbring model to 4247c4a"
    )
    reboot = Reboot(_("no driver is loaded"), "boot", cast(HostTarget, None), 10)
    assert reboot.title == f"{MARK}reboot: {MARK}no driver is loaded"
    assert audit_identity(host, "", reboot.title).endswith("\treboot: no driver is loaded")


def test_a_failure_without_output_says_so_in_the_operators_language(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    speak_other_language(monkeypatch)
    found = failure_from_output("CONTAINER", [], _("starting the container"))
    assert isinstance(found, Failure) and found.code == "CONTAINER"
    assert found.detail == f"{MARK}starting the container: {MARK}no output"
