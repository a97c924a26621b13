"""What is made of docker's answers around an image and a container; docker is a stand-in."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fleet import error_patterns
from fleet.errors import FAILURE_TABLE, Failure, render_reference
from operations.host.facts import HostFacts
from operations.host.probe_parser import parse
from operations.host.scripts import script_text
from tests.unit.operations.stage_helpers import only

CONFIG = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32
REFERENCE = "registry.example/torch:v1"
#: knows images by lines "NAME ID" of a file, and prints what is given for all the rest
DOCKER = """\
#!/bin/sh
echo "$*" >> {0}/calls
[ "$1 $2" != "image inspect" ] || {{
  shift 2
  case $* in *RootFS*) shift 2; printf 'layers%s\\n' "$@" | tr , '\\t'; exit ;; esac
  [ "$1" != --format ] || shift 2
  lacking=0
  for name; do
    found=
    while read -r known id; do
      [ "$name" != "$known" ] && [ "$name" != "$id" ] || found=$id
    done < {0}/images
    if [ -n "$found" ]; then echo "$found"; continue; fi
    echo "Error: No such image: $name" >&2; lacking=1
    [ ! -e {0}/old ] || exit 1  # at the first that is missing
  done
  exit $lacking
}}
case "$1 $*" in
  image*ls*) cat {0}/chains 2>/dev/null ;;
  load*) cat > /dev/null; cat {0}/said; [ ! -f {0}/loads ] || cat {0}/loads >> {0}/images
    exit "$(cat {0}/status)" ;;
  info*DockerRootDir*Driver*)
    printf '%s\\t%s\\t[]\\t%s\\n' {0}/root "$(cat {0}/driver)" "$(cat {0}/store)" ;;
  info*DockerRootDir*) echo {0}/root ;;
  info*DriverStatus*) cat {0}/store ;;
  info*Driver*) cat {0}/driver ;;
  info*) echo ' Base Device Size: 10.74GB' ;;
  version*) echo 26.1.5 ;;
  inspect*) cat {0}/container ;;
esac
"""


class Docker:
    def __init__(self, root: Path) -> None:
        self.root, self.state = root, root / "state"
        self.archive = root / "image.tar.gz"
        for folder in (root / "bin", root / "root", self.state / "stamps"):
            folder.mkdir(parents=True)
        self.give("said", f"Loaded image: {REFERENCE}\n")
        for name in ("images", "calls"):
            self.give(name, "")
        self.give("status", "0")
        self.give("driver", "overlay2")
        self.give("store", '[["Backing Filesystem","extfs"]]')
        (root / "bin/docker").write_text(DOCKER.format(root))
        (root / "bin/docker").chmod(0o755)
        self.archive.write_bytes(b"archive")

    def give(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)

    def run(self, script: str, *words: str) -> tuple[int, list[str]]:
        text = script_text(script).replace("/var/lib/mlufleet", str(self.state))
        text = text.replace("/var/lib/containerd", str(self.root / "containerd"))
        env = {"PATH": f"{self.root}/bin:{os.environ['PATH']}"}
        done = subprocess.run(
            ["sh", "-c", text, script, *words],
            env=env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return done.returncode, done.stdout.splitlines()

    def load(self, need: int = 1) -> tuple[int, list[str]]:
        return self.run("load-image", str(self.archive), CONFIG, str(need), REFERENCE)

    def containerd(
        self, config: str = CONFIG, *, index: bool = False, of: str = "containerd"
    ) -> str:
        """Blobs of an image in containerd's store; returns the id that docker has for it."""
        blobs = self.root / of / "io.containerd.content.v1.content/blobs/sha256"
        blobs.mkdir(parents=True, exist_ok=True)

        def put(document: object) -> str:
            text = json.dumps(document, separators=(",", ":"))
            sha = hashlib.sha256(text.encode()).hexdigest()
            (blobs / sha).write_text(text)
            return f"sha256:{sha}"

        identity = put({"schemaVersion": 2, "config": {"digest": config, "size": 9}, "layers": []})
        if index:
            identity = put({"schemaVersion": 2, "manifests": [{"digest": identity}]})
        self.give("store", '[["driver-type","io.containerd.snapshotter.v1"]]')
        self.give("driver", "overlayfs")
        return identity

    def probe(self, image: str = CONFIG, without: str = "nothing") -> HostFacts:
        names = ("SLOT", "OURS", "MOUNTS", "SOURCES", "FILES", "INSIDE", "TREES", "WEIGHTS")
        said = "; ".join(f"{name}=" for name in names)
        asked = f"release_0() {{ {said}; IMAGE={REFERENCE}; IMAGE_ID={image}; CONTAINER=torch; }}\n"
        asked += "ROOTS=/ RELEASES=0 SLOW= KEY= PACKAGES= DRIVER= HEADERS= CONTAINERS=\n"
        asked += "CONTAINER_FACTS=facts\n"
        text = asked + script_text("probe")
        text = text.replace("/var/lib/mlufleet", str(self.state))
        text = text.replace(f"command -v {without}", "false")
        env = {"PATH": f"{self.root}/bin:{os.environ['PATH']}", "HOME": "/nowhere"}
        done = subprocess.run(["sh", "-c", text], env=env, capture_output=True, text=True)
        return parse(done.stdout.splitlines(), 0)


