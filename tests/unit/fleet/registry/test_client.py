"""What is read of a registry, and what its refusals mean."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from fleet.errors import CodedInputError
from fleet.registry.client import RegistryClient
from fleet.registry.credentials import Credentials
from fleet.registry.reference import Reference
from tests.unit.fleet.conftest import PASSWORD, USER, Registry, digest

LOGIN = Credentials(USER, PASSWORD)


def client(registry: Registry, found: str, login: Credentials | None = None) -> RegistryClient:
    return RegistryClient(Reference.parse(registry.reference(found)), login, timeout_s=5)


def code(registry: Registry, found: str, login: Credentials | None = None) -> str:
    with pytest.raises(CodedInputError) as error:
        client(registry, found, login).read_image()
    assert registry.host in str(error.value) and PASSWORD not in str(error.value)
    return error.value.failure.code


@pytest.mark.parametrize("scheme", ["", "basic", "bearer"])
def test_an_image_is_known_by_its_configuration(registry: Registry, scheme: str) -> None:
    registry.scheme, found = scheme, registry.add_image()
    image = client(registry, found, LOGIN if scheme else None).read_image()
    config = registry.blobs[image.id]
    assert (image.config, image.architecture) == (config, "amd64")
    assert image.labels == {"com.cambricon.driver": "v5.10.10"}
    assert image.size == sum(map(len, registry.blobs.values())) - len(config)


def test_of_an_index_the_manifest_of_the_architecture_is_taken(registry: Registry) -> None:
    both = registry.add_index(amd64=registry.add_image(), arm64=registry.add_image("arm64"))
    assert client(registry, both).read_image("arm64").architecture == "arm64"
    assert client(registry, both).read_image().architecture == "amd64"
    assert code(registry, registry.add_index(arm64=registry.add_image("arm64"))) == (
        "IMAGE_NOT_FOUND"
    )


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
@pytest.mark.parametrize("login", [None, Credentials(USER, "wrong")])
def test_a_login_that_is_wrong_or_missing_is_told(
    registry: Registry, scheme: str, login: Credentials | None
) -> None:
    registry.scheme = scheme
    assert code(registry, registry.add_image(), login) == "REGISTRY_LOGIN"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (403, "REGISTRY_LOGIN"),
        (404, "IMAGE_NOT_FOUND"),
        (429, "REGISTRY_UNREACHABLE"),
        (503, "REGISTRY_UNREACHABLE"),
    ],
)
def test_each_status_has_its_code(registry: Registry, status: int, expected: str) -> None:
    found, registry.status = registry.add_image(), status
    assert code(registry, found) == expected


def test_what_has_other_bytes_than_its_digest_is_not_read(registry: Registry) -> None:
    found = registry.add_image()
    registry.manifests[found] += b" "
    assert code(registry, found) == "IMAGE_NOT_FOUND"


@pytest.mark.parametrize(
    "document",
    [{"schemaVersion": 1}, {"config": 1, "layers": []}, {"layers": []}, {"manifests": "none"}],
)
def test_a_manifest_of_another_kind_is_refused(
    registry: Registry, document: dict[str, object]
) -> None:
    content = json.dumps({"schemaVersion": 2, **document}).encode()
    registry.manifests[digest(content)] = content
    assert code(registry, digest(content)) == "IMAGE_NOT_FOUND"


def test_a_port_where_nobody_listens_is_unreachable(registry: Registry) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        registry.host = f"127.0.0.1:{free.getsockname()[1]}"
    assert code(registry, registry.add_image()) == "REGISTRY_UNREACHABLE"


def test_a_registry_elsewhere_is_not_spoken_to_without_tls(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.registry.local_docker.allows_plain_http", lambda host: False)
    assert code(registry, registry.add_image()) in ("REGISTRY_INSECURE", "REGISTRY_UNREACHABLE")
    assert registry.asked == []


def test_plain_http_is_allowed_by_dockers_own_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.registry.local_docker.DAEMON_FILE", tmp_path / "daemon.json")
    reference = Reference.parse(f"harbor.example/x@sha256:{'0' * 64}")
    assert RegistryClient(reference)._scheme == "https"
    (tmp_path / "daemon.json").write_text('{"insecure-registries": ["harbor.example"]}')
    assert RegistryClient(reference)._scheme == "http"
