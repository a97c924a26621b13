from __future__ import annotations

from pathlib import Path

import pytest

from fleet import inventory
from fleet.documents import loading, strict_yaml
from fleet.errors import InvalidInput
from fleet.release.target import ReleaseTarget


def written(site: Path, hosts: str, extra: str = "") -> Path:
    path = site / "fleet.yml"
    path.write_text(
        f"defaults:\n  release: {site}/small.yml\n  store: {site}/store\n{extra}hosts:\n{hosts}"
    )
    return path


def refused(site: Path, hosts: str, extra: str = "") -> str:
    with pytest.raises(InvalidInput) as error:
        inventory.read(written(site, hosts, extra))
    return str(error.value)


def test_defaults_and_a_hosts_own_data_merge(site: Path, wanted: ReleaseTarget) -> None:
    path = written(site, "  a: {ssh_port: 2201, cards: 2, groups: [r1]}\n  b: {}\n")
    entries = inventory.read(path)
    assert [name for name, _ in entries] == ["a", "b"]
    assert entries[0][1]["ssh_port"] == 2201 and entries[1][1]["release"].endswith("small.yml")
    assert inventory.group(entries, "r1") == entries[:1]


def test_host_keys_are_checked_wherever_the_inventory_lies(
    site: Path, wanted: ReleaseTarget
) -> None:
    own = "  b: {data: {ssh_strict_host_key_checking: accept-new}}\n"
    (_, strict), (_, lax) = inventory.read(written(site, "  a: {}\n" + own))
    assert strict["ssh_strict_host_key_checking"] == "yes"
    assert lax["ssh_strict_host_key_checking"] == "accept-new"


def test_a_host_given_twice_by_name(site: Path, wanted: ReleaseTarget) -> None:
    assert "fleet.yml:6: not valid YAML: duplicate key 'a'" in refused(site, "  a: {}\n  a: {}\n")


def test_a_host_given_twice_by_address(site: Path, wanted: ReleaseTarget) -> None:
    message = refused(site, "  a: {ssh_hostname: h}\n  b: {ssh_hostname: h}\n")
    assert "fleet.yml:6: b: the same machine as a (h:22)" in message


def test_a_missing_key_file(site: Path, wanted: ReleaseTarget) -> None:
    assert "fleet.yml:5: a: ssh_key: no such file: /no/key" in refused(
        site, "  a: {ssh_key: /no/key}\n"
    )


def test_a_field_that_a_host_inherits_is_named_where_it_stands(
    site: Path, wanted: ReleaseTarget
) -> None:
    path = written(site, "  a: {}\n")
    text = path.read_text()
    path.write_text(text.replace("defaults:", "defaults:\n  sudo_password_file: /no/password", 1))
    assert "defaults:\n  sudo" in path.read_text()
    with pytest.raises(InvalidInput) as caught:
        inventory.read(path)
    line = path.read_text().splitlines().index("  sudo_password_file: /no/password") + 1
    message = str(caught.value)
    assert f"fleet.yml:{line}: a: sudo_password_file: no such file" in message
    assert "remedy: " in message


def test_a_misspelt_field(site: Path, wanted: ReleaseTarget) -> None:
    assert "fleet.yml:5: hosts.a.ssh_prot" in refused(site, "  a: {ssh_prot: 22}\n")


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("distribution: torrent", "distribution"),
        ("swarm_hosts: 0", "swarm_hosts"),
        ("swarm_address: fd00::1", "is not an IPv4 address"),
        ("swarm_address: 10.0.0.256", "is not an IPv4 address"),
        ("swarm_address: 0.0.0.0", "no host can have"),
        ("serve_address: fd00::1", "is not an IPv4 address"),
        ("serve_address: 224.0.0.1", "no host can have"),
        ("swarm_ports: 7000-6000", "is not a range of ports"),
        ("swarm_ports: 80-90", "is not a range of ports"),
        ('swarm_ports: "6881-"', "is not a range of ports"),
    ],
)
def test_wrong_settings_of_swarms(
    site: Path, wanted: ReleaseTarget, said: str, problem: str
) -> None:
    assert problem in refused(site, f"  a: {{{said}}}\n")


def test_settings_of_swarms(site: Path, wanted: ReleaseTarget) -> None:
    said = "distribution: swarm, swarm_address: 10.255.0.1, swarm_ports: 7000-7000, swarm_rate: 0"
    ((_, found),) = inventory.read(written(site, f"  a: {{{said}}}\n"))
    assert found["swarm_address"] == "10.255.0.1" and found["swarm_ports"] == "7000-7000"
    assert found["distribution"] == "swarm" and found["swarm_rate"] == 0


def test_no_hosts(site: Path, wanted: ReleaseTarget) -> None:
    assert "hosts" in refused(site, "  {}\n")


def test_a_release_without_a_lock(site: Path) -> None:
    assert "no lock" in refused(site, "  a: {}\n")


def test_ten_thousand_hosts_may_each_say_all_that_hosts_say(
    site: Path, wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a tenth of the limits, as YAML takes a millisecond for a host."""
    for module, name in ((loading, "MAX_BYTES"), (strict_yaml, "MAX_VALUES")):
        monkeypatch.setattr(module, name, getattr(module, name) // 10)
    hosts = "".join(
        f"  mlu{n:05}:\n    ssh_hostname: 10.1.{n // 250}.{n % 250}\n    ssh_port: 22\n"
        f"    ssh_user: operator\n    cards: 8\n    evict: false\n    smoke: always\n"
        f"    groups: [rack{n % 40}, hall1]\n    reboot_timeout: 1200\n"
        f"    data: {{slot: {n}, place: the second hall, owner: somebody of the institute}}\n"
        for n in range(1000)
    )
    entries = inventory.read(written(site, hosts))
    assert len(entries) == 1000 and len(inventory.grouped(entries)) == 42


def test_a_missing_inventory_file(site: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        inventory.read(site / "none.yml")


def test_servers_may_listen_on_all_addresses(site: Path, wanted: ReleaseTarget) -> None:
    ((_, host),) = inventory.read(written(site, "  a: {serve_address: 0.0.0.0}\n"))
    assert host["serve_address"] == "0.0.0.0"


@pytest.mark.parametrize("value", ["off", "'off'", "no", "false"])
def test_mending_is_off_also_without_quotes(site: Path, wanted: ReleaseTarget, value: str) -> None:
    ((_, host),) = inventory.read(written(site, f"  a: {{remediate: {value}}}\n"))
    assert host["remediate"] == "off"
