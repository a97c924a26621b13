"""`mlufleet bundle` and `unbundle`."""

from __future__ import annotations

import platform
import shlex
import tempfile
from collections.abc import Callable
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
    fits this Python version and platform. Password files and SSH keys are left out.
    docs/air-gap.md describes how to use a bundle on another site.

    \b
    Example:
      mlufleet bundle baichuan-7b --sign ~/.ssh/id_ed25519 -o site.tar
    """
    from fleet.store import required_files
    from fleet.store.progress_bar import ProgressBar
    from mlufleet.bundle import contents, environment, pack, portability

    required = required_files.for_releases(releases)
    for line in contents.list_network_needs(required):
        click.secho(
            _("not in the bundle, hosts will download it: {file}", file=line), fg="yellow", err=True
        )
    names = [release.name for release in required.releases.values()]
    for path in inventories:
        for line in portability.find_problems(path, names):
            click.secho(f"{path}: {line}", fg="yellow", err=True)
    with tempfile.TemporaryDirectory() as scratch:
        wheels = Path(scratch)
        environment.build_wheels(paths.PROJECT_ROOT / "requirements.lock", wheels)
        found = contents.gather_contents(required, store, inventories, wheels)
        total = sum(entry.size for entry in found.entries.values())
        with ProgressBar(_("packing {path}", path=output), total) as progress:
            pack.write_bundle(found, output, key, progress.advance)
    click.echo(_describe_bundle(output, len(found.entries), total, is_signed=key is not None))


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
    with ExitStack() as stack:

        def on_open(found: Bundle) -> Callable[[int], object]:
            total = sum(entry.size for entry in found.entries.values())
            progress = stack.enter_context(ProgressBar(_("unpacking {path}", path=file), total))
            if found.signer:
                progress.print_line(_("signed by {signer}", signer=found.signer))
            return progress.advance

        unpack_bundle(file, folder, signers, on_open)
    click.echo(
        _("{folder}: all files are verified. Set up the environment, then deploy:", folder=folder)
    )
    click.echo("\n".join(setup_commands(folder)))


def setup_commands(folder: Path) -> tuple[str, str]:
    """Return the commands that set up an unpacked bundle, and that deploy from it.

    Args:
        folder: Where the bundle was unpacked.
    """
    from mlufleet.bundle.contents import ENVIRONMENT_FOLDER

    pip = ".venv/bin/pip --disable-pip-version-check install --no-index"
    return (
        f"cd {shlex.quote(str(folder))} && python3 -m venv .venv && "
        f"{pip} {ENVIRONMENT_FOLDER}/*.whl && {pip} --no-deps --no-build-isolation -e .",
        ".venv/bin/mlufleet deploy inventories/fleet.py",
    )
