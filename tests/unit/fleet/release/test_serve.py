"""What a release can say of how its model is served."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.errors import InvalidInput
from fleet.proof import locking
from fleet.release import files, lockfile
from fleet.release.endpoints import build_definition, list_endpoints
from fleet.release.serve import Serve
from fleet.release.target import HostTarget, ReleaseTarget
from fleet.store import targets
from fleet.store.targets import load_host_target
from mlufleet.cli.release_description import describe_release

#: A server of the release's own that is told its port.
OWN = {
    "command": ["python", "ask.py", "--port", "{port}"],
    "workdir": "/home/share/model_mlu",
    "question": "first?",
    "expect": "second!",
}


def write(site: Path, name: str = "served", **over: Any) -> Path:
    path = site / f"{name}.yml"
    serve = {**OWN, **over.pop("serve", {})}
    serve = {key: value for key, value in serve.items() if value is not None}
    content = {"extends": str(site / "small.yml"), "name": name, "serve": serve, **over}
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


@pytest.mark.parametrize(
    ("serve", "field"),
    [
        ({"command": None}, "serve"),
        ({"command": None, "model": "/data/models/tiny", "api": "http"}, "serve.api"),
        ({"command": ["python", "ask.py", "{model}"]}, "serve.model"),
        ({"prompt": "Answer:"}, "serve.prompt"),
        ({"name": "the model"}, "serve.name"),
        ({"listens": 65535, "each": [[0], [1]]}, "serve.listens"),
        ({"port": 0}, "serve.port"),
        ({"port": 65535, "each": [[0], [1]]}, "serve.port"),
        ({"question": ""}, "serve.question"),
        ({"path": "/other"}, "serve.path"),
        ({"command": [""]}, "serve.command.0"),
        ({"environment": {"A=B": "1"}}, "serve.environment.A=B"),
        ({"each": []}, "serve.each"),
        ({"each": "cards"}, "serve.each"),
        ({"each": [0, 1]}, "serve.each"),
        ({"each": [[0], [-1]]}, "serve.each.1"),
        ({"each": [[0], []]}, "serve.each.1"),
        ({"each": [[0, 1], [1, 2]]}, "serve.each.1"),
        ({"each": [[0, 0]]}, "serve.each.0"),
        ({"each": "card", "command": ["python", "ask.py"]}, "serve.each"),
        (
            {"each": "card", "environment": {"MLU_VISIBLE_DEVICES": "0"}},
            "serve.environment.MLU_VISIBLE_DEVICES",
        ),
    ],
)
def test_what_cannot_be_served_is_told_with_file_and_line(
    site: Path, serve: dict[str, Any], field: str
) -> None:
    path = write(site, serve=serve)
    with pytest.raises(InvalidInput) as error:
        files.load_release(path)
    (place, _, said) = str(error.value).splitlines()[0].partition(": ")
    assert said.startswith(f"{field}: "), said
    name = field.rpartition(".")[2]
    line = int(place.removeprefix(f"{path}:"))
    assert line >= path.read_text().splitlines().index("serve:") + 1
    if name in serve:
        assert path.read_text().splitlines()[line - 1].strip().startswith(f"{name}:")


@pytest.mark.parametrize("network", ["host", "none"])
def test_a_network_without_published_ports_is_refused_with_serve(site: Path, network: str) -> None:
    container = {"name": "torch", "network": network}
    path = write(site, container=container)
    with pytest.raises(InvalidInput, match=rf"served\.yml:\d+: container\.network: .*{network}"):
        files.load_release(path)
    text = path.read_text()
    path.write_text(text[: text.index("serve:")] + yaml.safe_dump({"container": container}))
    assert files.load_release(path).container.network == network


def test_the_port_of_a_server_that_is_not_told_it_is_published(site: Path) -> None:
    command = ["python", "ask.py"]
    path = write(site, serve={"command": command, "port": 80, "listens": 65535})
    (only,) = list_endpoints(as_target(site, path), 4)
    assert (only.port, only.container_port, only.cards) == (80, 65535, (0, 1, 2, 3))


def test_each_instance_has_its_port_and_its_cards(site: Path) -> None:
    target = as_target(site, write(site, serve={"each": [[0, 2], [1]], "port": 9000}))
    found = build_definition(target, 4)["instances"]
    assert [one["command"][-1] for one in found] == ["9000", "9001"]
    assert [one["environment"]["MLU_VISIBLE_DEVICES"] for one in found] == ["0,2", "1"]
    shown = list(describe_release(target.release, target.lock, target.store, cards=4))
    places = [line.strip().partition(": ") for line in shown if line.startswith("  port ")]
    assert [place for place, _, _ in places] == ["port 9000, cards 0, 2", "port 9001, cards 1"]
    assert all(command.endswith(" --port 900" + place[8]) for place, _, command in places)


def as_target(site: Path, path: Path) -> ReleaseTarget:
    made = locking.create_lock(files.load_document(path), site / "store")
    lockfile.lock_path(path).write_text(made.model_dump_json())
    targets.load_release_target.cache_clear()
    targets._load_together.cache_clear()
    return targets.load_release_target(str(path), f"{site}/store")


@pytest.mark.parametrize(
    ("serve", "is_refused"),
    [
        ({}, True),
        ({"checks_key": False}, True),
        ({"checks_key": True}, False),
    ],
)
def test_a_key_that_no_server_checks_is_refused(
    site: Path, serve: dict[str, Any], is_refused: bool
) -> None:
    path = write(site, serve=serve)
    as_target(site, path)
    key = site / "key"
    key.write_text("0123456789abcdef\n")
    key.chmod(0o600)
    data = {"release": str(path), "store": str(site / "store"), "serve_key": str(key)}
    if is_refused:
        with pytest.raises(InvalidInput, match=r"serve_key: .*served\.yml:\d+: serve\.command "):
            load_host_target(data)
    else:
        assert load_host_target(data).primary.api_key == "0123456789abcdef"
    assert load_host_target({**data, "serve_key": None}).primary.api_key == ""


def test_the_server_that_mlu_fleet_brings_checks_keys() -> None:
    fields = {"question": "q", "expect": "e"}
    assert Serve(model="/m", **fields).refuses_wrong_keys
    assert not Serve(command=("python", "api.py"), **fields).refuses_wrong_keys


OTHER = {
    "container": {
        "name": "second",
        "mounts": [
            {"host": "/data/other", "container": "/home/share"},
            {"host": "/data/models", "container": "/data/models"},
        ],
    },
    "weights": [
        {
            "name": "tiny",
            "folder": "weights",
            "target": "/data/models/other",
            "link": {"tree": "model", "path": "tiny"},
        }
    ],
}


def load_pair(site: Path, first: dict[str, Any], second: dict[str, Any]) -> HostTarget:
    """Two releases of one host: the first has cards 0 and 1, the second 2 and 3."""
    one = write(site, "one", serve=first)
    two = write(site, "two", serve=second, **OTHER)
    for path in (one, two):
        as_target(site, path)
    return load_host_target(
        {"releases": {str(one): "0-1", str(two): "2,3"}, "store": str(site / "store")}
    )


def test_two_releases_of_one_host_have_ports_of_their_own(site: Path) -> None:
    pair = load_pair(site, {"each": "card"}, {"port": 8002})
    served = {target.release.name: list_endpoints(target, 4) for target in pair.releases}
    ports = {name: [one.port for one in found] for name, found in served.items()}
    assert ports == {"one": [8000, 8001], "two": [8002]}


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        ({}, {}, "same port 8000 "),
        ({"each": "card"}, {"port": 8001}, "same port 8001 "),
        ({"each": "card"}, {"each": [[0], [1]]}, "same ports 8000, 8001 "),
        ({}, {"port": 9000, "each": [[0], [2]]}, "serve.each.1 of two names card 2"),
    ],
)
def test_ports_and_cards_that_two_releases_cannot_have_are_told(
    site: Path, first: dict[str, Any], second: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InvalidInput) as error:
        load_pair(site, first, second)
    assert problem in str(error.value)
