"""The failure codes: what each of them means and what to do about it.

`docs/failures.md` is generated from these tables (`make docs`). The codes are an interface: scripts
match them in `report.json`, so a code that is renamed keeps its old name in :data:`CODE_ALIASES`.
"""

from __future__ import annotations

from typing import NamedTuple

from fleet.language import N_


class FailureInfo(NamedTuple):
    """The explanation of one failure code: messages, which `_()` shows."""

    #: What happened, as a clause that a detail can follow.
    meaning: str
    #: What the operator should do, in full sentences.
    remedy: str
    #: What that comes to, as a key of :data:`ACTIONS`.
    action: str


IGNORE, RESTART, REBOOT, POWER_CYCLE, INSPECT = (
    *("IGNORE", "RESTART", "REBOOT", "POWER_CYCLE", "INSPECT"),
)
#: Suggested action -> what it means, a message, from the one that disturbs least.
ACTIONS = {
    IGNORE: N_("nothing: it passes by itself, or its work was postponed"),
    RESTART: N_("run the release's stages again: they start what is down"),
    REBOOT: N_("reboot the host"),
    POWER_CYCLE: N_("switch the power off and on: a reboot is not enough"),
    INSPECT: N_("a person has to look: no command mends it"),
}

#: Codes of hosts that are not broken: their work was postponed.
DEFERRED_CODES = ("CARD_BUSY", "INTERRUPTED")

#: Code in journals and reports of older versions -> its name today.
CODE_ALIASES = {
    "FILE_SPOILT": "CHECKSUM_MISMATCH",
    "FETCHED_OTHER": "DOWNLOAD_MISMATCH",
    "NO_WAY_BACK": "NO_ROLLBACK_TARGET",
}

