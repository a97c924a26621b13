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

from fleet.errors import InvalidInput
from mlufleet.cli.store import RELEASES_ARGUMENT, STORE_OPTION

if TYPE_CHECKING:
    from mlufleet.bundle.unpack import Bundle

EXISTING_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command()
@RELEASES_ARGUMENT
@STORE_OPTION
@click.option(
    "--inventory", "inventories", multiple=True, type=EXISTING_FILE, help="A file to take along."
)
@click.option(
    "--sign",
    "key",
    type=EXISTING_FILE,
    metavar="KEY",
    help="SSH key that signs; a public one is of a key in the agent.",
)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False))
def bundle(
    releases: tuple[str, ...],
    store: Path,
    inventories: tuple[Path, ...],
    key: Path | None,
    output: Path,
) -> None:
    """Pack RELEASES, their locks and files, and this tool with its environment into one file.

    The environment is for this Python and platform. Password files and SSH keys are not taken
    along. docs/air-gap.md says how the other site begins.

    \b
    Example:  mlufleet bundle baichuan-7b --sign ~/.ssh/id_ed25519 -o site.tar
    """
    from fleet.store import required_files
    from fleet.store.progress_bar import ProgressBar
    from mlufleet.bundle import contents, environment, pack, portability

    wanted = required_files.for_releases(releases)
    for line in contents.list_network_needs(wanted):
        click.secho(f"not in the bundle, hosts will fetch it: {line}", fg="yellow", err=True)
    names = [release.name for release in wanted.releases.values()]
    for path in inventories:
        for line in portability.find_problems(path, names):
            click.secho(f"{path}: {line}", fg="yellow", err=True)
    with tempfile.TemporaryDirectory() as scratch:
        wheels = Path(scratch)
        environment.build_wheels(contents.PROJECT_ROOT / "requirements.lock", wheels)
        found = contents.gather_contents(wanted, store, inventories, wheels)
        total = sum(entry.size for entry in found.entries.values())
        with ProgressBar(f"packing {output}", total) as told:
            pack.write_bundle(found, output, key, told.advance)
    python = ".".join(platform.python_version_tuple()[:2])
    signed = "signed" if key else "NOT signed"
    click.echo(
        f"{output}: {len(found.entries)} files, {total} bytes, {signed}, for Python "
        f"{python} on {platform.machine()}"
    )


@click.command()
@click.argument("file", type=EXISTING_FILE)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--signers", type=EXISTING_FILE, help="Allowed signers, as ssh-keygen(1) has them.")
@click.option("--unsigned", is_flag=True, help="Do not ask who made it.")
def unbundle(file: Path, folder: Path, signers: Path | None, unsigned: bool) -> None:
    """Unpack the bundle FILE into FOLDER: what its signer made, or nothing.

    Nothing has its name before it is proved. One that was interrupted is gone on with; a file
    that is there and differs is never replaced.

    \b
    Example:  mlufleet unbundle site.tar /srv/site --signers allowed_signers
    """
    from fleet.store.progress_bar import ProgressBar
    from mlufleet.bundle.unpack import unpack_bundle as unpack

    if bool(signers) == unsigned:
        raise InvalidInput("say who may have made it (`--signers FILE`), or `--unsigned`")
    if unsigned:
        click.secho("warning: nobody vouches for this bundle", fg="yellow", err=True)
    with ExitStack() as stack:

        def begin(found: Bundle) -> Callable[[int], object]:
            total = sum(entry.size for entry in found.entries.values())
            told = stack.enter_context(ProgressBar(f"unpacking {file}", total))
            if found.signer:
                told.print_line(f"signed by {found.signer}")
            return told.advance

        unpack(file, folder, signers, begin)
    click.echo(f"{folder}: all of it is as it was packed. Bring it up, then run it:")
    click.echo("\n".join(setup_commands(folder)))


def setup_commands(folder: Path) -> tuple[str, str]:
    """What brings an unpacked bundle up, and what runs it."""
    from mlufleet.bundle.contents import ENVIRONMENT_FOLDER

    pip = ".venv/bin/pip --disable-pip-version-check install --no-index"
    return (
        f"cd {shlex.quote(str(folder))} && python3 -m venv .venv && "
        f"{pip} {ENVIRONMENT_FOLDER}/*.whl && {pip} --no-deps --no-build-isolation -e .",
        ".venv/bin/mlufleet deploy inventories/fleet.py",
    )
