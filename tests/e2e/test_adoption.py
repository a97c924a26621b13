"""Hosts that were set up by hand: adopted with what they have, and given back as they were."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import journals
from tests.lab import by_hand, paths, up
from tests.lab import hosts as lab
from tests.lab.by_hand import WORK
from tests.lab.fleet import KINDS, Host
from tests.lab.systems import BY_NAME
from tests.runs import CONTAINER, LAB, LIMIT, RELEASES, SITE, Done, mlufleet, start, wait_for_rest

#: a deb host with X8 boards, and an rpm host with X4 boards whose user needs sudo's password
DEB, RPM = "hand-u1804", "hand-c7"
#: state of a checkout when it is adopted -> what its user has typed; the release pins `pinned`
CHECKOUTS = {
    "clean": "git clone $origin clean && git -C clean checkout -q pinned",
    "edited": "git clone $origin edited && cd edited && git checkout -q pinned"
    " && echo '# mine' >> run.py && printf 'mine\\0' > logo.png && git add logo.png"
    " && echo 'ask Li' > notes.txt && mkdir results && echo 42 > results/one",
    "later": "git clone $origin later",
    "branch": "git clone $origin branch && cd branch && git checkout -q -b mine pinned"
    " && echo mine > run.py && git -c user.name=k -c user.email=k@x commit -qam mine",
    "shallow": "git clone --depth 1 file://$origin shallow",
    "submodule": "git init -q super && cd super"
    " && git -c protocol.file.allow=always submodule --quiet add $origin part"
    " && git -C part checkout -q pinned && echo '# mine' >> part/run.py",
}
PLACES = {name: name if name != "submodule" else "super/part" for name in CHECKOUTS}
EDITED = ("edited", "submodule")
MOVED = ("shallow", "submodule")
CARD_HOLDER = (
    "docker run -d --restart always --device /dev/cambricon_dev0 --name trainer"
    " registry.lab/light:v1 sh -c 'exec 3< /dev/cambricon_dev0; while :; do sleep 1; done'"
)


@pytest.fixture(scope="module", autouse=True)
def bare() -> Iterator[None]:
    """Two bare hosts beside those of the fleet, for as long as they are needed."""
    kinds = [kind.name for kind in KINDS]
    there = lab.found()
    size = sum(found.kind in kinds for found in there.values())
    up.up(size, [Host(DEB, BY_NAME["u1804"]), Host(RPM, BY_NAME["c7"])])
    yield
    up.up(size)


def adopt(host: str, *options: str) -> Done:
    return mlufleet("adopt", LAB, "--apply", "--limit", host, *options)


def look(host: str, *options: str) -> dict[str, dict[str, object]]:
    """What a look finds on a host: item -> finding."""
    done = mlufleet("adopt", LAB, "--limit", host, "--json", *options)
    found, _ = json.JSONDecoder().raw_decode(done.output[done.output.index("{") :])
    return {finding["item"]: finding for finding in found["hosts"][host]["findings"]}


def sent(done: Done) -> dict[str, int]:
    """What a run has sent: title of a transfer -> bytes; nothing for what was sent by half."""
    lines = journals.read_lines(SITE / "runs" / done.report["run"])
    return {
        line["title"]: line["sent"] for line in lines if line["kind"] == "transfer" and line["sent"]
    }


@pytest.fixture(scope="module")
def tutorial() -> list[str]:
    """The host on which the whole tutorial was followed. What it has."""
    by_hand.download(DEB)
    by_hand.follow(DEB)
    return by_hand.state(DEB)


@pytest.fixture(scope="module")
def adopted(tutorial: list[str]) -> Done:
    return adopt(DEB)


def test_a_look_changes_nothing_and_names_what_is_there(tutorial: list[str]) -> None:
    before = wait_for_rest(DEB)
    found = look(DEB)
    assert lab.listing(DEB) == before
    for item in ("weights baichuan-7B", "image", "driver 5.10.10"):
        assert found[item]["sent_bytes"] == 0, item
    (hand_made,) = (item for item in found if item.endswith("-kang"))
    assert found[hand_made]["relation"] == "left alone"
    differing = json.dumps(found)
    for name in ("tools/inference.py", "env.sh", "max_new_tokens=64"):
        assert name in differing, name


def test_the_tutorials_host_is_adopted_and_nothing_that_it_has_is_sent(adopted: Done) -> None:
    assert adopted.status == 0 and adopted.statuses() == {DEB: "adopted"}
    report = adopted.host(DEB)
    assert "王之涣" in report["answer"] and report["swarmed"] == 0
    # what its user never had: a package, and files of this tool's own
    assert sum(sent(adopted).values()) < 4_000_000 and not [
        title for title in sent(adopted) if title.split()[0] in ("weights", "image", "git")
    ]
    assert not {"driver", "image", "engine"} & set(adopted.changed(DEB))


def test_the_next_run_changes_nothing(adopted: Done) -> None:
    done = mlufleet("deploy", LAB, "--limit", DEB)
    assert done.status == 0 and done.statuses() == {DEB: "ok"}
    assert not done.changed(DEB)


def test_what_its_user_made_is_all_there(tutorial: list[str], adopted: Done) -> None:
    assert lab.run(DEB, f"cat {WORK}/notes.txt") == "ask Li about the second card"
    kept = lab.run(DEB, "grep -rlsa 'max_new_tokens=64' /data /var/lib/mlufleet || :")
    assert any(path.endswith(".patch") for path in kept.split()), adopted.host(DEB)["kept"]
    # the weights lie where they lay, in the same bytes, and those of the release are the same
    lost = [line for line in by_hand.changes(tutorial, by_hand.state(DEB)) if line[:3] == "- /"]
    assert {line.split()[1].removeprefix(f"{WORK}/") for line in lost} == {"tools/inference.py"}
    state = "docker inspect -f '{{.State.Running}} {{.HostConfig.RestartPolicy.Name}}'"
    assert lab.run(DEB, f"{state} {by_hand.CONTAINER}") == "true no"
    assert lab.run(DEB, f"{state} {CONTAINER}").startswith("true ")
    # what its user installed in the container works as before
    lab.run(DEB, f"docker exec {by_hand.CONTAINER} ls /home/share/pytorch1.9/baichuan/notes.txt")


def test_migrated_trees_are_taken_over_with_the_weights_in_them(adopted: Done) -> None:
    names = {"baichuan-7B_mlu", "transformers_mlu"}  # and none under another name
    assert set(lab.run(DEB, f"cd {WORK} && ls -d *_mlu*").split()) == names
    assert lab.run(DEB, "ls /var/lib/mlufleet/stamps | grep -c 'tree-.*adopted'") == "2"
    weights = f"{WORK}/baichuan-7B_mlu/baichuan-7B/pytorch_model.bin"
    assert lab.run(DEB, f"stat -c %F {weights}") == "regular file"


def test_after_a_retirement_its_user_has_what_was_there(tutorial: list[str], adopted: Done) -> None:
    done = mlufleet("retire", LAB, "--limit", DEB, "--yes")
    assert done.status == 0 and done.statuses() == {DEB: "retired"}
    assert by_hand.changes(tutorial, by_hand.state(DEB)) == []


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """A release with a checkout in every state, of a repository with three commits. Its options."""
    folder = tmp_path_factory.mktemp("small")
    store, work = folder / "store", folder / "work"
    shutil.copytree(paths.STORE, store, copy_function=_link, ignore=_big)
    environment = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    for who in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{who}_NAME": "lab", f"GIT_{who}_EMAIL": "lab@example.com"}

    def git(*words: str) -> None:
        subprocess.run(["git", "-C", work, *words], check=True, env={**os.environ, **environment})

    work.mkdir()
    git("init", "-q", "--initial-branch=main")
    for number, text in enumerate(("one", "two", "three")):
        (work / "run.py").write_text(f"# {text}\n")
        (work / "logo.png").write_bytes(b"\0\1" * (number + 1))
        git("add", ".")
        git("commit", "-q", "-m", text)
    git("tag", "pinned", "HEAD~1")
    git("bundle", "create", "-q", str(store / "hand.bundle"), "--all", "HEAD")
    sources = [
        f"  - {{name: {name}, path: /home/share/{place}, url: https://lab.invalid/hand,"
        f" bundle: hand.bundle, tag: pinned}}"
        for name, place in PLACES.items()
    ]
    release = folder / "small.yml"
    release.write_text(
        "\n".join(
            (
                f"extends: {(paths.PROJECT / RELEASES / 'light.yml').resolve()}",
                "name: small",
                "container:",
                "  name: small",
                "  shm_size: 64m",
                "  mounts:",
                "  - {host: /data/github, container: /home/share}",
                "  - {host: /data/models, container: /data/models}",
                "sources:",
                *sources,
                "weights:",
                "  - {name: baichuan-7B, folder: weights/baichuan-7B, target: /data/models/b}",
                "",
            )
        )
    )
    assert mlufleet("lock", str(release), "--store", str(store), "--quiet").status == 0
    return "--data", f"release={release}", "--data", f"store={store}"


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _big(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith("pytorch-")]


def set_up(small: tuple[str, ...]) -> None:
    """Make the checkouts by hand; everything else on the host stays."""
    bundle = Path(small[3].removeprefix("store=")) / "hand.bundle"
    lab.run(RPM, "rm -rf /data/github /srv/hand.git; mkdir -p /data/github /srv")
    encoded = subprocess.run(["base64", bundle], check=True, capture_output=True, text=True)
    lab.run(RPM, "base64 -d > /srv/hand.bundle", given=encoded.stdout)
    lab.run(
        RPM,
        "cd /srv && git clone -q --mirror hand.bundle hand.git && rm hand.bundle || exit 1\n"
        "origin=/srv/hand.git\n"
        + "\n".join(f"(cd /data/github && {typed}) || exit 1" for typed in CHECKOUTS.values()),
    )


@pytest.fixture(scope="module")
def hand_made(small: tuple[str, ...]) -> list[str]:
    """The rpm host with checkouts in all states, and a container of the release's name."""
    by_hand.download(RPM, image="light-v1.tar")
    by_hand.follow(RPM, "driver")
    lab.run(
        RPM,
        "docker load -i /data/baidudisk/light-v1.tar && rm -rf /data/ftp && docker run -dit"
        " --restart on-failure:3 --name small registry.lab/light:v1"
        " sh -c 'trap exit TERM; while :; do sleep 1; done'",
    )
    set_up(small)
    return by_hand.state(RPM)


