"""The base image: a minimal Debian made from packages: no image registry can be relied on."""

import os
import shutil
import subprocess

from tests.lab import engine, paths
from tests.lab.steps import LabError, digest, lock, step

NAME = "mlufleet-lab/base:bookworm"
LABEL = "mlufleet.lab.key"
MIRROR = os.environ.get("LAB_MIRROR", "http://deb.debian.org/debian")
BOOTSTRAP = ("debootstrap", "--variant=minbase", "bookworm")
SOURCES = f"""\
deb {MIRROR} bookworm main
deb {MIRROR} bookworm-updates main
deb {MIRROR}-security bookworm-security main
"""


def image() -> str:
    """The base image, built when it is not there; LAB_BASE names another one, which is pulled.

    Returns:
        Its reference.

    Raises:
        LabError: it cannot be built or pulled.
    """
    engine.ensure()
    other = os.environ.get("LAB_BASE")
    if other:
        if key(other) is None:
            with step(f"pull {other}"):
                engine.docker("pull", other, timeout=1800)
        return other
    with lock("base", everywhere=True):
        wanted = digest(*BOOTSTRAP, SOURCES)
        if key(NAME) != wanted:
            engine.install("debootstrap", packages={"debootstrap": "debootstrap"})
            with step("build the base image"):
                build(wanted)
    return NAME


def key(reference: str) -> str | None:
    """The key an image was built under.

    Args:
        reference: of the image.

    Returns:
        The key; empty for an image that the lab did not build; None when there is no such image.
    """
    wanted = f'{{{{index .Config.Labels "{LABEL}"}}}}'
    try:
        return engine.docker("image", "inspect", "--format", wanted, reference)
    except LabError:
        return None


def build(wanted: str) -> None:
    """Bootstrap a minimal bookworm and import it.

    Args:
        wanted: the key to keep with the image.

    Raises:
        LabError: debootstrap or the import failed.
    """
    root = paths.BUILD / "base"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    done = subprocess.run([*BOOTSTRAP, str(root), MIRROR], capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"debootstrap failed:\n{(done.stdout + done.stderr)[-1500:]}")
    (root / "etc/apt/sources.list").write_text(SOURCES)
    for cache in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(root / cache)
        (root / cache / "partial").mkdir(parents=True)
    tar = subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE)
    change = f"LABEL {LABEL}={wanted}"
    loaded = subprocess.run(
        ["docker", "import", "--change", change, "--change", 'CMD ["bash"]', "-", NAME],
        stdin=tar.stdout,
        capture_output=True,
        text=True,
        env=engine.ENVIRONMENT,
    )
    if tar.wait() or loaded.returncode:
        raise LabError(f"docker import failed: {loaded.stderr.strip()}")
    shutil.rmtree(root)


def forget() -> None:
    """Remove every image that the lab built."""
    built = engine.docker("image", "ls", "-q", "--filter", f"label={LABEL}")
    if built:
        engine.docker("image", "rm", "--force", *dict.fromkeys(built.split()))
