"""The floor: a bare paramiko client under gevent that connects and runs one command on each host.

python -m tests.bench.bare TARGETS.json
"""

from gevent import monkey

monkey.patch_all()  # as pyinfra does

import json  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import paramiko  # noqa: E402
from gevent.pool import Pool  # noqa: E402


def probe(where: tuple[str, int], command: str, keys: Any, pkey: paramiko.PKey) -> bool:
    sock = socket.create_connection(where)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client = paramiko.SSHClient()
    client._host_keys = keys  # type: ignore[attr-defined]
    client.connect(*where, "root", pkey=pkey, sock=sock, allow_agent=False, look_for_keys=False)
    stdin, stdout, _ = client.exec_command(command)
    stdin.close()
    said = stdout.read().decode(errors="replace")
    whole = stdout.channel.recv_exit_status() == 0 and "@@mlufleet-end" in said
    client.close()
    return whole


def main(file: str) -> int:
    said = json.loads(Path(file).read_text())
    keys = paramiko.HostKeys(said["known_hosts"])
    pkey = paramiko.Ed25519Key(filename=said["key"])
    pool = Pool(said["parallel"])
    whole = [
        *pool.imap_unordered(
            lambda one: probe(tuple(one), said["command"], keys, pkey), said["targets"]
        )
    ]
    print(f"{sum(whole)} of {len(whole)} hosts")
    return 0 if all(whole) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
