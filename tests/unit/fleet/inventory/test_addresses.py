"""Whose machine an address is: what could be another's is refused, with its line and field."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fleet import inventory
from fleet.errors import InvalidInput
from fleet.inventory import addresses
from fleet.release.target import ReleaseTarget
from mlufleet.run import launcher
from tests.unit.fleet.inventory.test_host_file import refused, written

RIGHT = {
    "10.0.1.1": "10.0.1.1",
    "127.0.0.1": "127.0.0.1",
    "mlu01": "mlu01",
    "MLU01.Example": "MLU01.Example",
    "mlu01.example.": "mlu01.example",
    "mlu_01": "mlu_01",
    "7even.example": "7even.example",
    "node.12": "node.12",
    "2001:DB8:0:0::1": "2001:db8::1",
    "2001:0db8::0001": "2001:db8::1",
    "::ffff:10.0.1.1": "10.0.1.1",
    "fe80::1%eth0": "fe80::1%eth0",
    "FE80::1%bond0.7": "fe80::1%bond0.7",
    ("a" * 63 + ".") * 3 + "b" * 61: ("a" * 63 + ".") * 3 + "b" * 61,
}

WRONG = {
    "": "''",
    "10.0.1.1:2222": "write 10.0.1.1, and `ssh_port: 2222`",
    "mlu01:22": "write mlu01, and `ssh_port: 22`",
    "root@10.0.1.1": "write 10.0.1.1, and `ssh_user: root`",
    "ops@corp@mlu01": "write mlu01, and `ssh_user: ops@corp`",
    "ssh://10.0.1.1": "write only the host name",
    "https://mlu01/": "write only the host name",
    "10.0.1.256": "four numbers from 0 to 255",
    "10.0.1.1/24": "without a network or a path",
    "[2001:db8::1]": "write 2001:db8::1 without brackets",
    "[2001:db8::1]:2222": "write 2001:db8::1 without brackets, and `ssh_port: 2222`",
    "2001:db8::1::": "is not an IPv6 address",
    "2001:db8:1": "is not an IPv6 address",
    "12345": "means 0.0.48.57 to most programs",
    "10.0.1": "means 10.0.0.1 to most programs",
    "0x7f.1": "means 127.0.0.1 to most programs",
    "0x0a000101": "means 10.0.1.1 to most programs",
    "10.0x0.1.1": "means 10.0.1.1 to most programs",
    "010.0.0.1": "must not have leading zeros",
    "10.0.0.08": "must not have leading zeros",
    "10.0.1.1.": "remove the dot",
    "10.0.1.": "is not an address",
    "10.0..1": "is not an address",
    "10.0.1.l": "four numbers from 0 to 255",
    "10.0.1.1.1": "is not an address",
    "10,0,1,1": "is not an address",
    "１０.0.1.1": "look-alike characters: write '10.0.1.1'",
    "10．0．1．1": "look-alike characters: write '10.0.1.1'",
    "10.0.1.1\u200b": "an invisible character (U+200B)",
    "10.0.1.1\u00a0": "an invisible character (U+00A0)",
    "\ufeff10.0.1.1": "an invisible character (U+FEFF)",
    " 10.0.1.1": "a blank",
    "10.0.1.1\n": "an invisible character (U+000A)",
    "mlu01\u202e": "an invisible character (U+202E)",
    "\x1b[31mmlu01": "an invisible character (U+001B)",
    "服务器": "letters that addresses cannot have: write xn--",
    "mlu\u0430": "letters that addresses cannot have",
    "-oProxyCommand=x": "is not an address",
    "-mlu01": "no '-' at its beginning",
    "mlu01-": "no '-' at its beginning",
    "mlu..example": "is not an address",
    ".mlu01": "is not an address",
    "'10.0.1.1": "is not an address",
    '="10.0.1.1"': "is not an address",
    "a" * 64: "1 to 63 letters",
    "a." * 127 + "b": "longer than 253",
    "0.0.0.0": "no host can have",
    "255.255.255.255": "no host can have",
    "224.0.0.1": "no host can have",
    "ff02::1": "no host can have",
    "::": "no host can have",
    "fe80::1": "fe80::1%eth0",
    "2001:db8::1%eth0": "fe80::1%eth0",
    "fe80::1%": "fe80::1%eth0",
    "@local": "a pyinfra connector",
    "@docker/ubuntu": "address of one host",
}


@pytest.mark.parametrize(("said", "kept"), RIGHT.items())
def test_an_address_has_one_spelling(said: str, kept: str) -> None:
    assert addresses.normalize_address(said) == kept


@pytest.mark.parametrize(("said", "why"), [(k, v) for k, v in WRONG.items() if k])
def test_what_is_no_address_is_refused(said: str, why: str) -> None:
    with pytest.raises(ValueError) as error:
        addresses.normalize_address(said)
    assert why in str(error.value) and str(error.value).isprintable()


@pytest.mark.parametrize("said", ["10.0.1", "10.0.1.1\u200b", "root@10.0.1.1", "@local"])
def test_it_is_told_with_line_and_field(site: Path, wanted: ReleaseTarget, said: str) -> None:
    host = yaml.safe_dump({"ssh_hostname": said}, allow_unicode=False, width=1000).strip()
    message = refused(site, f"  a:\n    cards: 2\n    {host}\n")
    assert message.startswith(f"{site}/fleet.yml:7: a: ssh_hostname: ")


@pytest.mark.parametrize(
    ("user", "right"),
    [
        ("root", True),
        ("ops@corp.example", True),
        ("CORP\\ops", True),
        ("svc_mlu.1$", True),
        ("root ", False),
        (" root", False),
        ("ro ot", False),
        ("root\u200b", False),
        ("root\n", False),
        ("ｒｏｏｔ", False),
        ("root:secret", False),
        ("-oX", False),
    ],
)
def test_the_name_of_a_login(site: Path, wanted: ReleaseTarget, user: str, right: bool) -> None:
    said = yaml.safe_dump({"ssh_user": user}, width=1000).strip()
    if right:
        assert inventory.read(written(site, f"  a:\n    {said}\n"))[0][1]["ssh_user"] == user
    else:
        assert "fleet.yml:6: hosts.a.ssh_user: " in refused(site, f"  a:\n    {said}\n")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("#mlu07", "not a host name"),
        ("＃mlu07", "look-alike characters: write '#mlu07'"),
        (";mlu07", "not a host name"),
        ("//mlu07", "not a host name"),
        ("--mlu07", "not a host name"),
        ("'mlu07", "not a host name"),
        ("!mlu07", "not a host name"),
        ("@local", "a pyinfra connector"),
        ("@docker/x", "a pyinfra connector"),
        ("root@mlu07", "and `ssh_user: root`"),
        ("mlu07\u200b", "an invisible character (U+200B)"),
        ("mlu０7", "write 'mlu07'"),
        ("a,b", "not a host name"),
        ("a/b", "not a host name"),
        ("a*", "not a host name"),
        ("mlu07.", "not a host name"),
        ("合计", "name: '合计' has letters"),
        ("10.0.1", "name: '10.0.1' means 10.0.0.1 to most programs"),
        ("0x7f.1", "means 127.0.0.1 to most"),
        ("localhost ", "a blank"),
    ],
)
def test_what_is_no_name_of_a_host_is_refused(
    site: Path, wanted: ReleaseTarget, name: str, why: str
) -> None:
    message = refused(site, "  " + yaml.safe_dump({name: {}}, default_flow_style=False))
    assert message.startswith(f"{site}/fleet.yml:5: ") and why in message
    assert message.isprintable()


def test_a_name_of_another_script_is_one_where_its_address_is_said(
    site: Path, wanted: ReleaseTarget
) -> None:
    path = written(site, "  机房-1: {ssh_hostname: 10.0.1.1}\n")
    assert inventory.read(path)[0][0] == "机房-1"


def test_the_spelling_that_is_kept_is_what_pyinfra_connects_to(
    site: Path, wanted: ReleaseTarget
) -> None:
    path = written(site, '  a: {ssh_hostname: "2001:DB8:0::1"}\n  b: {ssh_hostname: b.example.}\n')
    assert [said["ssh_hostname"] for _, said in inventory.read(path)] == [
        "2001:db8::1",
        "b.example",
    ]


SAME = [
    ("mlu01", "MLU01"),
    ("mlu01.example", "mlu01.example."),
    ("2001:db8::1", "2001:DB8:0:0::0001"),
    ("10.0.1.1", "::ffff:10.0.1.1"),
    ("localhost", "127.0.0.1"),
    ("::1", "ip6-localhost"),
    ("LOCALHOST", "x.localhost"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_machine_under_two_names_is_told(
    site: Path, wanted: ReleaseTarget, one: str, other: str
) -> None:
    hosts = f"  a: {{ssh_hostname: '{one}'}}\n  b: {{ssh_hostname: '{other}'}}\n"
    assert refused(site, hosts).startswith(f"{site}/fleet.yml:6: b: the same machine as a (")


def test_names_that_differ_in_case_alone_are_refused(site: Path, wanted: ReleaseTarget) -> None:
    hosts = "  MLU1: {ssh_hostname: h1}\n  mlu1: {ssh_hostname: h2}\n"
    assert "fleet.yml:6: mlu1 and MLU1 differ only in case" in refused(site, hosts)


CONFIG = """\
Host one
  HostName 10.0.1.1
