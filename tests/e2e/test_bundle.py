"""A site without internet: from one file and python3 to a model that answers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import apart, image, machine, paths
from tests.lab import hosts as lab
from tests.lab.fleet import KINDS, Host
from tests.runs import RELEASES, mlufleet

HOST = Host("apart", KINDS[0])
DOCS = (paths.SOURCE / "docs/air-gap.md").read_text()


@pytest.fixture
def bare() -> Iterator[str]:
    """A bare host beside the lab's fleet, which is as it was afterwards. Its address."""
    (port,) = machine.free_ports(1, {found.port for found in lab.found().values()})
    machine.remove(HOST.name)
    try:
        machine.create(HOST, image.image(HOST.kind.family), port)
        yield lab.address(HOST.name)
    finally:
        machine.remove(HOST.name)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    release, file = f"{RELEASES}/light.yml", tmp_path / "site.tar"
    # the lab's releases are locked by `make lock`; this one's store may have been built since
    assert mlufleet("lock", release, "--store", ".lab/store", "--quiet").status == 0
    done = mlufleet(
        "bundle", release, "--store", ".lab/store", "--sign", str(paths.SSH_KEY), "-o", str(file)
    )
    assert done.status == 0, done.output
    public = paths.SSH_KEY.with_suffix(".pub").read_text()
    (tmp_path / "allowed_signers").write_text(f"lab@example.com {public}")
    return file


def documented(kind: str, site: Path) -> str:
    (text,) = re.findall(rf"^```sh {kind}\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)
    return str(text).replace("/srv/site", str(site)).replace("WHO", "lab@example.com")


def inventory(site: Path, address: str) -> str:
    key = lab.run(HOST.name, "cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub")
    (site / "known_hosts").write_text(f"{address} {key}\n")
    return (
        f"defaults: {{release: light, ssh_user: {HOST.kind.user}, ssh_key: {paths.SSH_KEY},\n"
        f"  ssh_known_hosts_file: known_hosts, cards: {len(HOST.kind.cards)}}}\n"
        f"hosts: {{{HOST.name}: {{ssh_hostname: {address}}}}}\n"
    )


def test_a_bare_host_is_provisioned_where_there_is_no_route_and_no_dns(
    bare: str, bundle: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    clean = {
        "PATH": os.environ["PATH"].replace(str(Path(sys.executable).parent), ""),
        "HOME": str(tmp_path / "home"),
    }

    with apart.only(bare) as name:

        def there(script: str) -> subprocess.CompletedProcess[str]:
            words = ["ip", "netns", "exec", name, "sh", "-exc", script]
            done = subprocess.run(words, cwd=tmp_path, env=clean, capture_output=True, text=True)
            print(done.stdout, done.stderr)
            return done

        assert there("ip route get 192.0.2.1").returncode  # else it would prove nothing
        assert there("getent hosts pypi.org").returncode
        assert there(documented("by-hand", site)).returncode == 0
        (site / "inventories/fleet.yml").write_text(inventory(site, bare))
        bring_up = documented("bring-up", site).replace("mlu01", HOST.name)
        assert there(bring_up).returncode == 0
        doctor = f"cd {site} && .venv/bin/mlufleet doctor inventories/fleet.py"
        assert there(doctor).returncode == 0
        chinese = there(f"cd {site} && LANG=zh_CN.UTF-8 .venv/bin/mlufleet doctor --help")
        assert chinese.returncode == 0 and "用法" in chinese.stdout
        again = f".venv/bin/mlufleet unbundle {bundle} {site} --signers allowed_signers"
        assert there(f"{site}/{again}").returncode == 0  # all of it is still what was signed
    assert lab.run(HOST.name, "docker exec light cat /answer") == "light v1"
