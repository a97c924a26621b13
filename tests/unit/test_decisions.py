"""What each stage finds to do, from a release and a probe alone."""

from __future__ import annotations

import pytest

from fleet.failures import Failure
from fleet.wanted import Wanted
from operations import container, driver, engine, image, migration, outstanding, preflight, sources
from operations.stage import Options
from operations.state import HostState
from tests.unit.conftest import BARE, DRIVEN, probe

NONE = Options()


def code(decision: object) -> str:
    assert isinstance(decision, Failure), decision
    return decision.code


def without(prefix: str, *more: str) -> HostState:
    return probe(*(line for line in BARE if not line.startswith(prefix)), *more)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (without("os", "os|debian|12|Debian"), "OS_UNSUPPORTED"),
        (without("card"), "CARDS_MISSING"),
        (without("card", "card|0000:39:00.0|0x0370|ff|ffff"), "CARD_DROPPED"),
        (without("headers"), "HEADERS_MISSING"),
        (without("none", "secureboot|1"), "SECURE_BOOT"),
        (without("clock", "clock|99999999"), "CLOCK_SKEW"),
        (without("tool|git"), "TOOL_MISSING"),
        (without("uid", "uid|1000"), "PROBE_FAILED"),
        (without("disk", "disk|/var/lib/docker|10"), "NO_SPACE"),
    ],
)
def test_preflight_refuses(wanted: Wanted, state: HostState, expected: str) -> None:
    assert code(preflight.decide(wanted, state, NONE)) == expected


def test_preflight_passes_a_bare_host(wanted: Wanted, bare: HostState) -> None:
    assert preflight.decide(wanted, bare, Options(cards=2)) == []
    assert code(preflight.decide(wanted, bare, Options(cards=4))) == "CARDS_MISSING"


def test_what_a_stopped_engine_holds_is_not_guessed_and_room_is_asked_for_later(
    wanted: Wanted,
) -> None:
    full = [line for line in BARE if not line.startswith(("disk", "engine"))]
    full += ["disk|/var/lib/docker|10"]
    assert preflight.decide(wanted, probe(*full), NONE) == []
    started = probe(*full, "engine|20.10.24|enabled")
    assert code(image.decide(wanted, started, NONE)) == "NO_SPACE"
    loaded = probe(*full, "engine|20.10.24|enabled", f"image|{wanted.lock.image.id}")
    assert isinstance(image.decide(wanted, loaded, NONE), list)


def test_headers_do_not_matter_once_the_driver_is_there(wanted: Wanted) -> None:
    state = probe(*(line for line in DRIVEN if not line.startswith("headers")))
    assert preflight.decide(wanted, state, NONE) == []


def test_driver_right_is_nothing_to_do(wanted: Wanted, driven: HostState) -> None:
    assert driver.decide(wanted, driven, NONE) == []


def test_driver_installed_but_an_old_one_loaded_is_not_right(wanted: Wanted) -> None:
    lines = [line.replace("running|0000:39:00.0|5.10.10", "running|0000:39:00.0|5.10.6")
             for line in DRIVEN]  # fmt: skip
    assert driver.decide(wanted, probe(*lines), NONE) != []


def test_a_half_configured_package_is_not_installed(wanted: Wanted) -> None:
    lines = [line.replace("install ok installed", "install ok half-configured") for line in DRIVEN]
    (todo,) = driver.decide(wanted, probe(*lines), NONE)
    assert "half-configured" in todo


def test_a_missing_node_is_made(wanted: Wanted) -> None:
    state = probe(*(line for line in DRIVEN if line != "node|/dev/cambricon_ipcm1"))
    assert driver.decide(wanted, state, NONE) == ["make nodes /dev/cambricon_ipcm1"]


def test_a_foreign_process_on_a_card_stops_a_driver_change_and_is_named(wanted: Wanted) -> None:
    state = probe(*BARE, "holder|77|train|")
    failure = driver.decide(wanted, state, NONE)
    assert code(failure) == "CARD_BUSY" and "train (pid 77)" in failure.detail
    assert isinstance(driver.decide(wanted, state, Options(evict=True)), list)


def test_our_own_container_on_a_card_is_not_foreign(wanted: Wanted) -> None:
    state = probe(*BARE, "holder|77|python|" + "c" * 64,
                  f"container|{'c' * 64}|sha256:x|true|9|spec")  # fmt: skip
    assert driver.foreign(state) == []


@pytest.mark.parametrize(
    ("line", "todo"),
    [
        ("engine|20.10.24|enabled", []),
        ("engine|20.10.24|disabled", ["enable docker at boot"]),
        ("engine|18.09.1|enabled", ["upgrade docker 18.09.1 to at least 19.03"]),
    ],
)
def test_engine(wanted: Wanted, line: str, todo: list[str]) -> None:
    assert engine.decide(wanted, without("engine", line), NONE) == todo


@pytest.mark.parametrize("tool", ["tool|docker", "tool|dockerd"])
def test_an_engine_without_client_or_daemon_is_installed_from_the_store(
    wanted: Wanted, tool: str
) -> None:
    lines = [line for line in BARE if line != tool and not line.startswith("engine")]
    assert engine.decide(wanted, probe(*lines), NONE) == ["install docker"]
    upload, install = engine.act(wanted, probe(*lines), NONE)
    carried = "/var/lib/mlufleet/artifacts/docker/docker.io.deb"
    assert carried in repr(upload) and f"install {carried}" in repr(install)


