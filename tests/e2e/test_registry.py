"""An image from a real registry: login and CA, what a registry refuses, and the ways around it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.registry import archive
from tests.faults.big import HOST, deploy_light
from tests.lab import hosts as lab
from tests.lab import paths
from tests.lab.registry import USER, Registry, serving
from tests.runs import RELEASES, SITE, Done, mlufleet

IMAGE = "registry.lab/light:v1"
INVENTORY = ".lab/registry.py"
FORGET = (
    "docker rm -f light; rm -rf /etc/docker/certs.d; "
    f"docker image rm -f $(docker image inspect -f '{{{{.Id}}}}' {IMAGE})"
)
#: everything that a process list shows while the file is there, as root sees it
WATCH = (
    "while [ -e /tmp/watch ]; do for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; "
    "case $(cat $p/cmdline | tr '\\0' ' ') in *watch*) ;; *) tr '\\0' ' ' < $p/environ ;; esac; "
    "echo; done 2>/dev/null; done > /tmp/seen"
)
LEFT = (
    "grep -rlF --exclude-dir=docker -f - /var/lib /var/log /tmp /dev/shm /run /home /root "
    "/etc 2>/dev/null"
)


@dataclass(frozen=True)
class Site:
    """A registry with the small image, and what the inventory says about it."""

    registry: Registry
    image: str
    root: Path

    @property
    def known(self) -> dict[str, str]:
        return {"registry_login": str(self.root / "login"), "registry_ca": str(self.registry.ca)}

    @property
    def store(self) -> Path:
        """A store beside the lab's, with an archive of the registry's image."""
        found = self.root / "store"
        found.mkdir(exist_ok=True)
        return found

    def release(self, name: str, image: dict[str, str | None]) -> Path:
        """A release whose image is given, locked."""
        path = self.root / f"{name}.yml"
        text = {"extends": "light", "name": name, "image": image}
        (self.root / "light.yml").write_text((SITE / RELEASES / "light.yml").read_text())
        path.write_text(yaml.safe_dump(text))
        return path

    def deploy(self, release: Path, *options: str, **data: Any) -> Done:
        """Deploy a release on the host, which has nothing of the image."""
        fleet = yaml.safe_load((SITE / ".lab/inventory.yml").read_text())
        fleet["defaults"] |= {"release": str(release), **data}
        fleet["hosts"] = {HOST: fleet["hosts"][HOST]}
        (SITE / ".lab/registry.yml").write_text(yaml.safe_dump(fleet))
        (SITE / INVENTORY).write_text(
            "from pathlib import Path\nfrom fleet.inventory import as_pyinfra_groups, load_hosts\n"
            'globals().update(as_pyinfra_groups(load_hosts(Path(".lab/registry.yml")), "lab"))\n'
        )
        return mlufleet("deploy", INVENTORY, *options)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("registry")
    with serving(root) as registry, pytest.MonkeyPatch.context() as patch:
        image = registry.push(paths.STORE / "light-v1.tar", "lab/light")
        login = root / "login"
        login.write_text(f"{USER}\n{registry.password}\n")
        login.chmod(0o600)
        patch.setenv("REGISTRY_AUTH_FILE", str(login))
        patch.setenv("SSL_CERT_FILE", str(registry.ca))
        deploy_light()
        yield Site(registry, image, root)
    lab.run(HOST, f"{FORGET}; rm -f /etc/docker/daemon.json; systemctl reload docker", check=False)


@pytest.fixture(scope="module")
def pulled(site: Site) -> Path:
    """The release with the image in the registry only, locked."""
    path = site.release("pulled", {"file": None, "registry": site.image})
    done = mlufleet("release", "lock", str(path), "--store", str(paths.STORE))
    assert done.status == 0, done.output
    return path


@pytest.fixture(scope="module")
def either(site: Site) -> Path:
    """The release with the image in the registry and as an archive that was made of it, locked."""
    for found in paths.STORE.iterdir():
        if found.name != "light-v1.tar":
            (site.store / found.name).symlink_to(found)
    archive.pull_image(site.image, site.store / "light-v1.tar", IMAGE)
    path = site.release("either", {"registry": site.image})
    done = mlufleet("release", "lock", str(path), "--store", str(site.store))
    lock = json.loads(path.with_suffix(".lock.json").read_text())
    assert done.status == 0 and lock["unproved"] == [], done.output
    return path


@pytest.fixture
def bare() -> None:
    lab.run(HOST, FORGET, check=False)


def failure(done: Done) -> str:
    assert done.status == 2, done.output
    return str(done.host(HOST)["failure"]["code"])


def test_a_lock_of_a_registry_says_what_it_does_not_show(site: Site, pulled: Path) -> None:
    lock = json.loads(pulled.with_suffix(".lock.json").read_text())
    assert lock["image"]["size"] > 1_000_000 and "light-v1.tar" not in lock["files"]
    assert "image.python" in [point["field"] for point in lock["unproved"]]
    other = site.image[:-1] + ("0" if site.image[-1] != "0" else "1")
    missing = site.release("missing", {"file": None, "registry": other})
    done = mlufleet("release", "lock", str(missing), "--store", str(paths.STORE))
    assert done.status == 3 and "IMAGE_NOT_FOUND" in done.output and "missing.yml:" in done.output


def test_an_image_is_pulled_and_its_password_is_nowhere(
    site: Site, pulled: Path, bare: None
) -> None:
    host = site.registry.host
    lab.run(
        HOST, f"mkdir -p /etc/docker/certs.d/{host}; echo x > /etc/docker/certs.d/{host}/ca.crt"
    )
    lab.run(HOST, "touch /tmp/watch; cat > /tmp/watch.sh", given=WATCH)
    lab.run(HOST, "setsid sh /tmp/watch.sh >/dev/null 2>&1 </dev/null &")
    done = site.deploy(pulled, "-vvv", "--debug", **site.known)
    lab.run(HOST, "rm /tmp/watch; while pgrep -f '[w]atch[.]sh'; do sleep 0.1; done")
    seen = lab.run(HOST, "cat /tmp/seen; rm -f /tmp/seen /tmp/watch.sh")
    assert done.status == 0, done.output[-3000:]
    assert "image" in done.changed(HOST)
    assert lab.run(HOST, "docker exec light cat /answer") == "light v1"
    assert "docker login" in seen and "docker pull" in seen, "the watch saw the run"
    secret = site.registry.password.split()[0]
    assert secret not in seen and secret not in done.output
    for path in [*(SITE / "runs").rglob("*"), SITE / "pyinfra-debug.log"]:
        assert not path.is_file() or secret not in path.read_text(errors="replace"), path
    assert lab.run(HOST, LEFT, check=False, given=secret) == ""
    assert lab.run(HOST, "ls -d /root/.docker /run/mlufleet-pull 2>/dev/null", check=False) == ""
    assert lab.run(HOST, f"cat /etc/docker/certs.d/{host}/ca.crt") == "x", "the site's own stays"
    again = site.deploy(pulled, **site.known)
    assert again.status == 0 and again.changed(HOST) == []


def test_what_a_registry_refuses_has_a_code_of_its_own(
    site: Site, pulled: Path, bare: None
) -> None:
    wrong = site.root / "wrong"
    wrong.write_text(f"{USER}\nw0nderful-mistake\n")
    wrong.chmod(0o600)
    done = site.deploy(pulled, **(site.known | {"registry_login": str(wrong)}))
    assert failure(done) == "REGISTRY_LOGIN" and "w0nderful-mistake" not in done.output
    lab.run(HOST, "rm -r /etc/docker/certs.d")
    untrusted = {"registry_login": site.known["registry_login"]}
    assert failure(site.deploy(pulled, **untrusted)) == "REGISTRY_CERTIFICATE"
    content = site.registry.root / "content/docker/registry/v2/repositories/lab/light"
    content.rename(content.with_name("other"))
    try:
        assert failure(site.deploy(pulled, **site.known)) == "IMAGE_NOT_FOUND"
    finally:
        content.with_name("other").rename(content)


def test_without_the_registry_the_archive_is_sent(site: Site, either: Path) -> None:
    lab.run(HOST, FORGET, check=False)
    site.registry.stop()
    try:
        done = site.deploy(either, **site.known, store=str(site.store))
    finally:
        site.registry.start()
    assert done.status == 0, done.output[-3000:]
    assert any("REGISTRY_UNREACHABLE" in note for note in done.host(HOST)["notes"])
    assert lab.run(HOST, "docker exec light cat /answer") == "light v1"


def test_a_registry_without_tls_is_used_only_where_it_is_allowed_by_name(
    site: Site, pulled: Path, bare: None
) -> None:
    daemon = "/etc/docker/daemon.json"
    lab.run(HOST, f"cat > {daemon}", given='{"log-level": "warn"}')
    lab.run(HOST, f"docker run -d --name other --network none {neighbor()} 600")
    began = lab.run(HOST, "docker inspect -f {{.State.StartedAt}} other")
    site.registry.stop()
    site.registry.start(tls=False, login=False)
    try:
        assert failure(site.deploy(pulled)) == "REGISTRY_INSECURE"
        done = site.deploy(pulled, insecure_registries=[site.registry.host])
    finally:
        site.registry.stop()
        site.registry.start()
    assert done.status == 0, done.output[-3000:]
    settings = json.loads(lab.run(HOST, f"cat {daemon}"))
    assert settings == {"log-level": "warn", "insecure-registries": [site.registry.host]}
    (kept,) = done.host(HOST)["kept"]
    assert json.loads(lab.run(HOST, f"cat {kept.split()[-1]}")) == {"log-level": "warn"}
    assert lab.run(HOST, "docker inspect -f {{.State.StartedAt}} other") == began
    lab.run(HOST, "docker rm -f other")


def neighbor() -> str:
    """An image on the host that is not the release's."""
    files = "usr/bin/sleep usr/lib/x86_64-linux-gnu/libc.so.6"
    lab.run(HOST, f"tar -C / -chf /tmp/image {files} lib64/ld-linux-x86-64.so.2")
    lab.run(HOST, "docker import /tmp/image neighbor; rm /tmp/image")
    return "neighbor /usr/bin/sleep"
