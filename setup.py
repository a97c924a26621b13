"""What installing does beside pyproject.toml.

- It compiles the catalogs of messages (fleet/locale) into what gettext reads.
- It adds to a wheel what a clone has beside its packages: `fleet/packaged/`, where
  `fleet/paths.py` finds it.
"""

import runpy
import shutil
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
PACKAGED = runpy.run_path(str(ROOT / "fleet/paths.py"))["PROJECT_FILES"]


def compile_catalogs() -> None:
    """Write a .mo file beside each .po file."""
    for source in ROOT.glob("fleet/locale/*/LC_MESSAGES/*.po"):
        with source.open("rb") as text, source.with_suffix(".mo").open("wb") as compiled:
            write_mo(compiled, read_po(text))


class BuildWithFiles(build_py):
    """Builds the packages, then copies what they need at run time."""

    def run(self) -> None:
        """Build into an empty folder: an earlier build may contain modules that are gone."""
        compile_catalogs()
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        if self.editable_mode:
            return
        for pattern in PACKAGED:
            for path in sorted(ROOT.glob(pattern)):
                # a lock file is a site's own: it belongs to files that only the site has
                if path.is_file() and ".lock.json" not in path.name:
                    target = Path(self.build_lib, "fleet/packaged", path.relative_to(ROOT))
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, target)


setup(cmdclass={"build_py": BuildWithFiles})
