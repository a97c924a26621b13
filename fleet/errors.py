"""Every failure a user can see: a code, one sentence, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from typing_extensions import override

from fleet import error_patterns
from fleet.text import sanitize


class ExitStatus(int, Enum):
    """Exit status of ``mlufleet``; pyinfra itself knows only 0 and 1."""

    OK = 0
    INTERNAL = 1
    FAILED = 2
    INVALID = 3
    UNREACHABLE = 4
    STOPPED = 5
    INTERRUPTED = 130


#: codes of hosts that nothing is wrong with: they were left for another time
DEFERRED_CODES = ("CARD_BUSY", "INTERRUPTED")

#: code -> (what it means, what to do)
FAILURE_TABLE: dict[str, tuple[str, str]] = {
    "PROBE_FAILED": (
        "the host could not be observed",
        "log in by hand and run `sudo -n true` and `sh -c true`; check the sudo password",
    ),
    "SUDO": (
        "sudo does not let the login user become root",
        "log in by hand and run `sudo -k true`: what it asks for goes into a file that "
        "sudo_password_file names, and whoever it does not know goes into its sudoers",
    ),
    "REQUIRETTY": (
        "sudo wants a terminal, and none can be had",
        "`Defaults requiretty` is set in /etc/sudoers or a file of /etc/sudoers.d: add "
        "`Defaults:USER !requiretty` for the login user, or install script (util-linux)",
    ),
    "ASKPASS": (
        "the host has no place in memory for what answers sudo",
        "let the login user write in /dev/shm, or have pam_systemd make its /run/user/UID",
    ),
    "MAX_SESSIONS": (
        "the host gives no further SSH session, nor another connection for one",
        "`MaxSessions` of sshd_config counts for a connection, `maxlogins` of limits.conf for a "
        "user: allow the login user three of either",
    ),
    "LOCKED": (
        "another run works on this host",
        "wait for it, or ask its operator; `mlufleet unlock` if it is known to be dead",
    ),
    "DUPLICATE_HOST": (
        "two names of the inventory lead to one machine",
        "remove one of them: two runs at once would break the host",
    ),
    "OS_UNSUPPORTED": (
        "the release has no driver package for this operating system",
        "put the named file into the store and run `mlufleet lock`; a system that the tool does "
        "not know is named under driver.packages in the release",
    ),
    "CARDS_MISSING": (
        "fewer cards are on the PCI bus than the inventory says",
        "check seating and the 8-pin power of each board, then `lspci -d cabc:`",
    ),
    "CARD_DROPPED": (
        "a card has fallen off the bus (revision ff)",
        "power-cycle the server; a card that drops again is faulty",
    ),
    "CARD_UNHEALTHY": (
        "the driver does not run a card",
        "read `dmesg | grep -i cambricon`, then power-cycle the server; a card that fails again "
        "is faulty",
    ),
    "KERNEL_TOO_NEW": (
        "the driver's sources are older than the host's kernel",
        "boot an older kernel of the same system, or take a newer driver; say "
        "`driver.newest_kernel` in the release where this driver is known to be built for it",
    ),
    "HEADERS_MISSING": (
        "there are no kernel headers for the running kernel",
        "install the named package, of exactly this kernel (the host's package tool knows of none: "
        "`apt-get update`, `yum makecache`), or bring it along: `driver.headers` of the release is "
        "a folder of such packages",
    ),
    "SECURE_BOOT": (
        "the kernel takes only signed modules, and the driver's are not signed by a key it knows",
        "disable Secure Boot in the firmware, or enrol a machine owner key for dkms to sign with: "
        "the site's own (`signing_key` and `signing_certificate` in the inventory), or the host's "
        "(`mokutil --import /var/lib/dkms/mok.pub`, then confirm it at the console)",
    ),
    "KEY_NOT_ENROLLED": (
        "the kernel takes only signed modules, and does not know the site's key",
        "copy the file of `signing_certificate` to the host as DER, `mokutil --import` it there, "
        "reboot and confirm it at the console (MokManager)",
    ),
    "SIGNING": (
        "dkms does not sign modules with the site's key",
        "install what it signs with: sign-file of the kernel's headers, or kmodsign (package "
        "sbsigntool) on Ubuntu; or say no `signing_key` where the kernel takes unsigned modules",
    ),
    "CLOCK_SKEW": (
        "the host's clock is far from the controller's",
        "set the clock: `timedatectl set-ntp true` or chrony",
    ),
    "NO_SPACE": (
        "there is not enough free disk space",
        "free the named number of bytes at the named path, or move docker's data-root; where bytes "
        "are free, `df -i` and quotas say what is not",
    ),
    "READ_ONLY": (
        "a file system is read-only",
        "look for disk errors in `dmesg`, repair it, then `mount -o remount,rw`",
    ),
    "NO_INODES": (
        "a file system has no free inodes",
        "`df -i` says which; remove small files from it",
    ),
    "TOOL_MISSING": (
        "a program that provisioning needs is not on the host",
        "install it with the system's package manager",
    ),
    "CARD_BUSY": (
        "a process that is not ours holds a card",
        "let it finish (`busy_timeout: SECONDS` waits) or stop it (`evict: true` allows that); "
        "what starts again by itself is stopped where it is managed: a pod by taking its "
        "DaemonSet off this node (a label, a taint) or `systemctl stop kubelet`, a unit by "
        "`systemctl stop`",
    ),
    "PACKAGE_LOCKED": (
        "another package manager is running",
        "wait for the named process; never delete its lock",
    ),
    "PACKAGE_BROKEN": (
        "a package is half installed and could not be repaired",
        "repair exactly the named package by hand: `dpkg --configure -a`, `rpm -Va`",
    ),
    "PACKAGE_HELD": (
        "a package that has to change is held",
        "ask who holds it, then `apt-mark unhold NAME`, or take its line out of the named file "
        "(versionlock, exclude=); or take a release with the version that is there",
    ),
    "PACKAGE_UNSIGNED": (
        "the host's package tool takes only signed packages, and one is not",
        "set localpkg_gpgcheck=0 in the named file (the tool has compared the package with the "
        "lock), or sign it with a key that the host's rpm knows and run `mlufleet lock`",
    ),
    "BUILD_TOOLS": (
        "what builds the driver's modules is not on the host",
        "install the named packages (the host's package tool knows of none: `apt-get update`, `yum "
        "makecache`), or bring them along in the folder of `driver.headers`",
    ),
    "DRIVER_INSTALL": (
        "the driver package could not be installed",
        "read the lines above; `dkms status` and /var/lib/dkms/*/build/make.log say more",
    ),
    "NEXT_KERNEL": (
        "the kernel that boots next has no driver module",
        "install exactly its headers and run again, before the host reboots",
    ),
    "MODULE_NOT_LOADED": (
        "the driver is installed, and the kernel refuses its module",
        "read the kernel's lines above; too little MMIO space is Above 4G Decoding in the firmware",
    ),
    "DRIVER_NOT_PROVED": (
        "the driver that is loaded is not the one of the release, or nodes are missing",
        "read `dmesg | grep -i cambricon`; installer messages and exit status prove nothing",
    ),
    "REBOOT_TIMED_OUT": (
        "the host did not come back from its reboot",
        "look at its console through the BMC; power-cycle it there, then run again",
    ),
    "ENGINE": (
        "the docker engine is missing, too old, or does not answer",
        "`systemctl status docker`, `journalctl -u docker`",
    ),
    "ENGINE_TOO_OLD": (
        "the docker engine is older than the release's minimum, and no newer one is at hand",
        "put a newer docker's packages into the store and name their folder under "
        "`engine.packages` of the release, or give the host a repository that has one",
    ),
    "SNAP": (
        "docker on this host is snap's: it sees home folders only, and is no docker.service",
        "save what it holds, `snap remove docker`, then run again: docker comes from the release's "
        "files or the system's packages",
    ),
    "IMAGE_LOAD": (
        "docker load did not produce the image of the release",
        "check free space in docker's data-root and the archive's sha256",
    ),
    "CONTAINER": (
        "the container could not be started as specified",
        "read docker's own words; where the container is there, `docker logs` it",
    ),
    "SOURCE_DIRTY": (
        "a checkout has changes that are not ours",
        "commit or move them, or set `keep_dirty: true` to have a named copy kept",
    ),
    "SOURCE_FOREIGN": (
        "the path of a checkout holds something else",
        "move it out of the way, or give the source another path",
    ),
    "SOURCE_PIN": (
        "the checkout could not be brought to its commit",
        "read git's own words above; then check url, bundle and commit in the release and its lock",
    ),
    "PODMAN": (
        "`docker` on this host is podman, which is another program",
        "remove the package podman-docker and what of podman conflicts with docker, then run again",
    ),
    "USERNS_REMAP": (
        "containers could not write to the mounted folders",
        "take `userns-remap` out of /etc/docker/daemon.json and restart docker; images and "
        "containers made under it are there again when it is set again",
    ),
    "ROOTLESS": (
        "the docker engine is one of a user, without rights to the cards",
        "start the system's own: `systemctl enable --now docker`, and no `docker context` of root",
    ),
    "XFS_FTYPE": (
        "docker's storage driver does not work on this file system",
        "make it anew with `mkfs.xfs -n ftype=1`, or give `data-root` in /etc/docker/daemon.json a "
        "folder on another one",
    ),
    "DM_BASESIZE": (
        "docker's storage driver devicemapper gives a container less room than the image needs",
        'say "storage-driver": "overlay2" in /etc/docker/daemon.json, or a larger `dm.basesize` '
        "under storage-opts (docker has to begin with an empty data-root for that); then run again",
    ),
    "ROOT_SQUASH": (
        "root may not write to a folder on a network's file system",
        "export it with `no_root_squash` and `rw`, or mount a folder of the host's own there",
    ),
    "SHARED_FOLDER": (
        "two hosts have one folder that the tool changes",
        "give each host a folder of its own: another path of `mounts`, or another export mounted "
        "there; where the named machine-id is no host's any more, remove .git/mlufleet-host",
    ),
    "WEIGHTS": ("the weights on the host are not those of the lock", "read the lines above"),
    "MIGRATION": (
        "the migration tool did not complete",
        "its exit status proves nothing: read its output above",
    ),
    "PATCH": (
        "a patch does not apply",
        "the anchor must occur exactly as often as the release says in the migrated file",
    ),
    "PACKAGES": (
        "packages could not be installed in the container",
        "check that the wheelhouse holds every dependency for the image's Python",
    ),
    "SMOKE_DEVICES": (
        "the container does not compute on every card of the host",
        "compare `cnmon` on the host and in the container",
    ),
    "SMOKE_ANSWER": ("the model did not answer as it should", "read the kept output"),
    "VALIDATION": (
        "the vendor's validation suite found something wrong",
        "read what the named test says; where a rate is too low, look at the card's slot, link and "
        "temperature; a card that stays slow is faulty",
    ),
    "TRANSFER": (
        "a file did not arrive as it is in the lock",
        "where a folder cannot be made, see what is in its place; else `mlufleet check`; a second "
        "mismatch on one host points at its disk or memory",
    ),
    "HUNG": (
        "a process is stuck in the kernel, and not even SIGKILL ends it",
        "look at `dmesg` and the card's health, then power-cycle the server",
    ),
    "INTERRUPTED": ("the operator stopped the run before this step", "run again"),
    "HOOK": (
        "a command of the site before or after the host failed",
        "read its lines above; the host is not touched when the one before it fails",
    ),
    "NO_WAY_BACK": (
        "there is no release that this host can go back to",
        "put its files back into the store where they are named; else deploy a release that works",
    ),
    "ROLLBACK": (
        "the new release failed, and going back to the old one failed as well",
        "the host is out of service: mend what both failures name, then run again",
    ),
    "TIMED_OUT": ("a step took longer than its limit", "read the lines above, then run again"),
    "CONNECTION_LOST": (
        "the SSH connection broke in the middle of a step",
        "run again: what was done is found done, what was not is done",
    ),
    "INTERNAL": (
        "mlu-fleet itself failed on this host",
        "report it with the lines above; other hosts were not affected",
    ),
    "NOT_PROVED": ("a stage ended and the host is not as wanted", "run again with -vvv"),
    "HOST_KEY_CHANGED": (
        "the host shows another SSH key than the one in known_hosts",
        "compare the fingerprint with the console's; only then `ssh-keygen -R` the old one",
    ),
    "HOST_KEY_UNKNOWN": (
        "the host's SSH key is not in known_hosts",
        "`ssh-keyscan` it once, compare the fingerprint with the console's, and add it",
    ),
    "AUTH": ("the host refuses the login", "check ssh_user, ssh_key and authorized_keys"),
    "SSH_KEY": (
        "no login can be made with the private key",
        "`ssh-add` a key that has a passphrase before the run, or say `ssh_key_password`; else "
        "name the private key of an OpenSSH pair, which whoever runs this can read",
    ),
    "SSH_ALGORITHMS": (
        "the host's sshd and this tool have no SSH algorithm in common",
        "`KexAlgorithms`, `Ciphers`, `MACs` or `HostKeyAlgorithms` of its sshd_config: allow "
        "curve25519-sha256@libssh.org, aes256-ctr, hmac-sha2-256-etm@openssh.com and ssh-ed25519",
    ),
    "UNREACHABLE": ("no SSH connection", "check address, port, key and known_hosts"),
    "FILE_MISSING": (
        "a file of the release is not in the store",
        "`mlufleet fetch` where the release has a URL for it; else copy it there from the vendor",
    ),
    "FILE_SPOILT": (
        "a file in the store is not the one of the lock",
        "move it away and fetch or copy it again; `mlufleet lock` only if the new one is wanted",
    ),
    "FETCH": (
        "a file could not be fetched",
        "look at the URL, the proxy (https_proxy) and the network, then run again: it goes on",
    ),
    "FETCHED_OTHER": (
        "the URL gives another file than the one of the lock",
        "ask whoever keeps the URL; it has been replaced there, or the URL is wrong",
    ),
    "BUNDLE_UNSIGNED": (
        "the bundle has no signature",
        "get a signed one (`mlufleet bundle --sign KEY`); `--unsigned` only if you made it",
    ),
    "BUNDLE_SIGNER": (
        "the bundle is signed by a key that is not allowed",
        "ask who made it; add the key to the file of allowed signers only if you trust it",
    ),
    "BUNDLE_SIGNATURE": (
        "the signature is not of this bundle's manifest",
        "the bundle was changed or spoilt after it was signed: copy it again, or ask who made it",
    ),
    "BUNDLE_TRUNCATED": (
        "the bundle ends before its last file",
        "copy it again, then repeat the command: what is unpacked already is kept",
    ),
    "BUNDLE_FILE": (
        "a file in the bundle is not the one of its manifest",
        "copy the bundle again, then repeat the command: what is unpacked already is kept",
    ),
    "BUNDLE_MEMBER": (
        "the bundle holds something that has no place in one",
        "it was not made by `mlufleet bundle`, or was changed since: ask who made it",
    ),
    "BUNDLE_EXISTS": (
        "the folder has another file where the bundle has one",
        "unpack into a new folder, or move the named file away",
    ),
}


def render_reference() -> str:
    """The table as a page of the reference."""
    rows = [
        f"| {code} | {meaning} | {remedy} |" for code, (meaning, remedy) in FAILURE_TABLE.items()
    ]
    head = ["# Failure codes", "", "| code | what it means | what to do |", "|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n" + error_patterns.render_reference()


#: what any program prints, in English as scripts have it or in what a program of its own has
#: instead -> the code that says it better than the step that failed
SYMPTOM_CODES = {
    "No space left on device": "NO_SPACE",
    "no space left on device": "NO_SPACE",
    "Disk quota exceeded": "NO_SPACE",
    "disk quota exceeded": "NO_SPACE",
    "设备上没有空间": "NO_SPACE",
    "只读文件系统": "READ_ONLY",
    "Read-only file system": "READ_ONLY",
    "read-only file system": "READ_ONLY",
    "too many logins for": "MAX_SESSIONS",
    "Held packages were changed": "PACKAGE_HELD",
    ".rpm is not signed": "PACKAGE_UNSIGNED",
    "GPG check FAILED": "PACKAGE_UNSIGNED",
    "Key was rejected by service": "SECURE_BOOT",
    "Required key not available": "SECURE_BOOT",
}


@dataclass(frozen=True)
class Failure:
    """One failure of one host.

    :param code: a key of :data:`TABLE`
    :param detail: what was found on this host
    :param tail: the last lines of what failed
    """

    code: str
    detail: str = ""
    tail: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.code not in FAILURE_TABLE:
            raise ValueError(f"unknown failure code {self.code}")
        # both may quote a host, a hook or a file: here they become text for all who show them
        object.__setattr__(self, "detail", sanitize.join_lines(self.detail))
        object.__setattr__(self, "tail", tuple(map(sanitize.escape_line, self.tail)))

    @property
    def sentence(self) -> str:
        meaning = FAILURE_TABLE[self.code][0]
        return f"{meaning}: {self.detail}" if self.detail else meaning

    @property
    def remedy(self) -> str:
        said = "\n".join((self.detail, *self.tail))
        return error_patterns.find_remedy(self.code, said) or FAILURE_TABLE[self.code][1]


class PromptRefused(EOFError):
    """pyinfra would have asked a person, which it may not."""


class InvalidInput(Exception):
    """Inventory, release, lock or store is wrong; nothing was touched (exit status 3).

    What it quotes of them is shown as text.
    """

    @override
    def __str__(self) -> str:
        return sanitize.escape_text(super().__str__())


class CodedInputError(InvalidInput):
    """Invalid input that has a code; told with its remedy."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.failure = Failure(code, detail)
        super().__init__(f"{code}: {self.failure.sentence}\n  remedy: {self.failure.remedy}")
