"""Login files: docker's and podman's, and two lines."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

import pytest

from fleet.errors import InvalidInput
from fleet.registry import credentials
from fleet.registry.host_access import load_access

HOST = "harbor.example:8443"
AUTH = b64encode(b"robot$ci:se:cret").decode()


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "robot$ci\nse:cret\n",
        json.dumps({"auths": {HOST: {"auth": AUTH}, "other.example": {}}}),
        json.dumps({"auths": {f"https://{HOST}/v2/": {"auth": AUTH}}}),
        json.dumps({"auths": {HOST: {"username": "robot$ci", "password": "se:cret"}}}),
    ],
)
def test_a_login_is_read_as_docker_podman_and_people_write_it(tmp_path: Path, text: str) -> None:
    found = load_access({"registry_login": str(written(tmp_path / "login", text))}, HOST).login
    assert found and (found.user, found.password) == ("robot$ci", "se:cret")
    assert "se:cret" not in repr(found)


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("user\nse:cret\n", 0o640, "chmod 600"),
        ("user:se:cret\n", 0o600, "two lines"),
        ("us:er\nse:cret\n", 0o600, "two lines"),
        ("", 0o600, "two lines"),
        ('{"auths": "se:cret"}', 0o600, "not a file with logins"),
        ('{"auths": {"other.example": {"auth": "c2U6Y3JldA=="}}}', 0o600, "no login for"),
    ],
)
def test_what_is_no_login_is_refused_and_not_repeated(
    tmp_path: Path, text: str, mode: int, why: str
) -> None:
    path = written(tmp_path / "login", text, mode)
    with pytest.raises(InvalidInput, match=why) as error:
        load_access({"registry_login": str(path)}, HOST)
    assert "cret" not in str(error.value).replace(str(tmp_path), "")


def test_docker_hub_has_several_names(tmp_path: Path) -> None:
    text = json.dumps({"auths": {"https://index.docker.io/v1/": {"auth": AUTH}}})
    path = written(tmp_path / "login", text)
    assert load_access({"registry_login": str(path)}, "docker.io").login


def test_the_users_own_login_is_that_of_the_first_file_that_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, user in (("auth.json", "named"), ("docker/config.json", "docker")):
        auth = b64encode(f"{user}:x".encode()).decode()
        written(tmp_path / name, json.dumps({"auths": {HOST: {"auth": auth}}}))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.delenv("REGISTRY_AUTH_FILE", raising=False)
    found = credentials.find_own(HOST)
    assert found and found.user == "docker"
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    found = credentials.find_own(HOST)
    assert found and found.user == "named"
    assert credentials.find_own("other.example") is None


def test_a_ca_is_a_certificate_and_nothing_else_of_its_file_is_taken(tmp_path: Path) -> None:
    certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    key = "-----BEGIN PRIVATE KEY-----\nBBBB\n-----END PRIVATE KEY-----\n"
    path = written(tmp_path / "ca.pem", f"Bag Attributes\n{certificate}{key}{certificate}")
    assert load_access({"registry_ca": str(path)}, HOST).ca == (certificate * 2).encode()
    written(path, key)
    with pytest.raises(InvalidInput, match="no certificate"):
        load_access({"registry_ca": str(path)}, HOST)