@pytest.fixture
def docker(tmp_path: Path) -> Docker:
    return Docker(tmp_path)


def test_an_image_is_known_by_the_id_of_its_configuration(docker: Docker) -> None:
    docker.give("loads", f"{REFERENCE} {CONFIG}\n")
    assert docker.load()[0] == 0 and not docker.archive.exists()
    assert (docker.state / "images" / CONFIG[7:]).read_text() == ""
    seen = docker.probe()
    assert (only(seen).image, only(seen).tagged) == (CONFIG, CONFIG)


@pytest.mark.parametrize(
    ("images", "tagged", "image", "calls", "calls_of_old"),
    [
        (f"{REFERENCE} {CONFIG}\n", CONFIG, CONFIG, 1, 1),
        (f"other:v1 {CONFIG}\n", "", CONFIG, 1, 3),
        (f"{REFERENCE} {OTHER}\n", OTHER, "", 1, 1),
        (f"{REFERENCE} {OTHER}\nother:v1 {CONFIG}\n", OTHER, CONFIG, 1, 1),
        ("", "", "", 1, 3),
    ],
    ids=["both", "id", "name of another", "both of different images", "none"],
)
@pytest.mark.parametrize("client", ["new", "old"])
def test_docker_is_asked_once_for_an_images_name_and_its_id(
    docker: Docker, client: str, images: str, tagged: str, image: str, calls: int, calls_of_old: int
) -> None:
    """Until 2017 (moby#30648) docker's client stopped at the first that is missing."""
    docker.give("images", images)
    if client == "old":
        docker.give("old", "")
    seen = only(docker.probe())
    assert (seen.tagged, seen.image) == (tagged, image)
    asked = (docker.root / "calls").read_text().splitlines()
    count = sum(line.startswith("image inspect --format {{.Id}}") for line in asked)
    assert count == (calls_of_old if client == "old" else calls)


@pytest.mark.parametrize("index", [False, True], ids=["manifest", "index"])
@pytest.mark.parametrize("of", ["containerd", "root/containerd/daemon"])
def test_with_containerds_store_its_manifest_says_which_image_it_is(
    docker: Docker, index: bool, of: str
) -> None:
    identity = docker.containerd(index=index, of=of)
    docker.give("loads", f"{REFERENCE} {identity}\n")
    assert only(docker.probe()).image == ""
    assert docker.load()[0] == 0 and not docker.archive.exists()
    docker.give("container", f"container\tc1\t{identity}\ttrue\t0\t-\nfacts\n")
    seen = docker.probe()
    assert (only(seen).image, only(seen).tagged) == (CONFIG, CONFIG)
    container = only(seen).container
    assert container and (container.id, container.image) == ("c1", CONFIG)
    assert container.running and container.spec_digest == ""
    # every script gives docker its own name for it
    docker.give("calls", "")
    assert docker.run("tag-image", CONFIG, REFERENCE)[0] == 0
    assert (docker.root / "calls").read_text().endswith(f"tag {identity} {REFERENCE}\n")
    # once its store is docker's own again, it is loaded again
    docker.give("images", "")
    assert only(docker.probe()).image == ""
    docker.give("images", f"{REFERENCE} {CONFIG}\n")
    assert only(docker.probe()).image == CONFIG