def test_an_engine_that_does_not_answer_is_started_not_installed(wanted: Wanted) -> None:
    state = without("engine")
    assert engine.decide(wanted, state, NONE) == ["start docker"]
    (start,) = engine.act(wanted, state, NONE)
    assert "mlufleet-engine start" in repr(start)


def test_an_engine_of_a_system_without_packages_comes_from_its_repositories(
    wanted: Wanted,
) -> None:
    state = without("os", "os|centos|7|CentOS", "engine|18.09.1|enabled")
    (install,) = engine.act(wanted, state, NONE)
    assert "mlufleet-engine install" in repr(install) and "artifacts" not in repr(install)


def test_an_image_is_known_by_its_id(wanted: Wanted) -> None:
    identity = wanted.lock.image.id
    assert image.decide(wanted, probe(*BARE, f"image|{identity}", f"tagged|{identity}"), NONE) == []
    other = probe(*BARE, "tagged|sha256:" + "00" * 32)
    assert image.decide(wanted, other, NONE)[0].startswith("load image")
    untagged = probe(*BARE, f"image|{identity}")
    assert image.decide(wanted, untagged, NONE)[0].startswith("tag ")


def test_a_container_gets_every_cards_nodes_and_is_not_privileged(
    wanted: Wanted, driven: HostState
) -> None:
    arguments = container.run_arguments(wanted, driven)
    devices = [arguments[i + 1] for i, word in enumerate(arguments) if word == "--device"]
    assert devices == [f"/dev/cambricon_{n}" for n in ("ctl", "dev0", "ipcm0", "dev1", "ipcm1")]
    assert "--privileged" not in arguments and "--init" in arguments
    assert "/data/share:/home/share" in arguments


def with_container(
    wanted: Wanted, spec: str | None = None, running: str = "true", *more: str
) -> HostState:
    spec = container.spec_digest(wanted, probe(*DRIVEN)) if spec is None else spec
    identity = wanted.lock.image.id
    return probe(*DRIVEN, f"container|id1|{identity}|{running}|9|{spec}", *more)


def test_a_container_is_made_anew_only_when_something_differs(wanted: Wanted) -> None:
    assert container.decide(wanted, with_container(wanted), NONE) == []
    assert "recreate" in container.decide(wanted, with_container(wanted, "other"), NONE)[0]
    assert "start" in container.decide(wanted, with_container(wanted, running="false"), NONE)[0]
    stale = with_container(wanted, None, "true", "stale|/usr/bin/cnmon")
    assert "restart" in container.decide(wanted, stale, NONE)[0]


def test_somebody_elses_container_of_our_name_is_kept(wanted: Wanted) -> None:
    state = with_container(wanted, spec="")
    commands = " ".join(repr(command) for command in container.act(wanted, state, NONE))
    assert "mlufleet-container keep torch" in commands and " remove torch" not in commands


def test_a_dirty_checkout_is_refused_or_kept_never_overwritten(wanted: Wanted) -> None:
    commit = wanted.lock.commits["model"]
    dirty = probe(*BARE, f"source|/data/share/model|{commit}|2")
    assert code(sources.decide(wanted, dirty, NONE)) == "SOURCE_DIRTY"
    assert isinstance(sources.decide(wanted, dirty, Options(keep_dirty=True)), list)
    clean = probe(*BARE, f"source|/data/share/model|{commit}|0")
    assert sources.decide(wanted, clean, NONE) == []
    foreign = probe(*BARE, "source|/data/share/model|foreign|0")
    assert code(sources.decide(wanted, foreign, NONE)) == "SOURCE_FOREIGN"


def test_a_checkout_is_told_of_what_a_release_newly_puts_inside(wanted: Wanted) -> None:
    commit = wanted.lock.commits["model"]
    state = probe(*BARE, f"source|/data/share/model|{commit}|0", "unlisted|/data/share/model")
    assert sources.decide(wanted, state, NONE) == ["tell the git of model what inside is ours"]


def test_an_edited_migrated_tree_is_made_again(wanted: Wanted) -> None:
    stamp = f"stamp|tree-model|{migration.inputs(wanted, wanted.release.source('model'))} sig"
    right = probe(*BARE, stamp, "tree|/data/share/model_mlu|sig")
    assert migration.decide(wanted, right, NONE) == []
    edited = probe(*BARE, stamp, "tree|/data/share/model_mlu|other")
    assert migration.decide(wanted, edited, NONE) == ["migrate model (it was edited)"]


def test_a_host_that_could_not_be_seen_gets_every_stage(wanted: Wanted) -> None:
    assert outstanding.stages(wanted, None, NONE) == [stage.name for stage in outstanding.STAGES]


def test_a_refused_host_stops_there(wanted: Wanted) -> None:
    refused = outstanding.refusal(wanted, without("card"), NONE)
    assert refused and (refused[0], refused[1].code) == ("preflight", "CARDS_MISSING")
    assert outstanding.refusal(wanted, probe(*BARE), NONE) is None
    assert outstanding.stages(wanted, without("card"), NONE) == ["preflight"]
