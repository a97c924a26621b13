"""Codes and values of failed connections, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from paramiko import AuthenticationException, BadHostKeyException, ECDSAKey, SSHException

from fleet.language import CHINESE, _, english
from mlufleet.connect.errors import classify_connect_error, key_fingerprint
from mlufleet.connect.jump_hosts import CommandError, JumpError
from mlufleet.connect.private_keys import KeyProblem, load


@pytest.fixture(params=["en", CHINESE])
def any_language(request: pytest.FixtureRequest, speak: Callable[[str], None]) -> None:
    speak(request.param)


@pytest.mark.usefixtures("any_language")
def test_another_host_key_is_told_with_both_fingerprints() -> None:
    shown, known = ECDSAKey.generate(), ECDSAKey.generate()
    failure = classify_connect_error(BadHostKeyException("mlu1", shown, known), ())
    assert failure.code == "HOST_KEY_CHANGED"
    assert key_fingerprint(shown) in failure.detail and key_fingerprint(known) in failure.detail
    assert english(failure.detail).startswith("the host presented ")


@pytest.mark.usefixtures("any_language")
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AuthenticationException("Authentication failed."), "AUTH"),
        (AuthenticationException("transport shut down or saw EOF"), "UNREACHABLE"),
        (SSHException("No host key for [192.0.2.1]:22 found"), "HOST_KEY_UNKNOWN"),
        (CommandError("Permission denied (publickey)."), "AUTH"),
        (CommandError("no route to host"), "UNREACHABLE"),
    ],
)
def test_words_of_others_have_codes_in_every_language(error: Exception, code: str) -> None:
    assert classify_connect_error(error, ()).code == code


@pytest.mark.usefixtures("any_language")
def test_a_failure_behind_a_jump_host_names_it() -> None:
    error = JumpError("gate", "refused")
    error.__cause__ = AuthenticationException("Authentication failed.")
    failure = classify_connect_error(error, ())
    assert failure.code == "AUTH"
    assert english(failure.detail) == "jump host gate: Authentication failed."


@pytest.mark.usefixtures("any_language")
def test_a_host_that_cannot_be_reached_is_recorded_in_english() -> None:
    error = OSError(_("Could not connect (no login within {seconds} s)", seconds=30))
    failure = classify_connect_error(error, (f"[mlu1] {error}",))
    assert failure.code == "UNREACHABLE"
    assert english(failure.detail) == "[mlu1] Could not connect (no login within 30 s)"


@pytest.mark.usefixtures("any_language")
def test_a_key_that_is_not_there_is_named() -> None:
    with pytest.raises(KeyProblem, match=r"/none/id_x") as raised:
        load("/none/id_x")
    failure = classify_connect_error(raised.value, ())
    assert failure.code == "SSH_KEY"
    assert english(failure.detail) == "ssh_key: no file /none/id_x"
