"""Ways to send one file to a lab host, side by side: what each costs the controller.

python -m tests.bench.transfer [HOST] > figures.json
"""

from gevent import monkey

monkey.patch_all()  # as pyinfra does

import json  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import statistics  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402

import paramiko  # noqa: E402
from pyinfra.api import Config, State, StringCommand  # noqa: E402
from pyinfra.api.connect import connect_all, disconnect_all  # noqa: E402
from pyinfra.context import ctx_state  # noqa: E402

from fleet.inventory.pyinfra_loader import load_inventory  # noqa: E402
from operations.host import connection  # noqa: E402
from operations.transfer import ssh_stream  # noqa: E402

SIZE, TIMES, DEST = 256 << 20, 5, "/run/mlufleet-bench"
CIPHERS = ("aes128-ctr", "aes128-gcm@openssh.com")


def stream(
    under: paramiko.Transport,
    file: Path,
    block: int,
    window: int | None = None,
    as_sent: Callable[[bytes], bytes | memoryview] = bytes,
) -> None:
    channel = under.open_session(window_size=window, max_packet_size=window and 1 << 15)
    channel.exec_command(f"cat > {DEST}")
    with file.open("rb") as content:
        while data := content.read(block):
            channel.sendall(as_sent(data))  # type: ignore[arg-type]
    channel.shutdown_write()
    assert channel.recv_exit_status() == 0


def put(under: paramiko.Transport, file: Path) -> None:
    """As pyinfra's files.put does, by the cipher that it takes by itself."""
    with paramiko.SFTPClient.from_transport(under) as sftp, file.open("rb") as content:
        sftp.putfo(content, DEST)


def connected(data: dict[str, str], cipher: str) -> paramiko.Transport:
    under = paramiko.Transport((data["ssh_hostname"], int(data["ssh_port"])))
    under.get_security_options().ciphers = (cipher,)
    under.start_client()
    under.auth_publickey("root", paramiko.Ed25519Key(filename=str(data["ssh_key"])))
    under.sock.setsockopt(6, 1, 1)
    return under


def spent() -> float:
    """CPU seconds of this process and of those it started."""
    return sum(
        sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )


def main(name: str) -> None:
    inventory = load_inventory("inventories/lab.py")
    state = State(inventory, Config())
    ctx_state.set(state)
    host = inventory.get_host(name)
    state.activate_host(host)
    connect_all(state)
    connection.adapt_connector(host)
    under = connection.ssh_transport(host)
    assert under is not None
    data = {key: host.data.get(key) for key in ("ssh_hostname", "ssh_port", "ssh_key")}
    hosts = host.data.get("ssh_known_hosts_file")
    ssh = [
        "ssh",
        "-i",
        str(data["ssh_key"]),
        "-o",
        f"UserKnownHostsFile={hosts}",
        "-p",
        str(data["ssh_port"]),
        f"root@{data['ssh_hostname']}",
        f"cat > {DEST}",
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file"
        file.write_bytes(os.urandom(SIZE))
        ciphers = {cipher: connected(data, cipher) for cipher in CIPHERS}
        ctr = ciphers[CIPHERS[0]]

        def openssh(*options: str) -> None:
            with file.open("rb") as content:
                subprocess.run([ssh[0], *options, *ssh[1:]], stdin=content, check=True)

        ways: dict[str, Callable[[], object]] = {
            "files.put": lambda: put(ctr, file),
            "product": lambda: ssh_stream.write_ranges(
                host, file, DEST, [(0, SIZE)], ssh_stream.TransferProgress(SIZE)
            ),
            "stream 32 KiB": lambda: stream(ctr, file, 32 << 10),
            "stream 256 KiB": lambda: stream(ctr, file, 256 << 10),
            "stream 1 MiB": lambda: stream(ctr, file, 1 << 20),
            "stream 32 KiB, window 64 MiB": lambda: stream(ctr, file, 32 << 10, 64 << 20),
            **{
                f"stream 1 MiB as a view, {cipher}": lambda to=to: stream(
                    to, file, 1 << 20, as_sent=memoryview
                )
                for cipher, to in ciphers.items()
            },
            "ssh cat": openssh,
            "ssh cat, aes128-gcm": lambda: openssh("-c", "aes128-gcm@openssh.com"),
        }
        figures: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(TIMES):
            for way, send in ways.items():
                began, before = time.monotonic(), spent()
                send()
                figures[way].append((spent() - before, time.monotonic() - began))
    connection.run_command(host, StringCommand("rm", "-f", DEST), {})
    disconnect_all(state)
    base = statistics.median(cpu for cpu, _ in figures["files.put"])
    report = {"cipher": under.remote_cipher, "MiB": SIZE >> 20, "ways": {}}
    for way, runs in figures.items():
        cpu, wall = (statistics.median(column) for column in zip(*runs, strict=True))
        report["ways"][way] = {  # type: ignore[index]
            "MiB per CPU second": round((SIZE >> 20) / cpu),
            "MiB per second": round((SIZE >> 20) / wall),
            "times files.put": round(base / cpu, 2),
        }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else "u1604")
