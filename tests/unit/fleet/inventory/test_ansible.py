"""Real inventories, read by Ansible's own command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings

from fleet.errors import InvalidInput
from fleet.inventory import Entry, ansible, ansible_command
from fleet.inventory.host_file import CONNECTION_DATA
from fleet.release.target import ReleaseTarget
from tests.unit.fleet.inventory.test_groups import INVENTORIES, limited, loaded
from tests.unit.fuzz import altered, judged, mutated
from tests.unit.warm_ansible import WarmAnsible, warm_ansible

INI = """\
solo ansible_host=10.0.0.9

[rack1]
mlu[01:03] ansible_port=2222 cards=8 evict=true note="row 1"

[rack2]
n1 ansible_user=admin ansible_ssh_private_key_file=SITE/key

[hall:children]
rack1
rack2

[hall:vars]
reboot_timeout=1200
"""

YAML = """\
all:
  children:
    hall:
      vars: {reboot_timeout: 1200}
      children:
        rack1:
          hosts:
            mlu[01:03]: {ansible_port: 2222, cards: 8, evict: true, note: row 1}
        rack2:
          hosts:
            n1: {ansible_user: admin, ansible_ssh_private_key_file: SITE/key}
  hosts:
    solo: {ansible_host: 10.0.0.9}
