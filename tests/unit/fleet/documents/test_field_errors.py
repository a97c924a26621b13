"""Every wrong field is told with its file, its line, and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.errors import InvalidInput
from fleet.release import files
from fleet.release.target import ReleaseTarget
from tests.unit.fleet.inventory.test_host_file import refused
from tests.unit.fleet.release.test_files import broken


def test_an_unknown_field_lists_those_of_its_own_model_and_the_nearest(site: Path) -> None:
    message = broken(site, "bundle: model.bundle", "bundel: model.bundle")
    assert "small.yml:13: sources.0.bundel: unknown field; did you mean bundle? " in message
    assert "fields: branch, bundle, commit, name, path, tag, unpinned, url" in message


def test_the_same_in_a_mapping_of_models_and_at_the_top(site: Path) -> None:
    message = broken(site, "{file: driver.rpm, package:", "{file: driver.rpm, pakage:")
    assert "driver.packages.centos7.pakage: unknown field; did you mean package?" in message
    assert "did you mean smoke? valid fields: card_models, container, " in broken(
        site, "smoke:", "smoky:"
    )


def test_a_host_and_an_optional_model_have_fields_of_their_own(
    site: Path, wanted: ReleaseTarget
) -> None:
    assert "did you mean ssh_port? valid fields: busy_timeout, cards, " in refused(
        site, "  a: {ssh_prot: 1}\n"
    )
    assert "did you mean path?" in broken(site, "path: tiny}", "paht: tiny}")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version: 5.10.10", "version: 5.10", "3: driver.version: YAML reads 5.10 as a number"),
        ("tag: v1}", "tag: 2023-01-01}", "13: sources.0.tag: YAML reads 2023-01-01 as a date"),
        ("tag: v1}", "commit: 1234567}", 'quote it: "1234567"'),
        ("  name: torch", "  name: no", "9: container.name: YAML reads no as true or false"),
        (
            "  name: torch",
            "  name: torch\n  privileged: 1",
            "privileged: expected true or false, got 1",
        ),
        ("path: /home/share/model,", 'path: "/it\'s",', "expected an absolute path "),
        ("file: driver.deb", "file: ../driver.deb", "packages.ubuntu18.04.file: '../driver.deb'"),
        ('torch:v1"}', "torch:v1'; x\"}", "expected an image reference"),
        ("version: 5.10.10", "version: 5.10.１", "got '5.10.１'"),
        ("name: small\n", "", "small.yml:1: name: "),
        (
            "packages:\n  wheelhouse: wheels\n  pip:\n    - {install: [numpy]}\n",
            "packages:\n",
            "packages: expected a mapping ({} if it is empty), got no value",
        ),
    ],
)
def test_a_wrong_value_is_told_with_what_is_right(
    site: Path, old: str, new: str, said: str
) -> None:
    assert said in broken(site, old, new)


def test_what_an_extended_file_brought_is_told_with_that_file(site: Path) -> None:
    small = site / "small.yml"
    small.write_text(small.read_text().replace("path: /home/share/model,", "path: model,"))
    (site / "other.yml").write_text(
        "extends: small\nname: other\nsources:\n  - {name: second, path: /b, bundle: b, tag: 1.5}\n"
    )
    with pytest.raises(InvalidInput) as error:
        files.load_release(site / "other.yml")
    lines = str(error.value).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"{small}:13: sources.0.path: ")
    assert lines[1].startswith(f"{site}/other.yml:4: sources.1.tag: YAML reads 1.5 as a number")


@pytest.mark.parametrize("parent", ["../site/other", "other.yml", "other"])
def test_a_release_that_extends_itself_by_any_name_is_refused(site: Path, parent: str) -> None:
    (site / "other.yml").write_text(f"name: other\nextends: {parent}\n")
    with pytest.raises(InvalidInput, match=r"other\.yml:2: extends: circular: "):
        files.load_release(site / "other.yml")


def test_a_release_that_extends_what_is_not_there_is_named(site: Path) -> None:
    (site / "other.yml").write_text("name: other\nextends: smal\n")
    with pytest.raises(InvalidInput, match=r"other\.yml:2: extends: release 'smal': no file"):
        files.load_release(site / "other.yml")


def test_a_source_given_twice_is_never_lost_in_a_merge(site: Path) -> None:
    (site / "other.yml").write_text(
        "extends: small\nname: other\nsources:\n"
        "  - {name: model, path: /a, bundle: b, tag: v1}\n"
        "  - {name: model, path: /b, bundle: b, tag: v1}\n"
    )
    with pytest.raises(InvalidInput, match=r"other\.yml:1: .* model, model$"):
        files.load_release(site / "other.yml")


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("{ssh_port: 0}", "5: hosts.a.ssh_port: expected 1 or more, got 0"),
        ("{ssh_port: 70000}", "5: hosts.a.ssh_port: expected 65535 or less, got 70000"),
        ("{ssh_port: 22.5}", "5: hosts.a.ssh_port: expected an integer, got 22.5"),
        ('{ssh_port: "22"}', "5: hosts.a.ssh_port: expected an integer, got '22'"),
        ("{ssh_user: [a]}", "5: hosts.a.ssh_user: expected a string, got ['a']"),
        ("{groups: rack1}", "5: hosts.a.groups: expected a list ([a, b]), got 'rack1'"),
        ("{data: 5}", "5: hosts.a.data: expected a mapping ({} if it is empty), got 5"),
        ("{smoke: no}", "5: hosts.a.smoke: expected 'auto', 'always' or 'record', got false"),
        ("{cards: yes}", "5: hosts.a.cards: expected an integer, got true"),
        ("{release: " + "x" * 300 + "}", "5: release of a:"),
        ("{release: none}", "5: release of a:\nrelease 'none': no file"),
        ("{ssh_key: ~nobody-here/key}", "5: a: ssh_key: no such file: ~nobody-here/key"),
        ("{ssh_key: " + "x" * 300 + "}", "5: a: ssh_key: no such file: x"),
        ("{store: nowhere}", "the store nowhere does not exist"),
        ("{data: {ssh_port: x}}", "5: hosts.a.data: ssh_port is a field of the host"),
        ("", "5: hosts.a: expected a mapping ({} if it is empty), got no value"),
    ],
)
def test_a_wrong_host_is_told_with_its_line(
    site: Path, wanted: ReleaseTarget, host: str, said: str
) -> None:
    message = refused(site, f"  a: {host}\n")
    assert message.startswith(f"{site}/fleet.yml:") and said in message


@pytest.mark.parametrize(
    ("name", "why"),
    [('""', "is not a host name"), ('"a b"', "has a blank"), ('"a[b c]"', "[b c]: ")],
)
def test_a_host_name_that_a_log_cannot_hold_is_refused(
    site: Path, wanted: ReleaseTarget, name: str, why: str
) -> None:
    message = refused(site, f"  {name}: {{}}\n")
    assert message.startswith(f"{site}/fleet.yml:5: ") and why in message
