"""40, 41: hosts without a name server, and logins that are slow, noisy or not of a POSIX shell."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab import hosts as lab
from tests.lab import paths
from tests.runs import LAB, Done, ends_right, mlufleet

HOST = "u1604"
ASK = ("--data", "smoke=always")
#: a name server that swallows what is sent to it
NOWHERE = """cp /etc/resolv.conf /root/resolv.conf
ip address add 192.0.2.1/32 dev lo && iptables -I INPUT -d 192.0.2.1 -j DROP
echo nameserver 192.0.2.1 > /etc/resolv.conf"""
SOMEWHERE = """iptables -D INPUT -d 192.0.2.1 -j DROP; ip address del 192.0.2.1/32 dev lo
cat /root/resolv.conf > /etc/resolv.conf; rm /root/resolv.conf"""
USE_DNS = "/etc/ssh/sshd_config.d/dns.conf"
#: a megabyte for whoever logs in without a terminal
NOISE = "status is-interactive; or cat /root/banner"


@contextmanager
def nameless(host: str) -> Iterator[None]:
    lab.run(host, NOWHERE)
    try:
        yield
    finally:
        lab.run(host, SOMEWHERE)


@contextmanager
def fish(host: str) -> Iterator[None]:
    """A login shell that is not POSIX's, and prints a megabyte."""
    before = lab.run(host, "getent passwd root | cut -d: -f7")
    lab.run(
        host,
        "yes 'Authorized users only. $(reboot) \\' | head -c 1000000 > /root/banner; "
        "mkdir -p /root/.config/fish; cat > /root/.config/fish/config.fish; "
        "usermod -s /usr/bin/fish root",
        given=f"{NOISE}\n",
    )
    try:
        yield
    finally:
        lab.run(host, f"usermod -s {before} root; rm -r /root/banner /root/.config/fish")


def login(command: str) -> bytes:
    """What a command of the login user prints."""
    entry = lab.found()[HOST]
    words = [
        "ssh",
        "-i",
        str(paths.SSH_KEY),
        "-o",
        f"UserKnownHostsFile={paths.KNOWN_HOSTS}",
        "-p",
        str(entry.port),
        "root@127.0.0.1",
        command,
    ]
    return subprocess.run(words, capture_output=True, check=True).stdout


def asked() -> Done:
    """A run in which the model answers, and after which there is nothing to do."""
    done = mlufleet("deploy", LAB, "--limit", HOST, *ASK)
    assert done.status == 0 and done.changed(HOST) == ["smoke"]
    assert "王之涣" in done.host(HOST)["answer"]
    assert mlufleet("doctor", LAB, "--limit", HOST).status == 0
    return done


def test_40_a_host_without_a_name_server_is_provisioned_and_asked(provisioned: Done) -> None:
    with nameless(HOST):
        assert lab.run(HOST, "timeout 3 getent hosts mirror.example; echo $?") == "124"
        asked()


def test_40_a_login_that_is_slow_for_want_of_a_name_is_told_with_its_remedy(
    provisioned: Done,
) -> None:
    lab.run(HOST, f"echo UseDNS yes > {USE_DNS} && systemctl restart ssh")
    try:
        with nameless(HOST):
            done = mlufleet("deploy", LAB, "--limit", HOST)
            looked = mlufleet("doctor", LAB, "--limit", HOST)
    finally:
        lab.run(HOST, f"rm {USE_DNS} && systemctl restart ssh")
    assert done.status == 0 and done.statuses() == {HOST: "ok"}
    (note,) = done.host(HOST)["notes"]
    assert "remedy: `UseDNS no`" in note and f"{HOST}: {note}" in done.output
    assert looked.status == 0 and "remedy: `UseDNS no`" in looked.output
    assert ends_right(HOST).host(HOST)["notes"] == []


def test_41_a_login_shell_that_is_fish_and_prints_a_megabyte_changes_nothing(
    provisioned: Done,
) -> None:
    with fish(HOST):
        assert len(login("true")) == 1_000_000
        done = asked()
    assert "Authorized users only" not in done.output
    assert mlufleet("doctor", LAB, "--limit", HOST).status == 0
