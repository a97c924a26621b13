"""Releases of other shapes than the tutorial's, there and back, on one host."""

from __future__ import annotations

import functools
import hashlib
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from tests.lab import engine, paths
from tests.lab import hosts as lab
from tests.runs import CONTAINER, RELEASES, SITE, WORK, Done, mlufleet, pyinfra

HOST = "u1604"
SHAPES = Path(__file__).with_name("shapes")
INSIDE = f"docker exec {CONTAINER}"
PORT = 8811
# answers as the model would, and so would pass for it
IMPOSTOR = f"""from http.server import *
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200); self.end_headers()
        self.wfile.write("王之涣, says another".encode())
HTTPServer(("127.0.0.1", {PORT}), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The model's repository at http://upstream.lab:8418, as the host sees it; its commit."""
    root = tmp_path_factory.mktemp("upstream")
    bare = root / "baichuan-7B.git"
    for words in (
        ["clone", "--quiet", "--bare", str(paths.UPSTREAM / bare.name), str(bare)],
        ["--git-dir", str(bare), "update-server-info"],
    ):
        subprocess.run(["git", *words], check=True)
    head = subprocess.run(
        ["git", "--git-dir", str(bare), "rev-parse", "HEAD"],
        check=True,
        capture_output=True,
        text=True,
    )
    wanted = "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}"
    gateway = engine.docker("inspect", "-f", wanted, lab.PREFIX + HOST)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(root))
    server = ThreadingHTTPServer((gateway, 8418), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    lab.run(HOST, f"cp /etc/hosts /etc/hosts.kept; echo '{gateway} upstream.lab' >> /etc/hosts")
    yield head.stdout.strip()
    # docker mounts the file: written, not replaced
    lab.run(HOST, f"cat /etc/hosts.kept > /etc/hosts; rm -r /etc/hosts.kept {WORK}/toolkit")
    lab.run(HOST, "sed -i /toolkit/d /data/github/dev-env-ubuntu/.git/info/exclude")
    server.shutdown()
    server.server_close()


def shape(name: str, **values: str) -> tuple[str, str]:
    """Writes and locks a release; the options that choose it."""
    text = (SHAPES / f"{name}.yml").read_text()
    for key, value in values.items():
        text = text.replace(f"@{key.upper()}@", value)
    path = SITE / RELEASES / f"{name}.yml"
    path.write_text(text)
    assert mlufleet("lock", str(path), "--store", str(paths.STORE), "--quiet").status == 0
    return "--data", f"release={RELEASES}/{name}.yml"


def content(name: str) -> str:
    """The sha256 of what the shape's own patch puts in place of a file."""
    patches = yaml.safe_load((SHAPES / f"{name}.yml").read_text())["patches"]
    (text,) = (patch["content"] for patch in patches if "content" in patch)
    return hashlib.sha256(text.encode()).hexdigest()


def deploy(*options: str) -> Done:
    return mlufleet("deploy", "inventories/lab.py", "--limit", HOST, *options)


def right(options: tuple[str, ...]) -> Done:
    """A run that ends in an answering host, where the next one finds nothing to do."""
    done = deploy(*options)
    assert done.status == 0 and done.changed(HOST)[-1] == "smoke"
    assert pyinfra("-y", "--limit", HOST, *options).statuses() == {HOST: "ok"}
    return done


@pytest.fixture(scope="module", autouse=True)
def back(provisioned: Done) -> Iterator[None]:
    """Afterwards the lab's own release is there again, by the same way as any other."""
    yield
    assert "王之涣" in right(()).host(HOST)["answer"]
    assert lab.run(HOST, f"grep -c inserted {WORK}/baichuan-7B_mlu/train.py", check=False) == "0"
    for made in (SITE / RELEASES).glob("shape-*"):
        made.unlink()


def test_a_source_by_url_every_kind_of_patch_and_package_and_an_artefact(upstream: str) -> None:
    train = f"{WORK}/baichuan-7B_mlu/train.py"
    inserted = lab.run(
        HOST, f"sed \"/^def main() -> None:/a\\    print('inserted')\" {train} | sha256sum"
    )
    (wheel,) = (paths.STORE / "wheels").glob("tqdm-*.whl")
    options = shape(
        "shape-carried",
        commit=upstream,
        train=inserted.split()[0],
        requirements=content("shape-carried"),
        wheel=f"wheels/{wheel.name}",
    )
    done = right(options)
    assert "/tmp/answer.txt" in done.host(HOST)["answer"]
    git = f"git -c safe.directory='*' -C {WORK}/toolkit"
    assert lab.run(HOST, f"{git} rev-parse HEAD") == upstream
    assert (
        lab.run(HOST, f"{git} remote get-url origin") == "http://upstream.lab:8418/baichuan-7B.git"
    )
    assert lab.run(HOST, f"sha256sum {train}").split()[0] == inserted.split()[0]
    found = lab.run(HOST, f"{INSIDE} /torch/venv3/pytorch/bin/pip list --local --format freeze")
    names = {line.split("==")[0].lower() for line in found.splitlines()}
    assert {"tokenizers", "tqdm"} <= names
    assert not {"fsspec", "deepspeed"} & names


def listening() -> bool:
    connect = f"import socket; socket.create_connection(('127.0.0.1', {PORT}), 5)"
    return "refused" not in lab.run(HOST, f'{INSIDE} python3 -c "{connect}"', check=False)


def impostor(mark: str = "") -> None:
    lab.run(HOST, f"docker exec -d {mark} {CONTAINER} python3 -c '{IMPOSTOR}'")
    for _ in range(20):
        if listening():
            return
        time.sleep(0.5)
    raise AssertionError("the impostor does not listen")


def test_a_server_is_asked_and_ended_and_no_other_one_answers_for_it(provisioned: Done) -> None:
    options = shape("shape-served", server=content("shape-served"))
    impostor()
    refused = deploy(*options)
    assert refused.status == 2
    failure = refused.host(HOST)["failure"]
    assert failure["code"] == "SMOKE_ANSWER" and "already listens" in failure["sentence"]
    lab.run(HOST, f"{INSIDE} pkill -f '[s]ays another'")
    # what a smoke test left that was cut off in its middle
    impostor("-e MLUFLEET_SMOKE=1")
    answer = right(options).host(HOST)["answer"]
    assert "登鹳雀楼->王之涣" in answer and "another" not in answer
    assert not listening()


CODED = "/data/models/shape-coded"
VERSION = "/torch/venv3/pytorch/lib/python3.11/site-packages/sentencepiece/_version.py"


@pytest.fixture
def coded(provisioned: Done) -> Iterator[None]:
    """Weights with code of their own in the store, and what takes its place."""
    folder, names = paths.STORE / "weights/shape-coded", ("infer", "train")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.py").write_text("print('for another card')\n")
    (folder / "model.bin").write_bytes(b"weights")
    for name in names:
        asks = f"import sentencepiece as s\nprint('{name}s with', s._version.__version__)\n"
        (paths.STORE / f"shape-{name}.py").write_text(asks)
    yield
    lab.run(
        HOST,
        f"rm -rf {CODED} {WORK}/other; sed -i /other/d "
        "/data/github/dev-env-ubuntu/.git/info/exclude",
    )
    shutil.rmtree(folder)
    for name in names:
        (paths.STORE / f"shape-{name}.py").unlink()


def test_code_in_weights_and_site_packages_is_replaced_and_variants_exclude_each_other(
    coded: None,
) -> None:
    assert right(shape("shape-adapted")).host(HOST)["answer"].startswith("infers with mlu-")
    trees = f"grep -c '\"ABC\"' {WORK}/baichuan-7B_mlu/evaluation/*.py"
    assert {line[-2:] for line in lab.run(HOST, trees).splitlines()} == {":1"}
    head = lab.run(HOST, f"git -c safe.directory='*' -C {WORK}/other rev-parse HEAD")
    assert head == lab.run(HOST, f"git -c safe.directory='*' -C {WORK}/baichuan-7B rev-parse HEAD")
    # after an edit of the image's own file only a new container has the original
    lab.run(HOST, f"{INSIDE} sed -i s/mlu-/gpu-/ {VERSION}")
    choice = SITE / RELEASES / "shape-adapted.yml"
    choice.write_text(choice.read_text().replace("variant: infer", "variant: train"))
    assert mlufleet("lock", str(choice), "--store", str(paths.STORE), "--quiet").status == 0
    done = deploy("--data", f"release={RELEASES}/shape-adapted.yml")
    assert done.changed(HOST) == ["weights", "container", "patch", "packages", "smoke"]
    assert re.fullmatch(r"trains with mlu-[0-9.]+", done.host(HOST)["answer"].strip())
    kept = lab.run(HOST, "cat /var/lib/mlufleet/kept/_data_models_shape-coded_model.py.*")
    assert "for another card" in kept
