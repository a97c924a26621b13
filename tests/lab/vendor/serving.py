"""The own server in a container of the vendor's image, with the small model."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from tests.lab import engine, paths
from tests.lab.vendor import docker_image, upstreams, weights, wheels
from tests.waiting import PATIENCE_S, until

MODEL, KEY = "baichuan-7b", "a key that nobody guesses"
QUESTION = [{"role": "user", "content": "登鹳雀楼->"}]
PREFIX = "mlufleet_server_"
PORTS = (8000, 8001, 8002)
PREPARE = """
/torch/venv3/pytorch/bin/python -m pip install --quiet --no-index --find-links /wheels \
  --disable-pip-version-check --root-user-action ignore tokenizers huggingface-hub regex \
  sentencepiece tqdm filelock packaging fastapi uvicorn
mknod /dev/cambricon_ctl c 1 3
mknod /dev/cambricon_dev0 c 1 3
"""
START = """
echo $$ > /run/$PORT.pid
exec /torch/venv3/pytorch/bin/python /serving/server.py --model /weights --name baichuan-7b \
  --port $PORT "$@"
"""


class Server:
    """A server in the container."""

    def __init__(self, container: str, port: int, log: Path, *options: str) -> None:
        self.container, self.port, self.log = container, port, log
        published = engine.docker("port", container, f"{port}/tcp").splitlines()[0]
        self.url = f"http://{published}"
        with log.open("wb") as output:
            words = ("sh", "-c", START, "server", *options)
            self.process = subprocess.Popen(
                ["docker", "exec", "--env", f"PORT={port}", container, *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def client(self, key: str = KEY) -> Any:
        # not above: it imports ssl, which gevent has to change before
        import openai

        return openai.OpenAI(
            base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=PATIENCE_S
        )

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urlopen(self.url + path, timeout=PATIENCE_S) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    def metrics(self) -> dict[str, float]:
        families = text_string_to_metric_families(self.get("/metrics")[1])
        return {
            sample.name.replace("mlufleet_server_", "")
            + "".join(sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }

    def wait_ready(self) -> None:
        def answers() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            try:
                return self.get("/health")[0] == 200
            except OSError:
                return False

        until(answers)

    def stop(self) -> int:
        engine.docker("exec", self.container, "sh", "-c", f"kill $(cat /run/{self.port}.pid)")
        return self.process.wait(PATIENCE_S)


@contextmanager
def running_container(folder: Path) -> Iterator[str]:
    """A container of the vendor's image with what the server needs; servers are started in it.

    Args:
        folder: a scratch folder; gets the server's files and its key.

    Yields:
        The container's name.
    """
    wheels.build()
    upstreams.build()
    weights.build()
    files = folder / "serving"
    shutil.copytree(paths.SOURCE / "files/serving", files)
    (files / "key").write_text(KEY + "\n")
    mounts = {
        files: "/serving",
        weights.FOLDER: "/weights",
        wheels.WHEELS: "/wheels",
        upstreams.SOURCE: "/transformers",
    }
    volumes = [word for path, place in mounts.items() for word in ("-v", f"{path}:{place}:ro")]
    published = [word for port in PORTS for word in ("-p", f"127.0.0.1::{port}")]
    variables = ("PYTHONPATH=/transformers/src", "PYTHONDONTWRITEBYTECODE=1", "HF_HUB_OFFLINE=1")
    environment = [word for variable in variables for word in ("-e", variable)]
    name = f"{os.environ.get('LAB_PREFIX', 'mlulab-')}server-{os.getpid()}"
    engine.docker(
        "run",
        "--detach",
        "--init",
        "--name",
        name,
        *volumes,
        *published,
        *environment,
        docker_image.reference(),
        "sleep",
        "infinity",
    )
    try:
        engine.docker("exec", name, "sh", "-ec", PREPARE)
        yield name
    finally:
        engine.docker("rm", "--force", name)
