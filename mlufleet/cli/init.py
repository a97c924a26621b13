"""The `init` command: a folder for one site's inventories, releases and runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from fleet import paths
from fleet.errors import InvalidInput
from fleet.language import _, find_translated_file
from mlufleet.cli.translated_command import TranslatedCommand

TEMPLATES_FOLDER = paths.FILES_FOLDER / "templates" / "site"
#: files of a site folder -> what they are copied from
SITE_FILES = {
    "README.md": TEMPLATES_FOLDER / "README.md",
    ".gitignore": TEMPLATES_FOLDER / "gitignore",
    **{
        name: paths.PROJECT_ROOT / name
        for name in (
            "config.py",
            "deploy.py",
            "inventories/fleet.py",
            "inventories/fleet.example.yml",
            "inventories/fleet.example.csv",
            "inventories/ansible.example.py",
            "inventories/group_data/all.py",
        )
    },
}


@click.command("init", cls=TranslatedCommand)
@click.argument("directory", type=click.Path(path_type=Path))
def init_site(directory: Path) -> None:
    """Create a site folder in DIRECTORY with deploy.py and an example inventory.

    Run all other commands in that folder. Existing files are kept.

    \b
    Example:
      mlufleet init my-fleet && cd my-fleet
    """
    if directory.resolve() == paths.PROJECT_ROOT:
        raise InvalidInput(
            _("{path}: a clone of mlu-fleet is a site folder already", path=directory)
        )
    try:
        (directory / "files" / "releases").mkdir(parents=True, exist_ok=True)
        for name, source in SITE_FILES.items():
            written = copy_new(find_translated_file(source), directory / name)
            path = directory / name
            click.echo(path if written else _("{path}: kept as it is", path=path))
    except OSError as error:
        raise InvalidInput(
            _(
                "{path}: cannot be written: {problem}",
                path=error.filename,
                problem=error.strerror,
            )
        ) from error
    click.echo(_("Next: cd {path}, and follow README.md", path=directory))


def copy_new(source: Path, target: Path) -> bool:
    """Copy a file unless there is something at its target, and return whether it was copied.

    Args:
        source: The file to copy.
        target: Where to write the copy; missing folders are created.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with source.open("rb") as content, target.open("xb") as file:
            shutil.copyfileobj(content, file)
    except FileExistsError:
        return False
    return True