def test_layers_of_other_images_are_listed_where_the_image_is_missing(docker: Docker) -> None:
    first, second = (f"sha256:{digit * 64}" for digit in "12")
    # the stand-in has an image's layers in the place of its id
    docker.give("chains", f",{first}\n,{first},{second}\n,{first}\n")
    assert docker.probe().image_chains == {(first,), (first, second)}
    docker.give("images", f"{REFERENCE} {CONFIG}\n")
    docker.give("calls", "")
    assert docker.probe().image_chains == set()
    assert "image ls" not in (docker.root / "calls").read_text()
    docker.containerd()
    docker.give("images", "")
    assert docker.probe().image_chains and not docker.probe().shareable_chains


@pytest.mark.parametrize("name", ["podman", "Docker"])
def test_podman_that_calls_itself_docker_is_told_from_it(docker: Docker, name: str) -> None:
    stand_in = docker.root / "bin/docker"
    stand_in.write_text(f"#!/bin/sh\n[ \"$1\" != --version ] || echo '{name} version 4.6.1'\n")
    # a machine that runs this may well have a dockerd
    seen = docker.probe(without="dockerd")
    assert seen.docker_is_podman is (name == "podman")


def test_another_image_in_containerds_store_is_not_taken_for_it_and_the_store_is_named(
    docker: Docker,
) -> None:
    identity = docker.containerd(OTHER)
    docker.give("images", f"{REFERENCE} {identity}\n")
    status, said = docker.load()
    assert status == 1 and docker.archive.exists()
    assert "containerd-snapshotter" in said[-1] and identity in said[-1] and CONFIG in said[-1]
    assert not list((docker.state / "images").iterdir())
    status, said = docker.run("keep-image", REFERENCE, CONFIG)
    assert status == 0 and said[0].startswith(f"kept what was at {REFERENCE} as ")


@pytest.mark.parametrize("status", ["0", "1"])
def test_layers_that_docker_does_not_take_are_removed_and_the_archive_stays(
    docker: Docker, status: str
) -> None:
    whole, docker.archive = docker.archive, docker.archive.with_name("image.tar.gz.layers")
    docker.archive.write_bytes(b"layers")
    docker.give("status", status)
    assert docker.load()[0] == 1 and whole.exists() and not docker.archive.exists()
    # once it is loaded, neither is needed
    docker.archive.write_bytes(b"layers")
    docker.give("status", "0")
    docker.give("loads", f"{REFERENCE} {CONFIG}\n")
    assert docker.load()[0] == 0 and not whole.exists() and not docker.archive.exists()


def test_a_container_is_made_of_what_docker_calls_the_image(docker: Docker) -> None:
    (docker.state / "images").mkdir()
    (docker.state / "images" / CONFIG[7:]).write_text("sha256:manifest\n")
    text = script_text("container").replace("/usr/bin/cnmon", str(docker.archive))
    text = text.replace("/var/lib/mlufleet", str(docker.state))
    docker.give("container", "facts\n")
    subprocess.run(
        [
            "sh",
            "-c",
            text,
            "container",
            "create",
            "torch",
            "spec",
            "facts",
            "--env",
            "A=two words",
            CONFIG,
            "sleep",
            "infinity",
        ],
        check=True,
        capture_output=True,
        env={"PATH": f"{docker.root}/bin:{os.environ['PATH']}"},
    )
    called = (docker.root / "calls").read_text().splitlines()[0]
    assert called == "run --detach --env A=two words sha256:manifest sleep infinity"


def test_docker_is_the_one_of_this_host_whatever_root_has_it_talk_to(docker: Docker) -> None:
    calls = docker.root / "calls"
    (docker.root / "bin/docker").write_text(f"#!/bin/sh\nenv | grep ^DOCKER > {calls}\n")
    elsewhere = {
        "DOCKER_HOST": "tcp://other:2375",
        "DOCKER_CONTEXT": "other",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CONTENT_TRUST": "1",
    }
    text = script_text("tag-image")
    env = {"PATH": f"{docker.root}/bin:{os.environ['PATH']}", **elsewhere}
    subprocess.run(["sh", "-c", text, "tag-image", CONFIG, REFERENCE], env=env, check=True)
    assert calls.read_text() == "DOCKER_CONTEXT=default\n"


def test_a_devicemapper_without_room_is_named_and_what_was_sent_stays(docker: Docker) -> None:
    docker.give("said", "ApplyLayer exit status 1: write /x: no space left on device\n")
    docker.give("status", "1")
    docker.give("driver", "devicemapper")
    status, said = docker.load()
    assert status == 1 and docker.archive.exists()
    assert "@@code DM_BASESIZE" in said
    assert "dm.basesize" in said[-1] and said[-1].endswith("Base Device Size: 10.74GB")