def test_a_container_in_the_way_is_stopped_only_by_name(
    small: tuple[str, ...], hand_made: list[str]
) -> None:
    lab.run(RPM, CARD_HOLDER)
    before = by_hand.state(RPM)
    for allowed, code in (
        ((), "CONTAINER_FOREIGN"),
        (("--stop", "small"), "CARD_BUSY"),
        (("--stop", "trainer"), "CONTAINER_FOREIGN"),
    ):
        refused = adopt(RPM, *small, *allowed)
        assert refused.status and refused.host(RPM)["failure"]["code"] == code
        assert "--stop" in refused.host(RPM)["failure"]["remedy"]
    assert by_hand.changes(before, by_hand.state(RPM)) == []
    lab.run(RPM, "docker rm -f trainer")


def test_every_checkout_is_adopted_and_nothing_is_lost(
    small: tuple[str, ...], hand_made: list[str]
) -> None:
    done = adopt(RPM, *small, "--stop", "small")
    assert done.status == 0 and done.statuses() == {RPM: "adopted"}
    weights = (paths.STORE / "weights/baichuan-7B").iterdir()
    assert done.host(RPM)["reused"] == sum(path.stat().st_size for path in weights)
    # only a shallow clone lacks the commit, and what git takes for no checkout
    bundles = {title for title in sent(done) if title.startswith("git bundle")}
    assert "git bundle of shallow" in bundles and bundles <= {
        f"git bundle of {name}" for name in MOVED
    }
    assert not [title for title in sent(done) if title.startswith("weights")]
    git = "git -c safe.directory='*' -C /data/github"
    pinned = lab.run(RPM, "git -c safe.directory='*' -C /srv/hand.git rev-parse pinned")
    for place in PLACES.values():
        assert lab.run(RPM, f"{git}/{place} rev-parse HEAD") == pinned, place
        assert lab.run(RPM, f"cat /data/github/{place}/run.py") == "# two", place
    assert lab.run(RPM, f"{git}/branch log --format=%s --all").split().count("mine") == 1
    assert lab.run(RPM, "cat /data/github/edited/notes.txt") == "ask Li"
    for place in EDITED:  # as a patch beside it, or where the whole of it was moved
        assert lab.run(RPM, f"grep -rls '# mine' /data/github/{PLACES[place]}.kept-*"), place
    again = mlufleet("deploy", LAB, "--limit", RPM, *small)
    assert again.statuses() == {RPM: "ok"} and not again.changed(RPM)


