"""A real watch with its pages: python -m tests.monitoring.looking FOLDER EVERY_S COMMAND...

The command starts its look process. FOLDER has the token and gets the history; the port is in
`port` as soon as it is answered there.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from fleet.secret_files import read_key
from mlufleet.cli.watch import open_pages
from mlufleet.watch.service import Watch, WatchSettings
from mlufleet.watch.store import Store


def main(folder: Path, every_s: float, command: Sequence[str]) -> int:
    """Watch until a signal ends it."""
    store = Store(folder / "state")
    watch = Watch(WatchSettings("hosts.py", every_s, 90, command), store)
    server = open_pages(watch, "127.0.0.1", 0, read_key(folder / "token", "token"))
    assert server
    try:
        (folder / "port.new").write_text(str(server.port))
        (folder / "port.new").rename(folder / "port")
        return watch.run()
    finally:
        server.close()
        store.close()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
