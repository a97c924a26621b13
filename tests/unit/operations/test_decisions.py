"""What each stage finds to do, from a release and a probe alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleet.errors import Failure
from fleet.proof import locking
from fleet.release import files
from fleet.release.target import ReleaseTarget
from operations import (
    card_users,
    container,
    disk_space,
    driver,
    driver_install,
    engine,
    image,
    kernel_headers,
    migration,
    packages,
    preflight,
    sources,
)
from operations import stages as operations_stages
from operations.host.facts import HostFacts
from operations.stage import HostOptions
from tests.unit.conftest import BARE, DRIVEN, probe
from tests.unit.operations.stage_helpers import as_spec, only, plan_commands, plan_words, render
from tests.unit.packaged import deb

NONE = HostOptions()


def code(decision: object) -> str:
    assert isinstance(decision, Failure), decision
    return decision.code


def without(prefix: str, *more: str) -> HostFacts:
    return probe(*(line for line in BARE if not line.startswith(prefix)), *more)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (without("os", "os|debian|12|Debian"), "OS_UNSUPPORTED"),
        (without("card"), "CARDS_MISSING"),
        (without("card", "card|0000:39:00.0|0x0370|ff|ffff"), "CARD_DROPPED"),
        (without("headers"), "HEADERS_MISSING"),
        (without("none", "secureboot|lockdown"), "SECURE_BOOT"),
        (without("clock", "clock|99999999"), "CLOCK_SKEW"),
        (without("tool|git"), "TOOL_MISSING"),
        (without("uid", "uid|1000"), "PROBE_FAILED"),
        (without("disk", "disk|/var/lib/docker|10"), "NO_SPACE"),
    ],
)
def test_preflight_refuses(wanted: ReleaseTarget, state: HostFacts, expected: str) -> None:
    assert code(plan_words(preflight, wanted, state)) == expected


def test_preflight_passes_a_bare_host(wanted: ReleaseTarget, bare: HostFacts) -> None:
    assert plan_words(preflight, wanted, bare, HostOptions(cards=2)) == []
    assert code(plan_words(preflight, wanted, bare, HostOptions(cards=4))) == "CARDS_MISSING"


def test_what_a_stopped_engine_holds_is_not_guessed_and_room_is_asked_for_later(
    wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the test's image is smaller than what is left of a full file system
    monkeypatch.setattr(disk_space, "FULL_BELOW_BYTES", 0)
    full = [line for line in BARE if not line.startswith(("disk", "engine"))]
    full += ["disk|/var/lib/docker|10"]
    assert plan_words(preflight, wanted, probe(*full)) == []
    started = probe(*full, "engine|20.10.24|enabled")
    assert code(plan_words(image, wanted, started)) == "NO_SPACE"
    loaded = probe(*full, "engine|20.10.24|enabled", f"image|{wanted.lock.image.id}")
    assert isinstance(plan_words(image, wanted, loaded), list)


@pytest.mark.parametrize(
    ("kind", "name", "stages"),
    [
        ("container", "container torch", (engine, container)),
        ("image", "image registry.example/torch:v1", (engine, image)),
    ],
)
def test_what_docker_does_not_answer_for_is_not_taken_for_missing(
    wanted: ReleaseTarget, kind: str, name: str, stages: tuple[Any, ...]
) -> None:
    state = probe(*DRIVEN, f"silent|{kind}")
    for stage in stages:
        failure = plan_words(stage, wanted, state)
        assert code(failure) == "ENGINE"
        assert failure.sentence.endswith(f"docker does not answer for {name}")
    assert isinstance(plan_words(stages[-1], wanted, probe(*DRIVEN)), list)


def test_headers_do_not_matter_once_the_driver_is_there(wanted: ReleaseTarget) -> None:
    state = probe(*(line for line in DRIVEN if not line.startswith("headers")))
    assert plan_words(preflight, wanted, state) == []


def test_driver_right_is_nothing_to_do(wanted: ReleaseTarget, driven: HostFacts) -> None:
    assert plan_words(driver, wanted, driven) == []


def test_driver_installed_but_an_old_one_loaded_is_not_right(wanted: ReleaseTarget) -> None:
    lines = [
        line.replace("running|0000:39:00.0|5.10.10", "running|0000:39:00.0|5.10.6")
        for line in DRIVEN
    ]
    assert plan_words(driver, wanted, probe(*lines)) != []


def test_a_half_configured_package_is_not_installed(wanted: ReleaseTarget) -> None:
    lines = [line.replace("install ok installed", "install ok half-configured") for line in DRIVEN]
    (todo,) = plan_words(driver, wanted, probe(*lines))
    assert "half-configured" in todo


def test_a_missing_node_is_made(wanted: ReleaseTarget) -> None:
    state = probe(*(line for line in DRIVEN if line != "node|/dev/cambricon_ipcm1"))
    assert plan_words(driver, wanted, state) == ["make nodes /dev/cambricon_ipcm1"]


def test_a_foreign_process_on_a_card_stops_a_driver_change_and_is_named(
    wanted: ReleaseTarget,
) -> None:
    state = probe(*BARE, "holder|77|train|")
    failure = plan_words(driver, wanted, state)
    assert code(failure) == "CARD_BUSY" and "train (pid 77)" in failure.detail
    assert isinstance(plan_words(driver, wanted, state, HostOptions(evict=True)), list)


def test_our_own_container_on_a_card_is_not_foreign(wanted: ReleaseTarget) -> None:
    state = probe(
        *BARE, "holder|77|python|" + "c" * 64, f"container|{'c' * 64}|sha256:x|true|9|spec"
    )
    assert card_users.list_others(state) == []


def test_a_container_of_a_former_release_leaves_the_cards_for_a_driver_change(
    wanted: ReleaseTarget,
) -> None:
    former, restarted = "d" * 64, "e" * 64
    held = (f"holder|77|python|{former}|docker|old|0", f"retired|old|{former}")
    state = probe(*BARE, *held)
    assert card_users.list_others(state) == []
    assert isinstance(plan_words(driver, wanted, state), list)
    # one that somebody has made under that name is not ours
    state = probe(*BARE, held[0].replace(former, restarted), held[1])
    assert code(plan_words(driver, wanted, state)) == "CARD_BUSY"


@pytest.mark.parametrize(
    ("line", "todo"),
    [
        ("engine|20.10.24|enabled", []),
        ("engine|20.10.24|disabled", ["enable docker at boot"]),
        ("engine|18.09.1|enabled", ["upgrade docker 18.09.1 to at least 19.03"]),
    ],
)
def test_engine(wanted: ReleaseTarget, line: str, todo: list[str]) -> None:
    assert plan_words(engine, wanted, without("engine", line)) == todo


@pytest.mark.parametrize("tool", ["tool|docker", "tool|dockerd"])
def test_an_engine_without_client_or_daemon_is_installed_from_the_store(
    wanted: ReleaseTarget, tool: str
) -> None:
    lines = [line for line in BARE if line != tool and not line.startswith("engine")]
    assert plan_words(engine, wanted, probe(*lines)) == ["install docker"]
    upload, install = plan_commands(engine, wanted, probe(*lines))
    carried = "/var/lib/mlufleet/artifacts/docker/docker.io.deb"
    assert carried in repr(upload) and f"install {carried}" in repr(install)


def test_an_engine_that_does_not_answer_is_started_not_installed(wanted: ReleaseTarget) -> None:
    state = without("engine")
    assert plan_words(engine, wanted, state) == ["start docker"]
    (start,) = plan_commands(engine, wanted, state)
    assert "RemoteJob(engine start" in repr(start)


def test_an_engine_of_a_system_without_packages_comes_from_its_repositories(
    wanted: ReleaseTarget,
) -> None:
    state = without("os", "os|centos|7|CentOS", "engine|18.09.1|enabled")
    (install,) = plan_commands(engine, wanted, state)
    assert "RemoteJob(engine repository docker-ce docker)" in repr(install)


def test_an_image_is_known_by_its_id(wanted: ReleaseTarget) -> None:
    identity = wanted.lock.image.id
    assert plan_words(image, wanted, probe(*BARE, f"image|{identity}", f"tagged|{identity}")) == []
    other = probe(*BARE, "tagged|sha256:" + "00" * 32)
    assert plan_words(image, wanted, other)[0].startswith("load image")
    untagged = probe(*BARE, f"image|{identity}")
    assert plan_words(image, wanted, untagged)[0].startswith("tag ")


def test_a_container_gets_every_cards_nodes_and_is_not_privileged(
    wanted: ReleaseTarget, driven: HostFacts
) -> None:
    arguments = container.run_arguments(wanted, wanted.card_numbers(len(driven.present_cards)))
    devices = [arguments[i + 1] for i, word in enumerate(arguments) if word == "--device"]
    assert devices == [f"/dev/cambricon_{n}" for n in ("ctl", "dev0", "ipcm0", "dev1", "ipcm1")]
    assert "--privileged" not in arguments and "--init" in arguments
    assert "/data/share:/home/share" in arguments


def with_container(
    wanted: ReleaseTarget, spec: str | None = None, running: str = "true", *more: str
) -> HostFacts:
    made = container.spec_digest(wanted, probe(*DRIVEN))
    label = made if spec is None else spec
    identity = wanted.lock.image.id
    said = (f"container|id1|{identity}|{running}|9|{label}", f"stamp|container|{made} f1")
    return probe(*DRIVEN, *said, *(more or ("facts|f1",)))


def test_a_container_is_made_anew_only_when_something_differs(wanted: ReleaseTarget) -> None:
    assert plan_words(container, wanted, with_container(wanted)) == []
    assert "recreate" in plan_words(container, wanted, with_container(wanted, "other"))[0]
    assert "start" in plan_words(container, wanted, with_container(wanted, running="false"))[0]
    relabelled = with_container(wanted, None, "true", "facts|f2")
    assert "recreate" in plan_words(container, wanted, relabelled)[0]
    stale = with_container(wanted, None, "true", "facts|f1", "stale|/usr/bin/cnmon")
    assert "restart" in plan_words(container, wanted, stale)[0]


def test_somebody_elses_container_of_our_name_is_kept(wanted: ReleaseTarget) -> None:
    for options in (HostOptions(evict=True), HostOptions(stop=("other", "torch"))):
        state = with_container(wanted, "")
        commands = " ".join(map(repr, plan_commands(container, wanted, state, options)))
        assert "container keep torch" in commands and "container remove torch" not in commands


def test_somebody_elses_container_runs_on_while_a_driver_is_changed(wanted: ReleaseTarget) -> None:
    for spec in ("", "ours"):
        container_line = f"container|id1|{wanted.lock.image.id}|true|9|{spec or '-'}"
        state = probe(*BARE, container_line)
        commands = repr(list(driver_install._release_cards(as_spec(wanted), state, probe)))
        assert ("stop-container id1" in commands) == bool(spec)
        assert ("id1" in repr(driver_install._install_package(wanted, state, NONE))) == bool(spec)


def test_a_dirty_checkout_is_refused_or_kept_never_overwritten(wanted: ReleaseTarget) -> None:
    commit = wanted.lock.commits["model"]
    dirty = probe(*BARE, f"source|/data/share/model|{commit}|2")
    assert code(plan_words(sources, wanted, dirty)) == "SOURCE_DIRTY"
    assert isinstance(plan_words(sources, wanted, dirty, HostOptions(keep_dirty=True)), list)
    clean = probe(*BARE, f"source|/data/share/model|{commit}|0")
    assert plan_words(sources, wanted, clean) == []
    foreign = probe(*BARE, "source|/data/share/model|foreign|0")
    assert code(plan_words(sources, wanted, foreign)) == "SOURCE_FOREIGN"


def test_a_checkout_is_told_of_what_a_release_newly_puts_inside(wanted: ReleaseTarget) -> None:
    commit = wanted.lock.commits["model"]
    state = probe(*BARE, f"source|/data/share/model|{commit}|0", "unlisted|/data/share/model")
    assert plan_words(sources, wanted, state) == ["tell the git of model what inside is ours"]


def test_an_edited_migrated_tree_is_made_again(wanted: ReleaseTarget) -> None:
    digest = migration.input_digest(wanted, wanted.release.find_source("model"))
    stamp = f"stamp|tree-model|{digest} sig"
    right = probe(*BARE, stamp, "tree|/data/share/model_mlu|sig")
    assert plan_words(migration, wanted, right) == []
    edited = probe(*BARE, stamp, "tree|/data/share/model_mlu|other")
    assert plan_words(migration, wanted, edited) == ["migrate model (it was edited)"]


def test_a_host_that_could_not_be_seen_is_not_right(wanted: ReleaseTarget) -> None:
    why = Failure("PROBE_FAILED")
    drift = operations_stages.find_drift(as_spec(wanted), why)
    assert drift == {operations_stages.PROBE_STAGE: why}


def test_a_refused_host_stops_there(wanted: ReleaseTarget) -> None:
    assert list(operations_stages.find_drift(as_spec(wanted), without("card"))) == ["preflight"]


def test_packages_are_believed_only_while_their_folders_are_as_they_were(
    wanted: ReleaseTarget,
) -> None:
    made = packages.input_digest(wanted, only(with_container(wanted, None, "true", "facts|f1")))
    for site, todo in (("s1", False), ("s2", True)):
        seen = with_container(
            wanted, None, "true", "facts|f1", f"site|{site}", f"stamp|packages|{made} s1"
        )
        assert bool(plan_words(packages, wanted, seen)) is todo


def test_a_kernel_that_boots_next_without_the_driver_is_named(wanted: ReleaseTarget) -> None:
    coming = "next|4.15.0-99-generic"
    (todo,) = plan_words(driver, wanted, probe(*DRIVEN, coming))
    assert "4.15.0-99-generic" in todo
    assert (
        plan_words(driver, wanted, probe(*DRIVEN, coming, "module-for|4.15.0-99-generic|5.10.10"))
        == []
    )


@pytest.mark.parametrize("built", [(), ("module-for|4.15.0-20-generic|5.10.22",)])
def test_a_package_that_dkms_knows_nothing_of_is_not_believed(
    wanted: ReleaseTarget, built: tuple[str, ...]
) -> None:
    lines = [line for line in DRIVEN if not line.startswith("module-for")]
    told = plan_words(driver, wanted, probe(*lines, *built))
    assert isinstance(told, list) and "without a module" in told[0]


def test_a_busy_card_is_waited_for_only_if_the_inventory_says_so(wanted: ReleaseTarget) -> None:
    busy = probe(*BARE, "holder|77|python|")
    assert code(plan_words(driver, wanted, busy)) == "CARD_BUSY"
    waiting = plan_words(driver, wanted, busy, HostOptions(busy_timeout=60))
    assert isinstance(waiting, list) and waiting[0] == "wait for python (pid 77)"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("read-only|/var/lib/mlufleet",), "READ_ONLY"),
        (("disk|/var/lib/docker|100000000000|12",), "NO_INODES"),
        (("disk|/var/lib/docker|10|99999999",), "NO_SPACE"),
        (("job|run1|me|smoke|ask|40",), "HUNG"),
        (("job|run1|me|smoke|ask|-40|",), ""),
    ],
)
def test_what_a_disk_and_a_stuck_job_stop(
    wanted: ReleaseTarget, lines: tuple[str, ...], expected: str
) -> None:
    decided = plan_words(preflight, wanted, probe(*BARE, *lines))
    assert (decided.code if isinstance(decided, Failure) else "") == expected


def test_headers_are_named_as_the_package_that_has_them(wanted: ReleaseTarget) -> None:
    for system, package in (
        ("centos|7", "yum install kernel-devel-4.15.0-20-generic"),
        ("ubuntu|18.04", "apt-get install linux-headers-4.15.0-20-generic"),
    ):
        state = without("headers", f"os|{system}|its title")
        decided = plan_words(preflight, wanted, state)
        assert isinstance(decided, Failure) and package in decided.detail


def test_modules_that_are_signed_by_a_trusted_key_may_be_installed_where_that_is_asked_for(
    wanted: ReleaseTarget,
) -> None:
    refused = plan_words(preflight, wanted, probe(*BARE, "secureboot|module.sig_enforce"))
    assert code(refused) == "SECURE_BOOT" and "module.sig_enforce" in refused.detail
    key = "signer|/var/lib/dkms/mok.pub"
    assert plan_words(preflight, wanted, probe(*BARE, "secureboot|lockdown", key)) == []


@pytest.mark.parametrize(
    ("file", "carried"),
    [
        ("linux-headers-4.15.0-20-generic_4.15.0-20.21_amd64.deb", True),
        ("linux-headers-4.15.0-200-generic_4.15.0-200.1_amd64.deb", False),
        ("linux-headers-4.15.0-20-generic-hwe_1_amd64.deb", False),
    ],
)
def test_headers_are_carried_for_exactly_the_kernel_that_lacks_them(
    site: Path, file: str, carried: bool
) -> None:
    folder = site / "store/headers"
    folder.mkdir()
    for name in (file, "linux-kbuild_1_amd64.deb"):
        (folder / name).write_bytes(deb(name.partition("_")[0]))
    text = (site / "small.yml").read_text()
    text = text.replace("driver:\n", "driver:\n  headers: {ubuntu18.04: headers}\n", 1)
    (site / "small.yml").write_text(text)
    document = files.load_document(site / "small.yml")
    wanted = ReleaseTarget(
        document.release, locking.create_lock(document, site / "store"), site / "store"
    )
    lines = [line for line in BARE if not line.startswith("headers")]
    state = probe(*lines, "tool|apt-get")
    decided = plan_words(preflight, wanted, state)
    assert decided == [] if carried else code(decided) == "HEADERS_MISSING"
    steps = [repr(step) for step in kernel_headers.install_headers(wanted, state, state.kernel)]
    assert len(steps) == (2 if carried else 0)
    assert all(file in step and "linux-kbuild_1_amd64.deb" in step for step in steps)


def test_headers_come_from_the_hosts_repositories_where_the_release_has_none(
    wanted: ReleaseTarget,
) -> None:
    state = without("headers", "tool|apt-get", "offered|4.15.0-20-generic")
    assert plan_words(preflight, wanted, state) == []
    (step,) = kernel_headers.install_headers(wanted, state, state.kernel)
    assert repr(step).endswith("4.15.0-20-generic linux-headers-4.15.0-20-generic)")
    other = without("headers", "tool|apt-get", "offered|4.15.0-99-generic")
    assert code(plan_words(preflight, wanted, other)) == "HEADERS_MISSING"


def test_a_module_that_is_not_built_for_the_running_kernel_needs_its_headers(
    wanted: ReleaseTarget,
) -> None:
    lines = [line for line in DRIVEN if not line.startswith(("headers", "running", "node"))]
    assert plan_words(preflight, wanted, probe(*lines)) == []
    elsewhere = probe(
        *(line for line in lines if not line.startswith("module-for")), "module-for|4.9.9|5.10.10"
    )
    assert code(plan_words(preflight, wanted, elsewhere)) == "HEADERS_MISSING"


def test_a_kernel_that_nobody_expected_to_boot_gets_its_module(wanted: ReleaseTarget) -> None:
    built = "module-for|4.15.0-20-generic|5.10.10"
    before = probe(*(line.replace("|5.10.10|CN", "|5.10.6|CN") for line in DRIVEN), built)
    other = [line for line in DRIVEN if not line.startswith(("running", "node"))]
    came = probe(*other, built)
    came.kernel = "4.9.9"
    ended = probe(*DRIVEN, built, "module-for|4.9.9|5.10.10")
    given = plan_commands(driver, wanted, before, later=[before, came, ended])
    steps = [render(command) for command in given]
    assert steps == [
        "reboot: 5.10.6 is loaded",
        "build-driver 5.10.10 4.9.9",
        "load-driver",
    ]


def test_a_card_that_does_not_run_is_refused_unless_another_driver_is_coming(
    wanted: ReleaseTarget,
) -> None:
    sick = [
        line.replace("3a:00.0|5.10.10|CN_RUNNING", "3a:00.0|5.10.10|CN_BOOTERR") for line in DRIVEN
    ]
    decided = plan_words(preflight, wanted, probe(*sick))
    assert code(decided) == "CARD_UNHEALTHY" and "0000:3a:00.0 (CN_BOOTERR)" in decided.detail
    older = [line.replace("|5.10.10|", "|5.10.6|") for line in sick]
    assert plan_words(preflight, wanted, probe(*older)) == []


def test_a_card_that_was_there_at_the_last_smoke_test_is_named_when_it_is_gone(
    wanted: ReleaseTarget,
) -> None:
    lines = [line for line in DRIVEN if "3a:00.0" not in line]
    state = probe(*lines, "stamp|cards|0000:39:00.0 0000:3a:00.0")
    decided = plan_words(preflight, wanted, state, HostOptions(cards=2))
    assert code(decided) == "CARDS_MISSING" and "0000:3a:00.0 gone" in decided.detail
    assert state.card_health == {"0000:39:00.0": "CN_RUNNING", "0000:3a:00.0": "gone"}


def test_a_process_that_a_job_left_in_the_kernel_stops_the_next_run(wanted: ReleaseTarget) -> None:
    state = probe(*BARE, "job|run1|me|smoke|level 1|-40|cnmon (pid 7) ")
    decided = plan_words(preflight, wanted, state)
    assert code(decided) == "HUNG" and "cnmon (pid 7), left by level 1" in decided.detail