def test_a_disk_that_is_full_is_told_by_its_bytes_and_given_back_what_was_sent(
    docker: Docker,
) -> None:
    docker.give("said", "Error processing tar file: write /x: no space left on device\n")
    docker.give("status", "1")
    need = shutil.disk_usage(docker.root).total
    status, said = docker.load(need)
    assert status == 1 and not docker.archive.exists()
    assert said[-1].startswith(f"no space left on device: {docker.root}/root has ")
    assert said[-1].endswith(f" bytes free, {need} are needed")
    docker.archive.write_bytes(b"archive")
    status, said = docker.load(1)
    assert docker.archive.exists() and "though" in said[-1] and "overlay2" in said[-1]
    assert "are needed" not in said[-1], "it contradicts nothing that it says itself"


@pytest.mark.parametrize(("inodes", "code"), [("0/100", True), ("7/100", False), ("0/0", False)])
def test_a_file_system_without_a_number_of_inodes_has_not_run_out_of_them(
    docker: Docker, inodes: str, code: bool
) -> None:
    docker.give("said", "write /x: no space left on device\n")
    docker.give("status", "1")
    tool = docker.root / "bin/stat"
    tool.write_text(f'#!/bin/sh\n[ "$1" != -f ] || {{ echo {inodes}; exit; }}\necho 1\n')
    tool.chmod(0o755)
    status, said = docker.load()
    assert status == 1 and ("@@code NO_INODES" in said) == code


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ('error mounting "proc" to rootfs at "/proc": operation not permitted', "systempaths"),
        ('adding custom device "/dev/cambricon_dev0": no such file or directory', "cambricon*"),
        ("Bind for 0.0.0.0:8888 failed: port is already allocated", "port"),
        ('The container name "/torch" is already in use by container', "docker rename"),
        ("apparmor failed to apply profile: no such file or directory", "AppArmor"),
        ("unable to init seccomp: error loading seccomp filter into kernel", "libseccomp"),
        ("write /proc/self/attr/keycreate: permission denied", "SELinux"),
        ("cgroups: cgroup mountpoint does not exist: unknown", "cgroup"),
        ('config for type "bind": bind source path does not exist: /x', "not mounted"),
        ("error while creating mount source path '/d': permission denied", "no_root_squash"),
        ("The requested image's platform (linux/arm64) does not match", "architecture"),
        ("exec /bin/sleep: exec format error", "architecture"),
        ("unknown or invalid runtime name: nvidia", "default-runtime"),
        ('exec: "nvidia-container-runtime": executable file not found', "default-runtime"),
        ("network ai-net not found", "docker network create"),
        ("iptables: No chain/target/match by that name", "systemctl restart docker"),
        ("privileged mode is incompatible with user namespaces", "userns-remap"),
        ("Are you trying to mount a directory onto a file (or vice-versa)?", "/usr/bin/cnmon"),
        ("Cannot connect to the Docker daemon at unix:///x", "systemctl status docker"),
        ("mkdir /home/share/model_mlu: Permission denied", "chcon"),
        ("git checkout: fatal: Unable to create '/x/.git/index.lock'", "index.lock"),
        ("git clone: fatal: unable to access: SSL certificate problem", "http.sslCAInfo"),
        ("git ls-remote: fatal: Could not resolve host: github.com", "bundle"),
        ("git ls-remote: git@x: Permission denied (publickey).", ".netrc"),
    ],
)
def test_the_remedy_fits_what_was_said(words: str, named: str) -> None:
    code = {"git": "SOURCE_PIN", "mkdir": "MIGRATION"}.get(words.split()[0], "CONTAINER")
    for failure in (Failure(code, f"a step: {words}"), Failure(code, "", (words, "and more"))):
        assert named in failure.remedy and failure.remedy != FAILURE_TABLE[code][1]
    assert Failure("PATCH", words).remedy == FAILURE_TABLE["PATCH"][1]


def test_without_any_known_word_the_remedy_is_the_codes_own_and_all_are_in_the_reference() -> None:
    assert Failure("CONTAINER", "something new").remedy == FAILURE_TABLE["CONTAINER"][1]
    page = render_reference()
    assert all(
        error_patterns.escape_pipes(remedy) in page for _, _, remedy in error_patterns.PATTERNS
    )