"""


@pytest.fixture(scope="module", autouse=True)
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmAnsible]:
    """The command without its start, which would be most of the time of these tests."""
    with (
        warm_ansible(tmp_path_factory.mktemp("ansible")) as warm,
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setattr(ansible_command.subprocess, "run", warm.run)
        yield warm


def written(site: Path, text: str, name: str = "hosts.ini", **beside: str) -> Path:
    """An inventory, and files beside it: group_vars__rack1="cards: 2"."""
    for file, content in {name: text, **beside}.items():
        path = site / file.replace("__", "/")
        path = path if path.suffix else path.with_suffix(".yml")
        path.parent.mkdir(exist_ok=True)
        path.write_text(content.replace("SITE", str(site)))
    return site / name


def defaults(site: Path) -> dict[str, Any]:
    return {"release": f"{site}/small.yml", "store": f"{site}/store"}


def read(site: Path, text: str, name: str = "hosts.ini", **beside: str) -> dict[str, Any]:
    entries: list[Entry] = ansible.read(written(site, text, name, **beside), defaults(site))
    return dict(entries)


def refused(site: Path, text: str, name: str = "hosts.ini", **beside: str) -> str:
    with pytest.raises(InvalidInput) as error:
        read(site, text, name, **beside)
    return str(error.value).replace(str(site), "SITE")


@pytest.mark.parametrize(("name", "text"), [("hosts.ini", INI), ("hosts.yml", YAML)])
def test_an_inventory_of_ansible_is_taken_over(
    site: Path, wanted: ReleaseTarget, name: str, text: str
) -> None:
    (site / "key").write_text("x")
    (site / "group_vars").mkdir()
    (site / "group_vars/rack1.yml").write_text("smoke: always\ncards: 4\n")
    variables = {"host_vars__n1": "cards: 2\n", "host_vars__mlu02": "{cards: 3, place: {u: 7}}\n"}
    hosts = read(site, text, name, **variables)
    assert set(hosts) == {"solo", "mlu01", "mlu02", "mlu03", "n1"}
    strict = {**CONNECTION_DATA, **defaults(site)}
    of_rack = {
        **strict,
        "ssh_port": 2222,
        "evict": True,
        "note": "row 1",
        "smoke": "always",
        "reboot_timeout": 1200,
        "groups": ("hall", "rack1"),
    }
    assert hosts["mlu01"] == {**of_rack, "cards": 8}
    assert hosts["n1"] == {
        **strict,
        "ssh_user": "admin",
        "ssh_key": f"{site}/key",
        "cards": 2,
        "reboot_timeout": 1200,
        "groups": ("hall", "rack2"),
    }
    assert hosts["solo"] == {**strict, "ssh_hostname": "10.0.0.9"}
    assert hosts["mlu02"] == {**of_rack, "cards": 3, "place": {"u": 7}}


@pytest.mark.parametrize("text", [INI, "a b=c d\n"])
def test_the_command_as_it_starts_says_the_same(site: Path, warm: WarmAnsible, text: str) -> None:
    words = ["ansible-inventory", "-i", str(written(site, text)), "--list"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1"}
    options = {
        "env": environment,
        "capture_output": True,
        "text": True,
        "stdin": subprocess.DEVNULL,
    }
    cold, warmed = warm.run_cold(words, **options), warm.run(words, **options)
    assert (warmed.returncode, warmed.stdout) == (cold.returncode, cold.stdout)
    assert warmed.stderr == cold.stderr and bool(cold.returncode) == (text != INI)


def test_what_a_host_says_goes_before_the_defaults(site: Path, wanted: ReleaseTarget) -> None:
    path = written(site, "a cards=4 rack=7\nb\n")
    given = {**defaults(site), "cards": 2, "data": {"rack": 1, "row": 2}}
    (_, a), (_, b) = ansible.read(path, given)
    assert (a["cards"], a["rack"], a["row"]) == (4, 7, 2)
    assert (b["cards"], b["rack"], b["row"]) == (2, 1, 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[r]\na\nb cards=two\n", "SITE/hosts.ini:3: b: cards: expected an integer"),
        ("a ansible_port=99999\n", "SITE/hosts.ini:1: a: ssh_port: "),
        ("a evict=maybe\n", "SITE/hosts.ini:1: a: evict: expected true or false"),
        ("a release=none\n", "SITE/hosts.ini:1: release of a:\nrelease 'none': no file"),
        (
            "\na sudo_password_file=/no\n",
            "SITE/hosts.ini:2: a: sudo_password_file: no such file: /no",
        ),
        (
            "a ansible_host=h\nb ansible_host=h\n",
            "SITE/hosts.ini:2: b: the same machine as a (h:22)",
        ),
        ("a ansible_connection=docker\n", "SITE/hosts.ini:1: a: ansible_connection: 'docker'"),
        ("b\na ansible_host=h ansible_connection=local\n", "SITE/hosts.ini:2: a: ansible_conn"),
        ("localhost\n", "SITE/hosts.ini: hosts: expected at least 1 "),
        (
            "b\na ansible_host=10.0.1\n",
            "SITE/hosts.ini:2: a: ssh_hostname: '10.0.1' means 10.0.0.1",
        ),
        ("b\n10.0.1\n", "SITE/hosts.ini:2: 10.0.1: name: '10.0.1' means 10.0.0.1"),
        ("b\na ansible_host=root@h\n", "SITE/hosts.ini:2: a: ssh_hostname: 'root@h': write h"),
        ("\ufeff[r]\r\na\r\n", "SITE/hosts.ini:1: the file begins with a byte order mark"),
        (
            "a ansible_ssh_common_args='-o ProxyJump=x'\n",
            "SITE/hosts.ini:1: a: ansible_ssh_common_args: a proxy",
        ),
        ("a ansible_host='{{ b }}'\n", "SITE/hosts.ini:1: a: ansible_host: templates"),
        ("a data=1\n", "SITE/hosts.ini:1: a: data: the variable name `data` is reserved"),
        ("[a b]\nx\n", "SITE/hosts.ini:1: "),
        ("a b=c d\n", "SITE/hosts.ini:1: Expected key=value host variable assignment, got: d"),
        ("a\n[x:foo]\n", "SITE/hosts.ini:2: Section [x:foo] has unknown type: foo"),
        ("", "SITE/hosts.ini: hosts: "),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    site: Path, wanted: ReleaseTarget, text: str, said: str
) -> None:
    assert refused(site, text).startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("all:\n  hosts:\n    a: {b: [}\n", "SITE/hosts.yml:3: "),
        ("all:\n  hostss: {a: {}}\n", "SITE/hosts.yml:2: Skipping unexpected key (hostss)"),
        ("all:\n  hosts:\n    a:\n      cards: x\n", "SITE/hosts.yml:4: a: cards: "),
        ("- a\n", "SITE/hosts.yml"),
    ],
)
def test_what_is_wrong_in_yaml_is_told_with_its_place(
    site: Path, wanted: ReleaseTarget, text: str, said: str
) -> None:
    assert refused(site, text, "hosts.yml").startswith(said)


OLD = """\
[WARNING]:  * Failed to parse /i/bad.yml with auto plugin: no
[WARNING]:  * Failed to parse /i/bad.yml with yaml plugin: We were
unable to read either as JSON nor YAML.  The
error appears to be in '/i/bad.yml': line 3, column 12, but may be
elsewhere  The offending line appears to be:    hosts:    a: {b: [}
[WARNING]:  * Failed to parse /i/bad.yml with ini plugin:
/i/bad.yml:1: Expected key=value host variable
assignment, got: d
ERROR! Completely failed to parse inventory source /i/bad.yml
"""


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/i/bad.yml", "/i/bad.yml:3: We were unable to read either as JSON nor YAML."),
        ("/i/bad", "/i/bad.yml:1: Expected key=value host variable assignment, got: d"),
    ],
)
def test_what_ansible_said_before_2_19(path: str, said: str) -> None:
    assert ansible_command.explain_error(Path(path), OLD).startswith(said)


@pytest.mark.parametrize(
    "line",
    ["localhost ansible_connection=local", "localhost", "127.0.0.1", "me ansible_connection=local"],
)
def test_the_machine_ansible_runs_on_is_left_out_and_that_is_said(
    site: Path, wanted: ReleaseTarget, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", "pyinfra")
    assert set(read(site, f"{line}\r\n[r]\r\na\r\n")) == {"a"}
    assert [record.getMessage() for record in caplog.records] == [
        f"{site}/hosts.ini: {line.split()[0]}: left out, not reached by SSH"
    ]


def test_a_host_that_is_only_called_so_is_taken(site: Path, wanted: ReleaseTarget) -> None:
    text = "localhost ansible_host=10.0.1.1\n127.0.0.1 ansible_connection=ssh\n"
    assert set(read(site, text)) == {"localhost", "127.0.0.1"}


def test_all_places_that_can_have_said_it_are_named(site: Path, wanted: ReleaseTarget) -> None:
    message = refused(
        site,
        "[r]\na\n[s]\nb cards=8\n",
        group_vars__all="cards: 1\n",
        group_vars__r="x: 1\ncards: two\n",
        group_vars__s="cards: 3\n",
    )
    places = "SITE/hosts.ini:4 or SITE/group_vars/all.yml:1 or SITE/group_vars/r.yml:2"
    assert message.startswith(f"{places}: a: cards: ")


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "ssh_pass",
        "become_password",
        "become_pass",
        "sudo_pass",
        "ssh_private_key_passphrase",
    ],
)
def test_a_secret_is_refused_and_not_repeated(site: Path, wanted: ReleaseTarget, name: str) -> None:
    message = refused(site, f"a\nb ansible_{name}=hunter2\n")
    assert message.startswith(f"SITE/hosts.ini:2: b: ansible_{name}: ")
    assert "sudo_password_file" in message and "hunter2" not in message


def test_without_ansible_the_extra_is_named(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "executable", str(site / "python"))
    assert "pip install 'mlu-fleet[ansible]'" in refused(site, "a\n")


def test_no_such_inventory(site: Path) -> None:
    with pytest.raises(InvalidInput, match="no such file"):
        ansible.read(site / "none.ini")


def test_a_folder_of_inventories(site: Path, wanted: ReleaseTarget) -> None:
    (site / "inv").mkdir()
    (site / "inv/one").write_text("[r]\na\n")
    (site / "inv/two.yml").write_text("r: {hosts: {b: {cards: 2}}}\n")
    entries = ansible.read(site / "inv", defaults(site))
    assert [(name, said["groups"]) for name, said in entries] == [("a", ("r",)), ("b", ("r",))]


def test_the_example_gives_pyinfra_the_hosts_and_groups(site: Path, wanted: ReleaseTarget) -> None:
    example = (INVENTORIES / "ansible.example.py").read_text()
    (site / "hosts").write_text("[r1]\nmlu[01:02]\n[r2]\nn\n[hall:children]\nr1\nr2\n")
    for word, own in {"/etc/ansible/": f"{site}/", "baichuan-7b": f"{site}/small.yml"}.items():
        assert word in example
        example = example.replace(word, own)
    (site / "own.py").write_text(example.replace("artifacts", f"{site}/store"))
    hosts = loaded(site / "own.py")
    assert limited(hosts, "r1") == {"mlu01", "mlu02"} and limited(hosts, "n") == {"n"}
    assert limited(hosts, "hall") == limited(hosts, "fleet") == {"mlu01", "mlu02", "n"}


VARIABLES = {"ansible_host": "h", "ansible_port": 22, "cards": "2", "evict": "true", "note": [1]}


@given(variables=altered(VARIABLES))
def test_any_variables_are_a_host_or_an_error(template: Path, variables: dict[str, Any]) -> None:
    listed = {
        "_meta": {"hostvars": {"a": json.loads(json.dumps(variables, default=str, skipkeys=True))}}
    }
    with patch("fleet.inventory.ansible_command.list_inventory", return_value=listed):
        for name, said in judged(lambda: ansible.read(template), template, lines=False) or []:
            assert name == "a" and isinstance(said.get("cards", 1), int)
            assert "ansible_port" not in said and said.get("evict") in (None, True, False)


@settings(max_examples=10)
@given(content=mutated("[r1]\na[1:2] cards=2 evict=true\n[r2:children]\nr1\n[r2:vars]\nx=y\n"))
def test_any_file_is_hosts_or_an_error(template: Path, content: bytes) -> None:
    path = template / "hosts.ini"
    path.write_bytes(content)
    judged(lambda: ansible.read(path), path, lines=False)


LISTED = {
    "all": {"children": ["ungrouped", "leaf", "top"]},
    "ungrouped": {"hosts": ["u"]},
    "top": {"children": ["middle"]},
    "middle": {"children": ["leaf"], "hosts": ["m"]},
    "leaf": {"hosts": ["l"]},
}


def test_a_wider_group_stands_ahead_of_its_children() -> None:
    found = ansible.list_group_members(LISTED)
    assert list(found.items()) == [("top", {"m", "l"}), ("middle", {"m", "l"}), ("leaf", {"l"})]
