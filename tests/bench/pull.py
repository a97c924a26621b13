"""What an image costs a host after its last byte: docker's load of an archive, and its pull.

python -m tests.bench.pull [MIB [TIMES]] > figures.json

A host pulls the lab's image from a real registry over a link of MIB MiB/s, and loads the same image
from an archive on its disk. Bytes are those that dockerd has written.
"""

from __future__ import annotations

import gzip
import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from tests.bench.measured import note
from tests.lab import engine, hosts, paths, traffic
from tests.lab.registry import USER, serving

HOST = "u1604"
ARCHIVE = "/root/bench-image.tar.gz"
#: of each script on the host: what dockerd has written, and an end without images
BEGIN = r"""
written() { sed -n 's/^write_bytes: //p' "/proc/$(cat /var/run/docker.pid)/io"; }
sync; before=$(written) begin=$(date +%s.%N) last=$(date +%s.%N)
"""
END = r"""
end=$(date +%s.%N); sync
echo "$begin $last $end $(($(written) - before))"
docker image ls --quiet | sort -u | xargs -r docker image rm --force > /dev/null
"""
#: MiB/s are few enough that what is no part of the image is below 200 kB in a fifth of a second
PULL = r"""
docker pull --quiet '%s' > /dev/null 2>&1 & pull=$! seen=0
while kill -0 $pull 2>/dev/null; do
  received=$(sed -n 's/^ *eth0: *\([0-9]*\).*/\1/p' /proc/net/dev)
  [ $((received - seen)) -lt 200000 ] || last=$(date +%%s.%%N)
  seen=$received; sleep 0.2
done
wait $pull || exit 1
"""


def run(script: str) -> dict[str, float]:
    """Seconds in all, seconds after the last byte came, and MiB written."""
    begin, last, end, written = hosts.run(HOST, BEGIN + script + END).split()
    return {
        "seconds": round(float(end) - float(begin), 1),
        "after the last byte": round(float(end) - float(last), 1),
        "written MiB": int(written) >> 20,
    }


def main(mib: str = "8", times: str = "3") -> None:
    (archive,) = paths.STORE.glob("pytorch-*.tar.gz")
    engine.docker("cp", str(archive), f"{hosts.PREFIX}{HOST}:{ARCHIVE}")
    runs: dict[str, list[dict[str, float]]] = {"load": [], "pull": []}
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "image.tar"
        with gzip.open(archive) as packed, plain.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked, 1 << 20)
        with serving(Path(folder)) as registry:
            reference = registry.push(plain, "lab/pull")
            known = f"/etc/docker/certs.d/{registry.host}"
            hosts.run(
                HOST, f"mkdir -p {known}; cat > {known}/ca.crt", given=registry.ca.read_text()
            )
            login = f"docker login -u {USER} --password-stdin {registry.host}"
            hosts.run(HOST, login, given=registry.password)
            for _turn in range(int(times)):
                runs["load"].append(run(f"docker load < {ARCHIVE} > /dev/null || exit 1"))
                note(f"load {runs['load'][-1]}")
                with traffic.slow(int(mib), HOST):
                    runs["pull"].append(run(PULL % reference))
                note(f"pull {runs['pull'][-1]}")
            hosts.run(HOST, f"docker logout {registry.host}; rm -r {known} {ARCHIVE}")
    medians = {
        way: {key: statistics.median(one[key] for one in found) for key in found[0]}
        for way, found in runs.items()
    }
    print(json.dumps({"MiB/s": int(mib), "medians": medians, "each": runs}, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
