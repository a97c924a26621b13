"""Docker's own packages for hosts without a network: what a site mirrors into its store."""

import os
import shutil
from pathlib import Path

from tests.lab import base, engine, paths
from tests.lab.steps import digest
from tests.lab.vendor.once import once
from tests.lab.vendor.run import run

DEB, RPM = paths.STORE / "engine/deb", paths.STORE / "engine/rpm"
PACKAGES = "docker.io containerd runc tini"
PLACES = ("usr/bin", "usr/sbin", "usr/lib/systemd/system")
# binaries as they are, in a payload that an old rpm can read and that is packed fast
SPEC = """\
%global debug_package %{{nil}}
%global __os_install_post %{{nil}}
%global _build_id_links none
%global _binary_payload w1.gzdio
Name: docker-ce
Version: {version}
Release: 3.el7
Summary: The engine of the lab's Debian, named as the vendor's
License: ASL 2.0
AutoReqProv: no
%description
%{{summary}}
%install
cp -a {root}/. %{{buildroot}}/
%files
{files}
"""


def build() -> None:
    """Fill both folders of the store.

    Raises:
        LabError: the packages cannot be had or made.
    """
    engine.install("dpkg-deb", "rpmbuild", packages={"dpkg-deb": "dpkg", "rpmbuild": "rpm"})
    image = base.image()
    key = digest(Path(__file__), image, base.key(image) or "")
    once("docker packages", key, [DEB, RPM], lambda: _make(image))


def _make(image: str) -> None:
    part = paths.BUILD / "docker-packages"
    shutil.rmtree(part, ignore_errors=True)
    debs, root = part / "deb", part / "root"
    debs.mkdir(parents=True)
    # by the image's own apt: the controller may be of another release
    get = f"apt-get update -qq && apt-get download -qq {PACKAGES}"
    engine.docker("run", "--rm", "-v", f"{debs}:/out", "-w", "/out", image, "sh", "-ec", get)
    for deb in debs.iterdir():
        run("dpkg-deb", "-x", str(deb), str(part / "unpacked"))
    units = part / "unpacked/lib/systemd/system"
    if units.is_dir():  # where a Debian still splits what CentOS has in /usr
        shutil.copytree(units, part / "unpacked/usr/lib/systemd/system", dirs_exist_ok=True)
    for place in PLACES:
        shutil.copytree(part / "unpacked" / place, root / place, symlinks=True)
    (deb,) = debs.glob("docker.io_*")
    files = [f"/{file.relative_to(root)}" for file in sorted(root.rglob("*")) if not file.is_dir()]
    version = deb.name.split("_")[1].split("+")[0]
    spec = part / "docker-ce.spec"
    spec.write_text(SPEC.format(version=version, root=root, files="\n".join(files)))
    run(
        "rpmbuild", "-bb", "--quiet", "--target", "x86_64", str(spec), "--define", f"_topdir {part}"
    )
    for made, folder in ((debs, DEB), (part / "RPMS/x86_64", RPM)):
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        os.rename(made, folder)
    shutil.rmtree(part)
