"""A real watch with its pages, whose looks are made up: python -m tests.monitoring.looking FOLDER

FOLDER has the looks (`world`, see tests/unit/mlufleet/watch/fake_looks.py) and the token. The port
is in `port` as soon as it is answered there.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mlufleet.cli.watch import open_pages, read_token
from mlufleet.watch.service import Watch, WatchSettings
from mlufleet.watch.store import Store
from tests.unit.mlufleet.watch import fake_looks

#: seconds between two looks at a host
EVERY_S = 0.5


def main(folder: Path) -> int:
    """Watch until a signal ends it."""
    command = [sys.executable, "-m", fake_looks.__name__, str(folder / "world")]
    store = Store(folder / "state")
    watch = Watch(WatchSettings("hosts.py", EVERY_S, 90, command), store)
    server = open_pages(watch, "127.0.0.1", 0, read_token(folder / "token"))
    assert server
    try:
        (folder / "port.new").write_text(str(server.port))
        (folder / "port.new").rename(folder / "port")
        return watch.run()
    finally:
        server.close()
        store.close()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
