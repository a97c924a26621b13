"""`mlufleet bundle` and `unbundle`."""

from __future__ import annotations

import platform
import shlex
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet import paths
from fleet.errors import InvalidInput
from fleet.language import _
from mlufleet.cli.options import RELEASES_ARGUMENT, STORE_OPTION
from mlufleet.cli.translated_command import TranslatedCommand

if TYPE_CHECKING:
    from fleet.store.required_files import RequiredFiles
    from mlufleet.bundle.unpack import Bundle

EXISTING_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command(cls=TranslatedCommand)
@RELEASES_ARGUMENT
@STORE_OPTION
@click.option(
    "--inventory",
    "inventories",
    multiple=True,
    type=EXISTING_FILE,
    help="Also pack this inventory file.",
)
@click.option(
    "--sign",
    "key",
    type=EXISTING_FILE,
    metavar="KEY",
    help="SSH key to sign with. A public key selects a key in the SSH agent.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The bundle to write.",
)
def bundle(
    releases: tuple[str, ...],
    store: Path,
    inventories: tuple[Path, ...],
    key: Path | None,
    output: Path,
) -> None:
    """Pack RELEASES with their files and this tool into one file.

    The bundle has the releases, their locks and files, this tool and its Python environment, which
    fits this Python version and platform. The site's group_data and quarantine.yml go along.
    Password files and SSH keys are left out, and so is a group_data file that has a password as
    text. Files beside the inventories that are left out are named.
    docs/air-gap.md describes how to use a bundle on another site.

    \b
    Example:
      mlufleet bundle baichuan-7b --sign ~/.ssh/id_ed25519 -o site.tar
    """
    from fleet.store import required_files
    from fleet.store.progress_bar import ProgressBar
    from mlufleet.bundle import contents, environment, pack, site_files

    required = required_files.for_releases(releases)
    for line in _list_warnings(required, inventories):
        click.secho(line, fg="yellow", err=True)
    with tempfile.TemporaryDirectory() as scratch:
        wheels = Path(scratch)
        environment.build_wheels(paths.PROJECT_ROOT / "requirements.lock", wheels)
        found = contents.gather_contents(required, store, inventories, wheels)
        for line in site_files.list_left_out(found.content, inventories):
            click.secho(line, fg="yellow", err=True)
        total = sum(entry.size for entry in found.entries.values())
        with ProgressBar(_("packing {path}", path=output), total) as progress:
            pack.write_bundle(found, output, key, progress.advance)
    click.echo(_describe_bundle(output, len(found.entries), total, is_signed=key is not None))


def _list_warnings(required: RequiredFiles, inventories: tuple[Path, ...]) -> Iterator[str]:
    """Yield what the other site would lack, or should not have, before anything is packed."""
    from mlufleet.bundle import contents, portability, site_files

    for line in contents.list_network_needs(required):
        yield _("not in the bundle, hosts will download it: {file}", file=line)
    names = [release.name for release in required.releases.values()]
    for path in inventories:
        yield from (f"{path}: {line}" for line in portability.find_problems(path, names))
    yield from site_files.find_problems(inventories)


def _describe_bundle(path: Path, count: int, size: int, *, is_signed: bool) -> str:
    return _(
        "{path}: {count} files, {size} bytes, {signed}, for Python {python} on {machine}",
        path=path,
        count=count,
        size=size,
        signed=_("signed") if is_signed else _("NOT signed"),
        python=".".join(platform.python_version_tuple()[:2]),
        machine=platform.machine(),
    )


@click.command(cls=TranslatedCommand)
@click.argument("file", type=EXISTING_FILE)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--signers", type=EXISTING_FILE, help="File of allowed signers, see ssh-keygen(1).")
@click.option("--unsigned", is_flag=True, help="Skip signature verification.")
def unbundle(file: Path, folder: Path, signers: Path | None, unsigned: bool) -> None:
    """Verify the bundle FILE and unpack it into FOLDER.

    Files get their final name only after verification. An interrupted unpack can be resumed. An
    existing file that differs is never replaced.

    \b
    Example:
      mlufleet unbundle site.tar /srv/site --signers allowed_signers
    """
    from fleet.store.progress_bar import ProgressBar
    from mlufleet.bundle.unpack import unpack_bundle

    if bool(signers) == unsigned:
        raise InvalidInput(_("set exactly one of --signers FILE and --unsigned"))
    if unsigned:
        click.secho(
            _("warning: the signature of this bundle is not verified"), fg="yellow", err=True
        )
    names: list[str] = []
    with ExitStack() as stack:

        def on_open(found: Bundle) -> Callable[[int], object]:
            names.extend(found.entries)
            total = sum(entry.size for entry in found.entries.values())
            progress = stack.enter_context(ProgressBar(_("unpacking {path}", path=file), total))
            if found.signer:
                progress.print_line(_("signed by {signer}", signer=found.signer))
            return progress.advance

        unpack_bundle(file, folder, signers, on_open)
    click.echo(
        _(
            "{folder}: all files are verified. Set up the environment, check the inventory, and "
            "begin with one host (its name for HOST):",
            folder=folder,
        )
    )
    click.echo("\n".join(setup_commands(folder, names)))


def setup_commands(folder: Path, names: list[str]) -> list[str]:
    """Return the commands that set up an unpacked bundle, check its inventories, and deploy.

    Args:
        folder: Where the bundle was unpacked.
        names: Paths in the bundle.
    """
    from mlufleet.bundle.contents import ENVIRONMENT_FOLDER
    from mlufleet.bundle.site_files import list_inventories

    pip = ".venv/bin/pip --disable-pip-version-check install --no-index"
    lines = [
        f"cd {shlex.quote(str(folder))} && python3 -m venv .venv && "
        f"{pip} {ENVIRONMENT_FOLDER}/*.whl && {pip} --no-deps --no-build-isolation -e ."
    ]
    for name in list_inventories(names):
        for words in (("inventory", "check", name), ("deploy", name, "--limit", "HOST")):
            lines.append(shlex.join((".venv/bin/mlufleet", *words)))
    return lines
