"""What was broken by hand is redone, and only that."""

from __future__ import annotations

from tests.lab import hosts as lab
from tests.runs import CONTAINER, HOSTS, WORK, Done, pyinfra, wait_for_rest


def test_a_dry_run_writes_nothing_even_on_a_broken_host(provisioned: Done) -> None:
    lab.run("u1604", f"docker rm -f {CONTAINER}")
    before = wait_for_rest("u1604")
    dry = pyinfra("--dry", "--limit", "u1604")
    assert dry.status == 0 and f"create container {CONTAINER}" in dry.output
    assert lab.listing("u1604") == before


def test_a_removed_container_an_edited_tree_and_a_removed_node(provisioned: Done) -> None:
    lab.run("u1604", f"docker rm -f {CONTAINER}")
    edited = f"{WORK}/baichuan-7B_mlu/train.py"
    lab.run("u1804", f"echo '# mine' >> {edited}")
    lab.run("c7", "rm /dev/cambricon_dev1")
    audit = "wc -l < /var/lib/mlufleet/audit.log"
    before = int(lab.run("u1604", audit))
    done = pyinfra("-y", language="zh_CN")
    assert done.status == 0
    assert done.report["language"] == "zh_CN" and f"创建容器 {CONTAINER}" in done.output
    # the host's audit log is English, whatever the operator reads
    audited = lab.run("u1604", f"tail -n +{before + 1} /var/lib/mlufleet/audit.log")
    assert "creating the container" in audited and audited.isascii()
    assert done.changed("u1604") == ["container", "packages", "smoke"]
    assert done.changed("u1804") == ["migration", "smoke"]
    assert done.changed("c7")[0] == "driver" and "image" not in done.changed("c7")
    # nothing is lost: the edited tree is where the run says
    (kept,) = done.host("u1804")["kept"]
    assert "# mine" in lab.run("u1804", f"cat {kept.split()[-1]}/train.py")
    assert lab.run("c7", "ls /dev/cambricon_dev*").split() == [
        "/dev/cambricon_dev0",
        "/dev/cambricon_dev1",
    ]


def test_a_moved_checkout_and_an_uninstalled_driver(provisioned: Done) -> None:
    # a deleted image is loaded again at the end of tests/faults/test_17_18_disks.py
    checkout = f"cd {WORK}/baichuan-7B && git -c safe.directory='*'"
    lab.run("u1604", f"{checkout} -c user.name=a -c user.email=a@b commit --allow-empty -qm moved")
    lab.run("u1804", "apt-get purge -y cambricon-mlu-driver-ubuntu18.04-dkms")
    done = pyinfra("-y")
    assert done.status == 0
    assert done.changed("u1604") == ["sources"]
    (kept,) = done.host("u1604")["kept"]
    assert lab.run("u1604", f"{checkout} log -1 --format=%s {kept.split()[-1]}") == "moved"
    assert "driver" in done.changed("u1804") and "image" not in done.changed("u1804")
    assert done.statuses()["c7"] == "ok"
    assert pyinfra("-y").statuses() == dict.fromkeys(HOSTS, "ok")


def test_32_a_dirty_checkout_is_refused_and_the_others_finish(provisioned: Done) -> None:
    file = f"{WORK}/transformers/setup.py"
    lab.run("u1604", f"echo '# mine' >> {file}")
    refused = pyinfra("-y")
    assert refused.status == 1
    assert refused.statuses() == {"u1604": "failed", "u1804": "ok", "c7": "ok"}
    failure = refused.host("u1604")["failure"]
    assert failure["code"] == "SOURCE_DIRTY" and "keep_dirty" in failure["remedy"]
    assert "M setup.py" in failure["sentence"] and "+# mine" in failure["tail"]
    assert lab.run("u1604", f"tail -n 1 {file}") == "# mine"
    kept = pyinfra("-y", "--limit", "u1604", "--data", "keep_dirty=true")
    assert kept.status == 0
    (where,) = kept.host("u1604")["kept"]
    assert "+# mine" in lab.run("u1604", f"cat {where.split()[-1]}").splitlines()
    # the checkout itself is where it was, with what the release has put beside and inside
    assert kept.changed("u1604") == ["sources"]
