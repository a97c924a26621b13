"""Everything is made once: again only when what it is made from has changed."""

from collections.abc import Callable, Iterable
from pathlib import Path

from tests.lab import paths
from tests.lab.steps import lock, step


def once(name: str, key: str, results: Iterable[Path], make: Callable[[], None]) -> None:
    """Make something unless it is there and was made under the same key.

    Args:
        name: of what is made, as in "vendor image"; it also names the file that keeps the key.
        key: digest of all that the results depend on.
        results: files or directories that must exist afterwards.
        make: makes them; on failure the old key is gone, so that the next call tries again.
    """
    stamp = paths.BUILD / f"{name.replace(' ', '-')}.key"
    with lock(name.replace(" ", "-")):
        made = stamp.read_text() if stamp.exists() else None
        if made == key and all(result.exists() for result in results):
            return
        stamp.unlink(missing_ok=True)
        with step(f"make the {name}"):
            make()
        stamp.write_text(key)
