"""What installing does beside pyproject.toml.

- It compiles the catalogs of messages (fleet/locale): one of all for `fleet/compiled_catalog.py`,
  and one of what click says for gettext, which reads the whole of a catalog when it opens it. A
  bundle has them compiled: the site it is for has no Babel.
- It adds to a wheel what a clone has beside its packages: `fleet/packaged/`, where
  `fleet/paths.py` finds it.
"""

import runpy
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
#: where the catalogs say that a message is from if it is click's; tools/messages.py writes it
CLICK = "click"
PACKAGED = runpy.run_path(str(ROOT / "fleet/paths.py"))["PROJECT_FILES"]


def compile_catalogs() -> None:
    """Write two .mo files beside each .po file: of all messages, and of those of click."""
    sources = list(ROOT.glob("fleet/locale/*/LC_MESSAGES/*.po"))
    if not sources:
        return
    from babel.messages.catalog import Catalog
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    for source in sources:
        with source.open("rb") as text:
            catalog = read_po(text, locale=source.parents[1].name)
        words = Catalog(locale=catalog.locale)
        for message in catalog:
            if CLICK in (place for place, _line in message.locations):
                words[message.id] = message
        for suffix, content in ((".mo", catalog), (f"-{CLICK}.mo", words)):
            with source.with_name(source.stem + suffix).open("wb") as compiled:
                write_mo(compiled, content)


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


if __name__ == "__main__":
    setup(cmdclass={"build_py": BuildWithFiles})