Host east
  HostName 10.0.9.1
  ProxyJump gate-east
Host west
  HostName 10.0.9.1
  ProxyJump gate-west
Host two
  HostName 10.0.1.1
  Port 2222
"""


def test_aliases_of_ssh_lead_to_their_machines(
    site: Path, wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(site))
    (site / ".ssh").mkdir()
    (site / ".ssh/config").write_text(CONFIG)
    hosts = "  east: {}\n  west: {}\n  two: {}\n  other: {ssh_hostname: 10.0.1.1}\n"
    assert len(inventory.read(written(site, hosts))) == 4
    assert "9: one: the same machine as other (10.0.1.1:22)" in refused(site, hosts + "  one: {}\n")


def test_a_configuration_of_ssh_that_cannot_be_read_is_told(
    site: Path, wanted: ReleaseTarget
) -> None:
    (site / "own").write_text("Host\n\xff what is this\n", encoding="latin-1")
    message = refused(site, f"  a: {{data: {{ssh_config_file: {site}/own}}}}\n")
    assert f"{site}/own: the SSH configuration cannot be read" in message


@pytest.mark.parametrize(
    ("hosts", "why"),
    [
        ("['10.0.1']", "10.0.1: name: '10.0.1' means 10.0.0.1"),
        ("[('a', {'ssh_hostname': 'root@h'})]", "a: ssh_hostname: 'root@h': write h"),
        (
            "[('a', {'ssh_hostname': 'h'}), ('b', {'ssh_hostname': 'H.'})]",
            "b: the same machine as a",
        ),
        ("[('a', {'ssh_port': 'ssh'})]", "a: "),
    ],
)
def test_an_inventory_of_pyinfras_own_is_held_to_the_same(
    site: Path, wanted: ReleaseTarget, hosts: str, why: str
) -> None:
    data = {"release": f"{site}/small.yml", "store": f"{site}/store"}
    (site / "own.py").write_text(f"hosts = ({hosts}, {data!r})\n")
    with pytest.raises(InvalidInput) as error:
        launcher.validate_inventory(str(site / "own.py"))
    assert str(error.value).startswith(f"{site}/own.py: {why}")


ANY = st.one_of(
    st.text(max_size=12),
    st.text("0123456789.xXabf", max_size=16),
    st.ip_addresses().map(str),
    st.text("0123456789abcdef:.%[]@/-_", max_size=20),
    st.sampled_from([*RIGHT, *WRONG]),
)


@given(ANY, st.sampled_from(["", ".", " ", "\u200b", "/8", ":22", "0"]))
def test_any_text_is_an_address_in_one_spelling_or_an_error(text: str, more: str) -> None:
    try:
        kept = addresses.normalize_address(text + more)
    except ValueError as error:
        assert "U+" in str(error) or str(error).isprintable()
        return
    assert kept.isascii() and kept.isprintable() and addresses.normalize_address(kept) == kept
    assert addresses.comparison_key(kept) == addresses.comparison_key(kept.upper())
    try:
        read: Any = socket.inet_ntoa(socket.inet_aton(kept))
    except OSError:
        return
    assert read == kept == str(ipaddress.IPv4Address(kept)), "another host than is written"
