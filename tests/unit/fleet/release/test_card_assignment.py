"""Several releases on one host: whose cards, what they share, what they cannot."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet import inventory
from fleet.errors import Failure, InvalidInput
from fleet.inventory.pyinfra_loader import load_inventory
from fleet.inventory.tree import describe_inventory
from fleet.proof import locking
from fleet.release import files, host_paths, lockfile, snapshot
from fleet.release.card_assignment import ASSIGNMENT_ADAPTER
from fleet.release.conflicts import find_conflicts
from fleet.release.target import HostTarget, ReleaseTarget
from fleet.store import targets
from fleet.store.targets import load_host_target
from operations import card_users, container, disk_space, preflight, smoke_test, stages
from operations.host.facts import HostFacts
from operations.host.probe import probe_arguments
from operations.host.probe_parser import parse
from operations.stage import HostOptions
from tests.unit import packaged
from tests.unit.conftest import BARE, NUMPY
from tests.unit.operations.stage_helpers import as_spec, plan_commands, plan_words

CARDS = tuple(f"card|0000:0{n}:00.0|0x0370|01|" for n in range(4))


@pytest.fixture
def pair(site: Path, wanted: ReleaseTarget) -> Path:
    """Beside small.yml, other.yml: the same driver and image, its own container and folder."""
    write(
        site,
        {
            "name": "other",
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
        },
    )
    return site


def write(site: Path, over: dict[str, Any]) -> None:
    path = site / "other.yml"
    path.write_text(yaml.safe_dump({"extends": str(site / "small.yml"), **over}))
    made = locking.create_lock(files.load_document(path), site / "store")
    lockfile.lock_path(path).write_text(made.model_dump_json())
    targets.load_release_target.cache_clear()
    targets._load_together.cache_clear()


def load_one(site: Path, name: str) -> ReleaseTarget:
    return targets.load_release_target(f"{site}/{name}.yml", f"{site}/store")


def both(site: Path, small: str = "0-1", other: str = "2,3") -> HostTarget:
    said = {f"{site}/small.yml": small, f"{site}/other.yml": other}
    return load_host_target({"releases": said, "store": f"{site}/store"})


def seen(*lines: str, **sections: tuple[str, ...]) -> HostFacts:
    """What a probe shows of a host, asked about `second` and `torch`."""
    text = [*BARE[:5], *CARDS, *lines]
    for slot, said in sections.items():
        text += [f"release|{slot}", *said, "host"]
    printed = ["@@mlufleet-begin", *(line.replace("|", "\t") for line in text), "@@mlufleet-end"]
    return parse(printed, now=1000.0)


def test_parts_are_in_one_order_whichever_is_asked(pair: Path) -> None:
    first = both(pair)
    assert [(part.key, part.cards) for part in first.releases] == [
        ("second", (2, 3)),
        ("torch", (0, 1)),
    ]
    identities = {first.identity, both(pair, small="0").identity, first.primary.identity}
    assert len(identities) == 3
    alone = load_host_target({"release": f"{pair}/small.yml", "store": f"{pair}/store"})
    assert alone.primary.key == ""


@pytest.mark.parametrize(
    ("said", "numbers"),
    [("0-3,6", (0, 1, 2, 3, 6)), ("5", (5,)), (5, (5,)), ([0, 2], (0, 2)), ("0, 2", (0, 2))],
)
def test_cards_are_said_in_few_words(said: Any, numbers: tuple[int, ...]) -> None:
    assert ASSIGNMENT_ADAPTER.validate_python({"a": said}) == {"a": numbers}


def test_a_command_line_says_them_in_one_word_each() -> None:
    assert ASSIGNMENT_ADAPTER.validate_python("a=0-1 b=2") == {"a": (0, 1), "b": (2,)}


@pytest.mark.parametrize(
    ("releases", "problem"),
    [
        ({"small.yml": "3-1"}, "3-1"),
        ({"small.yml": "all"}, "'all'"),
        ({"small.yml": "0-99"}, "64"),
        ({"small.yml": []}, "at least 1"),
        ({"small.yml": True}, "got True"),
        ("small.yml", "got 'small.yml'"),
        ("a=0 a=1", "'a=0 a=1'"),
        (
            {"small.yml": "0-1", "other.yml": "1-2"},
            "card 1 is assigned to both small.yml and other.yml",
        ),
        ({"small.yml": "0-7"}, "card 7 does not exist: the 4 cards"),
    ],
)
def test_wrong_cards_are_told_with_file_and_line(pair: Path, releases: Any, problem: str) -> None:
    path = pair / "fleet.yml"
    path.write_text(
        yaml.safe_dump({"hosts": {"a": {"cards": 4, "releases": releases}}}, sort_keys=False)
    )
    with pytest.raises(InvalidInput) as error:
        inventory.read(path)
    assert f"{path}:" in str(error.value) and problem in str(error.value)


def test_a_hosts_own_releases_hide_the_one_of_all(pair: Path) -> None:
    path = pair / "fleet.yml"
    path.write_text(
        f"defaults: {{release: {pair}/small.yml, store: {pair}/store}}\n"
        f"hosts:\n  a: {{}}\n  b: {{releases: {{{pair}/small.yml: 0-1}}}}\n"
    )
    (_, a), (_, b) = inventory.read(path)
    assert "releases" not in a and "release" not in b
    assert b["releases"] == {f"{pair}/small.yml": (0, 1)}
    path.write_text("hosts: {a: {release: x, releases: {y: 0}}}\n")
    with pytest.raises(InvalidInput, match="set either"):
        inventory.read(path)


@pytest.mark.parametrize(
    ("over", "problem"),
    [
        (
            {
                "driver": {
                    "version": "5.10.22",
                    "packages": {
                        "ubuntu18.04": {"file": "new.deb"},
                        "centos7": {"file": "new.rpm"},
                    },
                }
            },
            "5.10.22",
        ),
        ({"container": {"name": "torch"}}, "container name torch"),
        ({"container": {"name": "second"}}, "path /data/share/model_mlu "),
        (
            {
                "container": {
                    "name": "second",
                    "mounts": [
                        {"host": "/data/share/model_mlu", "container": "/home/share"},
                        {"host": "/data/models", "container": "/data/models"},
                    ],
                }
            },
            "/data/share/model_mlu/model",
        ),
    ],
)
def test_what_two_releases_cannot_share_is_told(
    pair: Path, over: dict[str, Any], problem: str
) -> None:
    (pair / "store/new.deb").write_bytes(packaged.deb("mlu-ubuntu18.04-dkms", "5.10.22"))
    (pair / "store/new.rpm").write_bytes(packaged.rpm("mlu-centos7", "5.10.22"))
    write(pair, {"name": "other", **over})
    with pytest.raises(InvalidInput) as error:
        both(pair)
    assert "small" in str(error.value) and problem in str(error.value)


def test_weights_and_checkouts_that_are_the_same_are_shared(pair: Path) -> None:
    plain = {
        "migration": None,
        "patches": [],
        "smoke": {"workdir": "/home/share/model"},
        "weights": [
            {"name": "tiny", "folder": "weights", "target": "/data/models/one", "link": None}
        ],
    }
    write(pair, {"name": "other", "container": {"name": "second"}, **plain})
    second = load_one(pair, "other")
    first = replace(
        second,
        release=second.release.model_copy(
            update={
                "name": "small",
                "container": second.release.container.model_copy(update={"name": "torch"}),
            }
        ),
    )
    assert not list(find_conflicts([first, second]))
    other = first.lock.model_copy(update={"commits": {"model": "0" * 40}})
    (told,) = find_conflicts([replace(first, lock=other), second])
    assert "path /data/share/model " in told


def test_a_container_gets_the_cards_of_its_release_alone(pair: Path) -> None:
    second, torch = both(pair).releases
    words = " ".join(container.run_arguments(second, second.card_numbers(4)))
    assert "dev2" in words and "ipcm3" in words and "dev0" not in words and "dev1" not in words
    assert "dev0" in " ".join(container.run_arguments(torch, torch.card_numbers(4)))


def test_cards_that_are_not_there_are_refused_before_anything_is_touched(pair: Path) -> None:
    state = seen(
        "headers|x",
        *(f"tool|{tool}" for tool in preflight.REQUIRED_TOOLS),
        "uid|0",
        second=(),
        torch=(),
    )
    found = plan_words(preflight, both(pair, other="2,7"), state, HostOptions(cards=4))
    assert isinstance(found, Failure) and found.code == "CARDS_MISSING"
    assert "other has card 7, and the bus shows 4: 0 to 3" in found.sentence


def test_room_is_wanted_for_both_and_once_for_what_they_share(
    pair: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_space, "FULL_BELOW_BYTES", 0)  # the files here are small
    parts = both(pair)
    size = {name: file.size for name, file in parts.primary.lock.files.items()}
    image, wheel = size["image.tar.gz"], size[f"wheels/{NUMPY}"]
    weights = 2 * size["weights/model.bin"]
    arriving = image + weights + size["model.bundle"] + 2 * wheel + size["driver.deb"]
    exact = arriving, 3 * image + 2 * 4 * wheel
    state = seen(
        f"disk|/var/lib/mlufleet|{exact[0]}",
        f"disk|/var/lib/docker|{exact[1]}",
        "engine|20.10.24|enabled",
        second=(),
        torch=(),
    )
    assert disk_space.check_free_space(parts, state) is None
    state.free_bytes["/var/lib/mlufleet"] -= 1
    short = disk_space.check_free_space(parts, state)
    assert short and short.code == "NO_SPACE" and "/var/lib/mlufleet" in short.sentence
    state.free_bytes = {"/var/lib/docker": exact[1] - 1}
    short = disk_space.check_free_space(parts, state)
    assert short and "/var/lib/docker" in short.sentence


def test_a_probe_is_asked_about_each_and_its_answers_are_told_apart(pair: Path) -> None:
    asked = probe_arguments(both(pair))
    assert "RELEASES='0 1'" in asked and "CONTAINERS='second torch'" in asked
    assert asked.count("SLOT=") == 2 and "release_1() {" in asked
    state = seen(
        "retired|old", second=("image|sha256:a", "stamp|smoke|x"), torch=("image|sha256:b",)
    )
    second, torch = state.releases["second"], state.releases["torch"]
    assert (second.image, torch.image) == ("sha256:a", "sha256:b")
    assert second.stamps == {"smoke": "x"} and not torch.stamps
    assert state.orphaned_containers == ["old"] and len(state.cards) == 4


def test_what_is_to_do_names_the_release_and_the_driver_once(pair: Path) -> None:
    tools = [f"tool|{tool}" for tool in (*preflight.REQUIRED_TOOLS, "docker", "dockerd")]
    state = seen("headers|x", "uid|0", *tools, second=(), torch=())
    found = stages.find_drift(as_spec(both(pair)), state)
    assert [label for label in found if "of" not in label] == ["driver", "engine"]
    assert {"image of other", "image of small", "smoke of other", "smoke of small"} < set(found)


def test_the_container_of_the_other_release_is_no_stranger_on_a_card(pair: Path) -> None:
    a, b, c = ("a" * 64, "b" * 64, "c" * 64)
    box = "container|{}|sha256:x|true|7|spec"
    holders = [f"holder|{pid}|python|{who}" for pid, who in enumerate((a, b, c, ""), 10)]
    state = seen(*holders, second=(box.format(a),), torch=(box.format(b),))
    assert [holder.pid for holder in card_users.list_others(state)] == [12, 13]


def test_a_container_that_no_release_has_any_more_goes(pair: Path) -> None:
    state = seen("retired|old", "engine|20.10.24|enabled", second=(), torch=())
    todo = plan_words(container, both(pair), state)
    assert todo[:1] == ["remove container old: no release of this host has it any more"]  # type: ignore[index]


def test_what_the_host_is_is_remembered_when_all_have_answered(pair: Path) -> None:
    parts = both(pair)
    _, torch = parts.releases
    cards = [f"tool|{tool}" for tool in preflight.REQUIRED_TOOLS]

    def titles(state: HostFacts) -> list[str]:
        return [getattr(step, "title", "") for step in plan_commands(smoke_test, parts, state)]

    state = seen(*cards, second=(), torch=())
    assert "remembering what this host is" not in titles(state)
    state.releases["torch"].stamps["smoke"] = smoke_test.input_digest(torch, state)
    assert "remembering what this host is" in titles(state)


def test_what_was_remembered_comes_back_as_the_data_of_a_host(pair: Path, tmp_path: Path) -> None:
    parts = both(pair)
    text = snapshot.write_snapshot(parts).read_text()
    assert [one["cards"] for one in json.loads(text)["releases"]] == [[2, 3], [0, 1]]
    back = snapshot.restore_snapshot(text, tmp_path / "back", "host")
    assert back["release"] is None
    again = load_host_target({**back, "store": str(parts.store)})
    assert again.identity == parts.identity


def test_wheels_of_one_are_out_of_reach_for_the_other(pair: Path) -> None:
    second, torch = both(pair).releases
    assert (
        host_paths.shared_folder(second.key)
        == f"{host_paths.SHARED_FOLDER}/second"
        != host_paths.shared_folder(torch.key)
    )
    assert host_paths.shared_folder("") == host_paths.SHARED_FOLDER


def test_it_is_shown_which_card_is_whose(pair: Path) -> None:
    path = pair / "hosts.py"
    said = {f"{pair}/small.yml": "0-1", f"{pair}/other.yml": "2"}
    path.write_text(f"fleet = [('a', {{'releases': {said!r}, 'store': '{pair}/store'}})]\n")
    host = describe_inventory(load_inventory(str(path)))["hosts"]["a"]
    assert host["release"] == f"{pair}/small.yml=0,1 {pair}/other.yml=2"
    assert host["releases"] == {f"{pair}/small.yml": [0, 1], f"{pair}/other.yml": [2]}


def test_a_table_has_them_in_one_column(pair: Path) -> None:
    path = pair / "fleet.csv"
    path.write_text(
        f"name,releases,store\na,{pair}/small.yml=0-1 {pair}/other.yml=3,{pair}/store\n"
    )
    ((_, said),) = inventory.read(path)
    assert said["releases"] == {f"{pair}/small.yml": (0, 1), f"{pair}/other.yml": (3,)}
    path.write_text("name,releases\na,small=x\n")
    with pytest.raises(InvalidInput, match=r"fleet\.csv:2: .*got 'x'"):
        inventory.read(path)