FAILURE_TABLE: dict[str, FailureInfo] = {
    code: FailureInfo(*fields)
    for code, fields in {
        "PROBE_FAILED": (
            N_("the host could not be probed"),
            N_("Log in manually and run `sudo -n true` and `sh -c true`. Check the sudo password."),
            INSPECT,
        ),
        "SUDO": (
            N_("sudo does not let the login user become root"),
            N_(
                "Log in manually and run `sudo -k true`. If sudo asks for a password, "
                "store it in the file that `sudo_password_file` names. If the user is "
                "unknown to sudo, add it to sudoers."
            ),
            INSPECT,
        ),
        "REQUIRETTY": (
            N_("sudo requires a terminal, and none is available"),
            N_(
                "`Defaults requiretty` is set in /etc/sudoers or a file in "
                "/etc/sudoers.d. Add `Defaults:USER !requiretty` for the login user, "
                "or install `script` (util-linux)."
            ),
            INSPECT,
        ),
        "ASKPASS": (
            N_("the host has no in-memory file system to hold the sudo password helper"),
            N_(
                "Make /dev/shm writable for the login user, or enable pam_systemd so "
                "that /run/user/UID exists."
            ),
            INSPECT,
        ),
        "MAX_SESSIONS": (
            N_("the host refuses further SSH sessions and connections"),
            N_(
                "`MaxSessions` in sshd_config limits sessions per connection, "
                "`maxlogins` in limits.conf limits logins per user. Allow at least "
                "three of either for the login user."
            ),
            INSPECT,
        ),
        "LOCKED": (
            N_("another run is working on this host"),
            N_(
                "Wait for it or contact its operator. If that run is known to be dead, "
                "use `mlufleet host break-lock INVENTORY --limit HOST`."
            ),
            IGNORE,
        ),
        "DUPLICATE_HOST": (
            N_("two inventory entries refer to the same machine"),
            N_("Remove one of them. Two concurrent runs would break the host."),
            INSPECT,
        ),
        "OS_UNSUPPORTED": (
            N_("the release has no driver package for this operating system"),
            N_(
                "Put the named file into the store and run `mlufleet release lock`. If "
                "the operating system is not in files/systems.yml, name its package "
                "under `driver.packages` in the release."
            ),
            INSPECT,
        ),
        "CARDS_MISSING": (
            N_("the PCI bus shows fewer cards than the inventory or a release states"),
            N_(
                "Check the seating and the 8-pin power connector of each board, then "
                "run `lspci -d cabc:`. If no card is missing, correct the number in "
                "the inventory, or `serve.each` in the release."
            ),
            INSPECT,
        ),
        "CARD_MODEL": (
            N_("the release is for other card models"),
            N_(
                "Choose a release for the cards of this host, or add their model to "
                "`card_models` in the release and lock it again."
            ),
            INSPECT,
        ),
        "CARD_DROPPED": (
            N_("a card has dropped off the PCI bus (revision ff)"),
            N_("Power-cycle the server. If the card drops again, it is faulty."),
            POWER_CYCLE,
        ),
        "CARD_UNHEALTHY": (
            N_("the driver does not operate a card"),
            N_(
                "Check `dmesg | grep -i cambricon`, then power-cycle the server. If "
                "the card fails again, it is faulty."
            ),
            POWER_CYCLE,
        ),
        "KERNEL_TOO_NEW": (
            N_("the host's kernel is newer than the driver supports"),
            N_(
                "Boot an older kernel of the same distribution, or use a newer driver. "
                "If this driver is known to build for the kernel, set "
                "`driver.newest_kernel` in the release."
            ),
            INSPECT,
        ),
        "HEADERS_MISSING": (
            N_("the headers of the running kernel are missing"),
            N_(
                "Install the named package for exactly this kernel. If the package "
                "manager does not find it, run `apt-get update` or `yum makecache`, or "
                "put the packages into a folder of the store and name it in "
                "`driver.headers` of the release."
            ),
            INSPECT,
        ),
        "SECURE_BOOT": (
            N_(
                "the kernel accepts only signed modules, and the driver's modules are "
                "not signed with an enrolled key"
            ),
            N_(
                "Disable Secure Boot in the firmware, or enroll a machine owner key "
                "that DKMS signs with: the site's own (`signing_key` and "
                "`signing_certificate` in the inventory) or the host's (`mokutil "
                "--import /var/lib/dkms/mok.pub`, then confirm at the console)."
            ),
            INSPECT,
        ),
        "KEY_NOT_ENROLLED": (
            N_("the kernel accepts only signed modules, and the site's key is not enrolled"),
            N_(
                "Copy the certificate that `signing_certificate` names to the host in "
                "DER format, run `mokutil --import` on it, reboot, and confirm at the "
                "console (MokManager)."
            ),
            INSPECT,
        ),
        "SIGNING": (
            N_("DKMS does not sign modules with the site's key"),
            N_(
                "Install the signing tool: sign-file from the kernel headers, or "
                "kmodsign (package sbsigntool) on Ubuntu. If the kernel accepts "
                "unsigned modules, remove `signing_key` from the inventory."
            ),
            INSPECT,
        ),
        "CLOCK_SKEW": (
            N_("the host's clock differs too much from the controller's"),
            N_("Set the clock with `timedatectl set-ntp true` or chrony."),
            INSPECT,
        ),
        "NO_SPACE": (
            N_("there is not enough free disk space"),
            N_(
                "Free the stated number of bytes at the named path, or move Docker's "
                "data-root. If bytes are free, check inodes (`df -i`) and quotas."
            ),
            INSPECT,
        ),
        "READ_ONLY": (
            N_("a file system is mounted read-only"),
            N_(
                "Check `dmesg` for disk errors, repair the file system, then run "
                "`mount -o remount,rw`."
            ),
            INSPECT,
        ),
        "NO_INODES": (
            N_("a file system has no free inodes"),
            N_("Find the file system with `df -i` and remove small files from it."),
            INSPECT,
        ),
        "TOOL_MISSING": (
            N_("a required program is not installed on the host"),
            N_("Install it with the host's package manager."),
            INSPECT,
        ),
        "CARD_BUSY": (
            N_("a process that does not belong to the release is using a card"),
            N_(
                "Let it finish (`busy_timeout: SECONDS` waits for it) or stop it: "
                "`evict: true` permits that, and `mlufleet adopt --apply --stop NAME` "
                "for one container. A process that is restarted automatically must be "
                "stopped where it is managed: for a pod, keep its DaemonSet off this "
                "node (label or taint) or run `systemctl stop kubelet`; for a unit, "
                "run `systemctl stop`."
            ),
            IGNORE,
        ),
        "PACKAGE_LOCKED": (
            N_("another package manager is running"),
            N_("Wait for the named process. Never delete its lock."),
            IGNORE,
        ),
        "PACKAGE_BROKEN": (
            N_("a package is partly installed and could not be repaired"),
            N_("Repair the named package manually with `dpkg --configure -a` or `rpm -Va`."),
            INSPECT,
        ),
        "PACKAGE_HELD": (
            N_("a package that must change is on hold"),
            N_(
                "Find out who put it on hold. Then run `apt-mark unhold NAME`, or "
                "remove its line from the named file (versionlock, exclude=), or use a "
                "release with the installed version."
            ),
            INSPECT,
        ),
        "PACKAGE_UNSIGNED": (
            N_("the host accepts only signed packages, and one is not signed"),
            N_(
                "Set localpkg_gpgcheck=0 in the named file (the package's checksum has "
                "been verified against the lock file), or sign the package with a key "
                "that the host's rpm trusts and run `mlufleet release lock`."
            ),
            INSPECT,
        ),
        "BUILD_TOOLS": (
            N_("the tools that build the driver's modules are missing"),
            N_(
                "Install the named packages. If the package manager does not find "
                "them, run `apt-get update` or `yum makecache`, or put them into the "
                "store folder that `driver.headers` of the release names."
            ),
            INSPECT,
        ),
        "DRIVER_INSTALL": (
            N_("the driver package could not be installed"),
            N_(
                "See the output above. `dkms status` and "
                "/var/lib/dkms/*/build/make.log have details."
            ),
            INSPECT,
        ),
        "NEXT_KERNEL": (
            N_("the kernel that boots next has no driver module"),
            N_("Install the headers of exactly that kernel and run again before the host reboots."),
            INSPECT,
        ),
        "MODULE_NOT_LOADED": (
            N_("the driver is installed, but the kernel rejects its module"),
            N_(
                "See the kernel log above. If it reports too little MMIO space, enable "
                "Above 4G Decoding in the firmware setup."
            ),
            INSPECT,
        ),
        "DRIVER_NOT_PROVED": (
            N_("the loaded driver is not the release's, or device nodes are missing"),
            N_(
                "Run again, which loads the driver. If that does not help, check "
                "`dmesg | grep -i cambricon`. Do not rely on the installer's messages "
                "or exit status."
            ),
            RESTART,
        ),
        "REBOOT_TIMED_OUT": (
            N_("the host did not come back after its reboot"),
            N_("Check its console through the BMC, power-cycle it there, then run again."),
            POWER_CYCLE,
        ),
        "ENGINE": (
            N_("the Docker engine is missing, too old or does not respond"),
            N_("Check `systemctl status docker` and `journalctl -u docker`."),
            INSPECT,
        ),
        "ENGINE_TOO_OLD": (
            N_(
                "the Docker engine is older than the release's minimum, and no newer "
                "one is available"
            ),
            N_(
                "Put newer Docker packages into the store and name their folder in "
                "`engine.packages` of the release, or configure a package repository "
                "on the host that has them."
            ),
            INSPECT,
        ),
        "SNAP": (
            N_(
                "Docker is installed as a snap, which can only access home directories "
                "and has no docker.service"
            ),
            N_(
                "Save the containers and images you need, run `snap remove docker`, "
                "then run again. Docker is then installed from the release's files or "
                "the distribution's packages."
            ),
            INSPECT,
        ),
        "IMAGE_LOAD": (
            N_("`docker load` did not produce the release's image"),
            N_("Check the free space in Docker's data-root and the SHA-256 of the archive."),
            INSPECT,
        ),
        "REGISTRY_LOGIN": (
            N_("the registry refuses the login, or requires one"),
            N_(
                "Check user, password and the right to pull this repository. Hosts use "
                "the file that `registry_login` names in the inventory, or root's own "
                "`docker login`; `mlufleet` itself uses the file in "
                "REGISTRY_AUTH_FILE, or that of `docker login`."
            ),
            INSPECT,
        ),
        "IMAGE_NOT_FOUND": (
            N_("the registry has no such image"),
            N_(
                "Compare name and digest in `image.registry` of the release with the "
                "registry's page of the image, or with `docker push`, which prints the "
                "digest. Some registries also answer like this if the login may not "
                "see the repository."
            ),
            INSPECT,
        ),
        "REGISTRY_CERTIFICATE": (
            N_("the registry's certificate is not trusted"),
            N_(
                "Name the file of the site's CA in `registry_ca` of the inventory. For "
                "`mlufleet` itself, put it into /etc/docker/certs.d/HOST/ca.crt on "
                "this machine. Never make the registry insecure because of it."
            ),
            INSPECT,
        ),
        "REGISTRY_UNREACHABLE": (
            N_("the registry does not answer"),
            N_(
                "Check address, port, name resolution, proxy and firewall from the "
                "machine that is named: a host pulls by its Docker daemon, whose proxy "
                "is set in docker.service. Without a way there, set `image.file` to an "
                "archive of the image."
            ),
            INSPECT,
        ),
        "REGISTRY_INSECURE": (
            N_("the registry has no TLS"),
            N_(
                "Give it a certificate. If nobody else can reach its network, allow it "
                "by name: `insecure_registries: [HOST:PORT]` in the inventory."
            ),
            INSPECT,
        ),
        "CONTAINER": (
            N_("the container could not be started as specified"),
            N_("See Docker's output above. If the container exists, check its `docker logs`."),
            INSPECT,
        ),
        "CONTAINER_FOREIGN": (
            N_("a running container that this tool did not make has the name of the release's"),
            N_(
                "Rename or stop it, or let a run do that: `evict: true` in the "
                "inventory permits it, and `mlufleet adopt --apply --stop NAME` for "
                "one container. Nothing of it is deleted, and the command that undoes "
                "it is printed. Or give the release's container another `name`."
            ),
            INSPECT,
        ),
        "SOURCE_DIRTY": (
            N_("a checkout has local changes"),
            N_(
                "Commit or move them, or set `keep_dirty: true` to have edits kept as "
                "a patch beside the checkout. `mlufleet adopt` shows what it would "
                "keep."
            ),
            INSPECT,
        ),
        "SOURCE_FOREIGN": (
            N_("the path of a checkout is occupied by something else"),
            N_(
                "Move it away, set another path for the source, or set `keep_dirty: "
                "true` to have it renamed."
            ),
            INSPECT,
        ),
        "ADOPTION_BLOCKED": (
            N_("the host cannot be adopted, as something on it belongs to somebody else"),
            N_(
                "Ask its owner. Then give the permission that is named (`--stop NAME` "
                "or `evict: true` for a container), or move it out of the way. Nothing "
                "was changed on the host."
            ),
            INSPECT,
        ),
        "SOURCE_PIN": (
            N_("the checkout could not be set to its commit"),
            N_(
                "See git's output above. Then check url, bundle and commit in the "
                "release and its lock file."
            ),
            INSPECT,
        ),
        "PODMAN": (
            N_("`docker` on this host is provided by podman"),
            N_(
                "Remove podman-docker and the podman packages that conflict with "
                "Docker, then run again."
            ),
            INSPECT,
        ),
        "USERNS_REMAP": (
            N_("containers could not write to the mounted folders"),
            N_(
                "Remove `userns-remap` from /etc/docker/daemon.json and restart "
                "Docker. Images and containers created with it reappear if it is set "
                "again."
            ),
            INSPECT,
        ),
        "ROOTLESS": (
            N_("the Docker engine is rootless and cannot access the cards"),
            N_(
                "Start the system-wide engine with `systemctl enable --now docker`, "
                "and reset root's `docker context` to the default."
            ),
            INSPECT,
        ),
        "XFS_FTYPE": (
            N_("Docker's storage driver does not work on this file system"),
            N_(
                "Recreate the file system with `mkfs.xfs -n ftype=1`, or set "
                "`data-root` in /etc/docker/daemon.json to a folder on another file "
                "system."
            ),
            INSPECT,
        ),
        "DM_BASESIZE": (
            N_(
                "Docker's devicemapper storage driver gives containers less space than "
                "the image needs"
            ),
            N_(
                'Set "storage-driver": "overlay2" in /etc/docker/daemon.json, or a '
                "larger `dm.basesize` in storage-opts (this requires an empty "
                "data-root). Then run again."
            ),
            INSPECT,
        ),
        "ROOT_SQUASH": (
            N_("root cannot write to a folder on a network file system"),
            N_("Export it with `no_root_squash` and `rw`, or mount a local folder there."),
            INSPECT,
        ),
        "SHARED_FOLDER": (
            N_("two hosts share a folder that mlu-fleet modifies"),
            N_(
                "Give each host its own folder: another path in `mounts`, or another "
                "export mounted there. If the named machine-id no longer belongs to a "
                "host, remove .git/mlufleet-host."
            ),
            INSPECT,
        ),
        "WEIGHTS": (
            N_("the weights on the host do not match the lock file"),
            N_("See the output above."),
            INSPECT,
        ),
        "MIGRATION": (
            N_("the migration tool did not complete"),
            N_("See its output above. Its exit status is unreliable."),
            INSPECT,
        ),
        "PATCH": (
            N_("a patch does not apply"),
            N_(
                "The anchor must occur in the migrated file exactly as often as the "
                "release states. A new file needs its folder, unless it is in a source "
                "tree or in weights."
            ),
            INSPECT,
        ),
        "PACKAGES": (
            N_("packages could not be installed in the container"),
            N_(
                "Check that the wheelhouse contains every dependency for the image's "
                "Python version."
            ),
            INSPECT,
        ),
        "SMOKE_DEVICES": (
            N_("the container cannot compute on every card of the host"),
            N_("Compare the output of `cnmon` on the host and in the container."),
            INSPECT,
        ),
        "SMOKE_ANSWER": (
            N_("the model did not give the expected answer"),
            N_("See the saved output."),
            INSPECT,
        ),
        "SERVE": (
            N_("the model could not be served"),
            N_(
                "See the output. `docker logs --tail 100 CONTAINER` on the host shows "
                "more. A run starts it again."
            ),
            RESTART,
        ),
        "SERVE_LOAD": (
            N_("a server was not ready in time"),
            N_(
                "`docker logs --tail 100 CONTAINER` on the host shows how far it got. "
                "Set `serve.name` of the release if it lists the model by another "
                "name, and raise `serve.load_timeout` if it only needs more time. A "
                "run starts it again."
            ),
            RESTART,
        ),
        "SERVE_CRASHED": (
            N_("a server ended by itself, again and again"),
            N_("`docker logs --tail 100 CONTAINER` on the host shows why. A run starts it again."),
            RESTART,
        ),
        "SERVE_SILENT": (
            N_("a server accepts requests and does not answer them"),
            N_(
                "`docker logs --tail 100 CONTAINER` on the host shows its output. "
                "Check the cards with cnmon. A run starts it again."
            ),
            RESTART,
        ),
        "SERVE_WRONG": (
            N_("a server answers something else than the model should"),
            N_("Ask it yourself. Check weights and patches of the release, and `serve.expect`."),
            INSPECT,
        ),
        "SERVE_CARD": (
            N_("a server cannot use its cards"),
            N_("Check the cards with cnmon, and whether something else uses their memory."),
            INSPECT,
        ),
        "SERVE_STUCK": (
            N_("a server does not end, not even by SIGKILL"),
            N_("Its process is stuck in the kernel, mostly because of a card. Reboot the host."),
            REBOOT,
        ),
        "SERVE_NOT_PROVED": (
            N_("a client did not get what it asked for from a server"),
            N_("See the result that the client printed, and ask the server yourself."),
            INSPECT,
        ),
        "SERVE_SLOW": (
            N_("a server is slower than that of a good host"),
            N_(
                "Test its cards with `mlufleet hardware validate INVENTORY --limit HOST`, "
                "which deploys first and needs idle cards. If the host is as it should be, "
                "record its figures with `mlufleet hardware baseline INVENTORY HOST "
                "--endpoints`."
            ),
            INSPECT,
        ),
        "PORT_TAKEN": (
            N_("a port that a release is to be served on is taken"),
            N_(
                "`ss -ltnp` on the host shows by what. End it, or set another "
                "`serve.port` in the release."
            ),
            INSPECT,
        ),
        "VALIDATION": (
            N_("the vendor's validation suite found a problem"),
            N_(
                "See the output of the named test. If a rate is too low, check the "
                "card's slot, link and temperature. A card that stays slow is faulty."
            ),
            INSPECT,
        ),
        "TRANSFER": (
            N_("a file on the host does not match the lock file after its transfer"),
            N_(
                "If a directory cannot be created, check what occupies its path. "
                "Otherwise run `mlufleet store verify`. Repeated mismatches on one "
                "host point to its disk or memory."
            ),
            INSPECT,
        ),
        "HUNG": (
            N_("a process is stuck in the kernel and cannot be killed"),
            N_("Check `dmesg` and the health of the cards, then power-cycle the server."),
            POWER_CYCLE,
        ),
        "INTERRUPTED": (
            N_("the operator stopped the run before this step"),
            N_("Run again."),
            IGNORE,
        ),
        "HOOK": (
            N_("a site hook failed before or after the host's rollout, or for its quarantine"),
            N_(
                "See its output above. If a rollout's hook before the host fails, the "
                "host is not modified; a mark of quarantine stays as it is."
            ),
            INSPECT,
        ),
        "NO_ROLLBACK_TARGET": (
            N_("there is no previous release to roll back to"),
            N_("Restore the files listed above to the store, or deploy a working release."),
            INSPECT,
        ),
        "ROLLBACK": (
            N_("the new release failed, and rolling back to the old one failed as well"),
            N_("The host is out of service. Fix both failures listed above, then run again."),
            INSPECT,
        ),
        "TIMED_OUT": (
            N_("a step exceeded its time limit"),
            N_("See the output above, then run again."),
            RESTART,
        ),
        "CONNECTION_LOST": (
            N_("the SSH connection was lost during a step"),
            N_("Run again. Completed steps are detected and skipped."),
            RESTART,
        ),
        "INTERNAL": (
            N_("mlu-fleet itself failed on this host"),
            N_("Report this with the output above. Other hosts were not affected."),
            INSPECT,
        ),
        "NOT_RETIRED": (
            N_("what was to be removed from the host is still there"),
            N_(
                "The message names it. Fix the cause, and retire the host again: the "
                "retirement goes on from there."
            ),
            INSPECT,
        ),
        "NOT_PROVED": (
            N_("the stage finished, but the host still differs from the release"),
            N_("Run `mlufleet deploy INVENTORY --limit HOST -vvv` and report the output."),
            INSPECT,
        ),
        "NOT_RECORDED": (
            N_("the host does not have the script that prints its verdict"),
            N_(
                "Place it with `mlufleet deploy INVENTORY --data smoke=record`. Every smoke test "
                "of a run places it as well; hosts that an earlier version provisioned lack it."
            ),
            INSPECT,
        ),
        "HOST_KEY_CHANGED": (
            N_("the host's SSH key differs from the one in known_hosts"),
            N_(
                "Compare the fingerprint with the one shown at the host's console. "
                "Only if they match, remove the old key with `ssh-keygen -R`."
            ),
            INSPECT,
        ),
        "HOST_KEY_UNKNOWN": (
            N_("the host's SSH key is not in known_hosts"),
            N_(
                "Fetch it once with `ssh-keyscan`, compare the fingerprint with the "
                "one shown at the host's console, and add it to known_hosts."
            ),
            INSPECT,
        ),
        "AUTH": (
            N_("the host rejects the login"),
            N_("Check ssh_user and ssh_key in the inventory and authorized_keys on the host."),
            INSPECT,
        ),
        "SSH_KEY": (
            N_("the private key cannot be used to log in"),
            N_(
                "If the key has a passphrase, run `ssh-add` before the run or set "
                "`ssh_key_password`. Otherwise set `ssh_key` to the private key of an "
                "OpenSSH key pair that the operator can read."
            ),
            INSPECT,
        ),
        "SSH_ALGORITHMS": (
            N_("the host's sshd and mlu-fleet have no SSH algorithm in common"),
            N_(
                "Check `KexAlgorithms`, `Ciphers`, `MACs` and `HostKeyAlgorithms` in "
                "its sshd_config. Allow curve25519-sha256@libssh.org, aes256-ctr, "
                "hmac-sha2-256-etm@openssh.com and ssh-ed25519."
            ),
            INSPECT,
        ),
        "UNREACHABLE": (
            N_("no SSH connection could be established"),
            N_("Check address, port, key and known_hosts."),
            INSPECT,
        ),
        "FILE_MISSING": (
            N_("a file of the release is missing from the store"),
            N_(
                "Run `mlufleet gather RELEASE`: it downloads what it can, and says where "
                "the rest comes from and belongs."
            ),
            INSPECT,
        ),
        "CHECKSUM_MISMATCH": (
            N_("a file in the store does not match the lock file"),
            N_(
                "Move it away and fetch or copy it again. Run `mlufleet release lock` "
                "only to accept the new file."
            ),
            INSPECT,
        ),
        "FETCH": (
            N_("a file could not be downloaded"),
            N_(
                "Check the URL, the proxy (https_proxy) and the network, then run "
                "again. The download resumes."
            ),
            INSPECT,
        ),
        "DOWNLOAD_MISMATCH": (
            N_("the downloaded file does not match the lock file"),
            N_(
                "Ask the operator of the URL. The file has been replaced there, or the "
                "URL is wrong."
            ),
            INSPECT,
        ),
        "DOWNLOAD_LOGIN": (
            N_("the server requires a login, or does not grant access"),
            N_(
                "For Hugging Face, set HF_TOKEN or run `hf auth login`, and accept the "
                "terms on the page of the model. For ModelScope, set "
                "MODELSCOPE_API_TOKEN. For other servers, put user and password into "
                "the URL."
            ),
            INSPECT,
        ),
        "ORIGIN_MISMATCH": (
            N_("the downloaded file does not match the checksum that its origin publishes"),
            N_(
                "Run `mlufleet gather` again. If it happens again, a proxy or mirror "
                "changes files: use another one."
            ),
            INSPECT,
        ),
        "STORE_DIFFERS": (
            N_("a file in the store differs from the one at its origin"),
            N_(
                "If it is an unfinished or wrong download, move it away and run "
                "`mlufleet gather` again. If it is meant to differ, keep it and run "
                "`mlufleet release lock`."
            ),
            INSPECT,
        ),
        "MODEL_NOT_FOUND": (
            N_("the model hub has no such model or revision"),
            N_(
                "Correct the model's name or revision in `weights` of the release. A "
                "private model needs a token: HF_TOKEN or MODELSCOPE_API_TOKEN."
            ),
            INSPECT,
        ),
        "GIT_FETCH": (
            N_("a git repository could not be fetched"),
            N_(
                "Check the URL, the proxy (https_proxy, or git's `http.proxy`) and the "
                "login, or name a mirror with `--git-mirror`, then run again. The "
                "fetch continues."
            ),
            INSPECT,
        ),
        "REVISION_NOT_FOUND": (
            N_("a git repository does not have the revision of the release"),
            N_(
                "Correct the commit, tag or branch in `sources` of the release, or its "
                "URL. A mirror may be out of date."
            ),
            INSPECT,
        ),
        "WHEELS_UNAVAILABLE": (
            N_("packages cannot be gathered as wheels"),
            N_(
                "Build the named wheels in the image, or get them from the vendor's "
                "support, and put them into the wheelhouse. Resolve conflicts of "
                "versions in the release."
            ),
            INSPECT,
        ),
        "PYTHON_UNKNOWN": (
            N_("the Python version of the image is unknown"),
            N_("Put the image archive into the store, or give the version with `--python 3.10`."),
            INSPECT,
        ),
        "BUNDLE_UNSIGNED": (
            N_("the bundle is not signed"),
            N_(
                "Get a signed bundle (`mlufleet bundle --sign KEY`). Use `--unsigned` "
                "only for a bundle you made yourself."
            ),
            INSPECT,
        ),
        "BUNDLE_SIGNER": (
            N_("the bundle is signed with a key that is not allowed"),
            N_(
                "Find out who made it. Add the key to the file of allowed signers only "
                "if you trust it."
            ),
            INSPECT,
        ),
        "BUNDLE_SIGNATURE": (
            N_("the signature does not match the bundle's manifest"),
            N_(
                "The bundle was modified or corrupted after it was signed. Copy it "
                "again, or ask its author."
            ),
            INSPECT,
        ),
        "BUNDLE_TRUNCATED": (
            N_("the bundle is truncated"),
            N_("Copy it again, then repeat the command. Files that are already unpacked are kept."),
            INSPECT,
        ),
        "BUNDLE_FILE": (
            N_("a file in the bundle does not match its manifest"),
            N_(
                "Copy the bundle again, then repeat the command. Files that are "
                "already unpacked are kept."
            ),
            INSPECT,
        ),
        "BUNDLE_MEMBER": (
            N_("the bundle contains an unexpected entry"),
            N_("It was not made by `mlufleet bundle`, or has been modified since. Ask its author."),
            INSPECT,
        ),
        "BUNDLE_EXISTS": (
            N_("the folder already has a different file with the name of one in the bundle"),
            N_("Unpack into a new folder, or move the named file away."),
            INSPECT,
        ),
    }.items()
}

#: Text that programs print -> the code that explains it better than the failed step does. Scripts
#: on hosts run with LC_ALL=C; programs that ignore it may print Chinese.
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


def canonical_code(code: str) -> str:
    """Return the current name of a failure code.

    Args:
        code: A code, possibly one that an older version wrote.

    Returns:
        The current name; `code` itself if it has not been renamed.
    """
    return CODE_ALIASES.get(code, code)
