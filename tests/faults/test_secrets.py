"""The sudo password and the key are nowhere that anybody else could read."""

from __future__ import annotations

from tests.lab import hosts as lab
from tests.runs import HOSTS, LAB, SITE, Done, begin, mlufleet
from tests.waiting import PATIENCE_S

# everything that a process list shows, of all processes, as root sees it: arguments, environment
WATCH = (
    "while [ -e /tmp/watch ]; do for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; "
    "case $(cat $p/cmdline | tr '\\0' ' ') in *watch*) ;; *) tr '\\0' ' ' < $p/environ ;; esac; "
    "echo; done 2>/dev/null; done > /tmp/seen"
)
LEFT = (
    "grep -rlF --exclude-dir=docker {needle} /var/lib /var/log /tmp /dev/shm /home /root /etc/mlu* "
    "2>/dev/null"
)


def secrets() -> dict[str, str]:
    key = (SITE / ".lab/ssh/id_ed25519").read_text().splitlines()[1]
    return {"password": (SITE / ".lab/ssh/c7.password").read_text().strip(), "key": key}


def test_no_secret_is_in_a_process_list_or_left_anywhere(provisioned: Done) -> None:
    lab.run("c7", "touch /tmp/watch")
    lab.run("c7", "cat > /tmp/watch.sh", given=WATCH)
    lab.run("c7", "setsid sh /tmp/watch.sh >/dev/null 2>&1 </dev/null &")
    run = begin("--limit", "c7", "--data", "smoke=always", "-vvv", "--debug")
    output = run.communicate(timeout=PATIENCE_S)[0]
    assert run.returncode == 0, output[-3000:]
    lab.run("c7", "rm /tmp/watch; sleep 2")
    seen = lab.run("c7", "cat /tmp/seen; rm -f /tmp/seen /tmp/watch.sh")
    assert "mlufleet-smoke-model" in seen and "SUDO_ASKPASS" in seen, "the watch saw the run"
    for name, secret in secrets().items():
        assert secret not in seen, f"{name} in the host's process list"
        assert secret not in output, f"{name} in the output"
        for path in [*(SITE / "runs").rglob("*"), SITE / "pyinfra-debug.log"]:
            assert not path.is_file() or secret not in path.read_text(errors="replace"), path
        for host in HOSTS:
            left = lab.run(host, LEFT.format(needle=f"'{secret}'"), check=False)
            assert left == "", f"{name} left on {host}: {left}"


def test_27_a_wrong_sudo_password_fails_that_host_alone_and_is_not_shown(
    provisioned: Done,
) -> None:
    file = SITE / ".lab/ssh/c7.password"
    right = file.read_text()
    file.write_text("w0nderful-mistake\n")
    try:
        done = mlufleet("deploy", LAB, "-vvv")
    finally:
        file.write_text(right)
    assert done.status == 2
    assert done.statuses() == {"u1604": "ok", "u1804": "ok", "c7": "failed"}
    assert done.host("c7")["failure"]["code"] == "SUDO"
    assert "w0nderful-mistake" not in done.output
    assert lab.run("c7", "ls /dev/shm; ls /tmp | grep askpass", check=False) == ""
    assert mlufleet("doctor", LAB, "--limit", "c7").status == 0