def test_after_a_retirement_every_checkout_is_as_it_was(
    small: tuple[str, ...], hand_made: list[str]
) -> None:
    done = mlufleet("retire", LAB, "--limit", RPM, *small, "--yes")
    assert done.status == 0 and done.statuses() == {RPM: "retired"}
    assert by_hand.changes(hand_made, by_hand.state(RPM)) == []


@pytest.mark.long
def test_an_adoption_that_is_killed_is_completed_by_the_next(
    small: tuple[str, ...], hand_made: list[str]
) -> None:
    def words() -> list[str]:
        # without the times in names, ids of containers, and what git has in its index
        lines = [re.sub(r"kept-[0-9-]+", "kept", line) for line in by_hand.state(RPM)]
        lines = [re.sub(r"^[0-9a-f]{64} /", "/", line) for line in lines]
        return [line for line in lines if not re.search(r"/var/lib/mlufleet|\.kept/git/", line)]

    assert adopt(RPM, *small, "--stop", "small").status == 0
    wanted = words()
    assert mlufleet("retire", LAB, "--limit", RPM, *small, "--yes").status == 0
    dice = random.Random(19)
    for _ in range(3):
        run = start("adopt", LAB, "--apply", "--limit", RPM, *small, "--stop", "small")
        time.sleep(dice.uniform(1.5, 8))
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
        run.communicate(timeout=LIMIT)
    assert adopt(RPM, *small, "--stop", "small").status == 0
    assert by_hand.changes(wanted, words()) == []
    assert mlufleet("retire", LAB, "--limit", RPM, *small, "--yes").status == 0
    assert by_hand.changes(hand_made, by_hand.state(RPM)) == []
