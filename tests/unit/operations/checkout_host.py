"""A host with one checkout, on the controller: its scripts, run with real git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from operations.host.facts import ReleaseFacts
from operations.host.scripts import script_text
from tests.unit.conftest import BARE, probe
from tests.unit.operations.stage_helpers import only
from tests.waiting import PATIENCE_S

#: where the host's scripts find git; HOST_GIT may name a folder with an old one, such as 1.8
HOST_PATH = ":".join(filter(None, (os.environ.get("HOST_GIT"), os.environ["PATH"])))


class Host:
    """A host with one checkout, of an upstream beside it."""

    def __init__(self, root: Path) -> None:
        self.root, self.path, self.upstream = root, root / "work/model", root / "upstream"
        self.home = root / "home"
        #: our own files inside
        self.patterns: list[str] = []
        #: commits of the upstream, for tests that need two
        self.base = self.wanted = ""
        self.script = script_text("source").replace("/var/lib/mlufleet", str(root / "state"))
        for folder in (self.upstream, self.home, root / "hooks", root / "template/hooks"):
            folder.mkdir(parents=True)
        for hook in (root / "hooks/post-checkout", root / "template/hooks/post-checkout"):
            hook.write_text("#!/bin/sh\necho no checkouts on fridays >&2; exit 1\n")
            hook.chmod(0o755)
        (root / "attributes").write_text("* text eol=crlf\n")
        (root / "ignore").write_text("*.new\n")
        # slow beside other work, and no power fails in these tests
        (root / "bin").mkdir()
        (root / "bin/sync").write_text("#!/bin/sh\n")
        (root / "bin/sync").chmod(0o755)
        self.search_path = f"{root}/bin:{HOST_PATH}"
        self.git("init", "-q", "-b", "main")
        self.first = self.commit("one\n")

    def git(self, *words: str, at: Path | None = None) -> str:
        clean = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "GIT_CONFIG_NOSYSTEM": "1"}
        words = ("git", "-c", "user.name=a", "-c", "user.email=a@b", *words)
        return subprocess.run(
            words, cwd=at or self.upstream, env=clean, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self, text: str) -> str:
        (self.upstream / "a.py").write_text(text)
        (self.upstream / ".gitattributes").write_text("*.bin filter=lfs\n")
        (self.upstream / "weights.bin").write_text("version https://git-lfs.github.com/spec/v1\n")
        self.git("add", ".")
        self.git("commit", "-qm", "text")
        return self.git("rev-parse", "HEAD")

    def run(self, script: str, *words: str) -> str:
        """What another script says that is about the checkout, and succeeds."""
        text = script_text(script).replace("/var/lib/mlufleet", str(self.root / "state"))
        env = {"PATH": self.search_path, "HOME": str(self.home)}
        command = ["sh", "-c", text, script, *words]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE_S)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def begin(self, commit: str, run: str = "run1", **more: str) -> subprocess.Popen[str]:
        words = [
            "sh",
            "-c",
            f"WHO='{run}\tme'\n{self.script}",
            "source",
            str(self.path),
            more.pop("origin", str(self.upstream)),
            commit,
            "",
            more.pop("keep", "keep"),
            *self.patterns,
        ]
        env = {"PATH": self.search_path, "HOME": str(self.home), **more}
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            cwd="/",
            stderr=subprocess.STDOUT,
            text=True,
            env=env,
        )

    def pin(self, commit: str, **more: str) -> str:
        """Bring the checkout to a commit; returns what was said."""
        process = self.begin(commit, **more)
        said, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, said
        assert self.git("rev-parse", "HEAD", at=self.path) == commit
        assert self.git("status", "--porcelain", at=self.path) == ""
        return said

    def refuse(self, commit: str, **more: str) -> str:
        """What it says last where it does not come to a commit."""
        process = self.begin(commit, **more)
        said, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode, said
        return said.splitlines()[-1]

    def probe(self, *files: str, pin: str = "", **more: str) -> ReleaseFacts:
        """What the probe says of the checkout, if a release patches these files in it."""
        ours = " ".join(f"{self.path}:{pattern}" for pattern in self.patterns)
        script = script_text("lib/git") + script_text("lib/checkout-facts")
        script = f"""{script.replace("/var/lib/mlufleet", str(self.root / "state"))}
            state={self.root}/state
            N='\n'
            say() {{ printf '%s|' "$@"; echo; }}
            SOURCES={self.path}:{pin or self.first} FILES='{" ".join(files)}' OURS='{ours}'
            KNOWN=image.tar.gz
            observe_sources"""
        env = {"PATH": self.search_path, "HOME": str(self.home), **more}
        done = subprocess.run(["sh", "-c", script], env=env, capture_output=True, text=True)
        lines = [line.removesuffix("|") for line in done.stdout.splitlines()]
        return only(probe(*BARE, *lines))
