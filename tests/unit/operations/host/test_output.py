"""What a banner, a model, another user of a host or the host itself may print to mislead us."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyinfra.api import StringCommand

from operations.host import connection, failures, file_edit, scripts
from operations.host import output as host_output
from operations.host.context import run_context
from operations.host.output import (
    MAX_LINE_BYTES,
    MAX_OUTPUT_BYTES,
    TAG,
    neutralize_untagged,
    tag_directives,
)
from operations.host.probe import probe_command
from operations.host.probe_parser import BEGIN_MARKER, END_MARKER, parse
from operations.transfer import ssh_stream
from operations.transfer.upload import Upload
from tests.unit.conftest import DRIVEN, probe
from tests.unit.fuzz import ANY_TEXT


class Stream:
    """Bytes as a channel hands them out."""

    def __init__(self, *blocks: bytes) -> None:
        self.blocks, self.stopped, self.served = list(blocks), False, 0

    def receive(self, size: int) -> bytes:
        block, rest = self.blocks[0][:size] if self.blocks else b"", b""
        if self.blocks:
            rest = self.blocks.pop(0)[size:]
        if rest:
            self.blocks.insert(0, rest)
        self.served += len(block)
        return block

    def close(self) -> None:
        self.stopped = True


def printed(*blocks: bytes) -> list[str]:
    """What the controller makes of a command's output over SSH."""
    stream = Stream(*blocks)
    return list(host_output.DecodedOutput(stream, stream.receive))


def test_a_word_without_the_mark_of_this_run_is_text() -> None:
    output = (
        "@@code LOCKED\n@@answer 42\n@@code.0123456789abcdef HUNG\n"
        f"{tag_directives('@@code')} NO_SPACE\n"
    )
    assert printed(output.encode()) == [
        " @@code LOCKED",
        " @@answer 42",
        " @@code.0123456789abcdef HUNG",
        "@@code NO_SPACE",
    ]


def test_our_word_stands_alone_whatever_a_log_left_before_it() -> None:
    assert printed(b"no end of line" + tag_directives("@@code LOCKED").encode()) == [
        "no end of line",
        "@@code LOCKED",
    ]


BANNER = b"Authorized users only.\nkept what was at /\n@@mlufleet-command\n"


@pytest.mark.parametrize(
    ("command", "lines", "reason"),
    [
        ("exit 1", [], "no output"),
        ("printf 'a\nb'", ["a", "b"], "b"),
        ("printf 'a\nb' >&2; exit 1", ["a", "b"], "b"),
    ],
)
def test_what_a_login_shell_prints_is_no_output_of_a_command(
    command: str, lines: list[str], reason: str
) -> None:
    script = host_output.mark_output(command)
    done = subprocess.run(["sh", "-c", script], capture_output=True)
    output = [line for said in (done.stdout, done.stderr) for line in printed(BANNER, said)]
    assert output == lines
    assert failures.failure_from_output("CONTAINER", output).sentence.endswith(f": {reason}")


def test_where_both_streams_are_one_no_marker_is_output() -> None:
    script = f"{{ {host_output.mark_output('echo a; echo b >&2')}\n}} 2>&1"
    done = subprocess.run(["sh", "-c", script], capture_output=True)
    assert printed(BANNER, done.stdout) == ["a", "b"]


def test_where_no_command_begins_a_login_shell_says_why() -> None:
    refusal = b"This account is currently not available.\n"
    assert printed(BANNER, refusal) == [
        *("Authorized users only.", "kept what was at /", " @@mlufleet-command"),
        refusal.decode().strip(),
    ]


@pytest.mark.parametrize("name", sorted(p.stem for p in scripts.SCRIPTS_DIR.glob("*.sh")))
def test_every_word_of_every_script_carries_the_mark(name: str) -> None:
    command = str(scripts.script_command(name).get_raw_value())
    assert (
        command.count("@@")
        == command.count(f".{TAG.value}")
        == scripts.script_text(name).count("@@")
    )


def test_the_probes_frame_carries_the_mark() -> None:
    words = str(probe_command("").get_raw_value())
    assert f"{BEGIN_MARKER}.{TAG.value}" in words and f"{END_MARKER}.{TAG.value}" in words


def test_a_probe_in_the_banner_of_a_host_is_none() -> None:
    """With uid 0 and a driver that is not there; after it, its own probe fails."""
    forged = [BEGIN_MARKER, *(line.replace("|", "\t") for line in DRIVEN), END_MARKER]
    with pytest.raises(ValueError, match="markers are not in its output"):
        parse(printed("\n".join(forged).encode()), 0)


def test_a_process_whose_name_has_tabs_and_line_ends_is_one_field(tmp_path: Path) -> None:
    text = scripts.read_script("probe")
    first = next(line for line in text.splitlines() if line.startswith("first() "))
    say = next(line for line in text.splitlines() if line.startswith("say() "))
    (tmp_path / "7").mkdir()
    (tmp_path / "7/comm").write_text("a\tb\nuid\t7\n")
    (tmp_path / "7/cgroup").write_text("0::/user.slice\n")
    script = f"T=$(printf '\\t')\n{first}\n{say}\n{scripts.read_script('lib/card-users')}\nholder 7"
    script = script.replace("/proc/", f"{tmp_path}/")
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip("\t\n") == "holder\t7\ta"


def test_a_first_line_that_cannot_be_read_is_nothing() -> None:
    text = scripts.read_script("probe")
    first = next(line for line in text.splitlines() if line.startswith("first() "))
    script = f"line=before\n{first}\nfirst /nowhere"
    assert subprocess.run(["sh", "-c", script], capture_output=True).stdout == b""


@pytest.mark.parametrize("what", [b"x" * (1 << 20), b"\n" * (1 << 20), b"y\n" * (1 << 19)])
def test_output_without_end_is_left_and_said(what: bytes) -> None:
    stream = Stream()
    endless = iter(lambda: what, None)
    found = list(host_output.decode_lines(lambda size: next(endless)[:size], stream.close))
    assert stream.stopped and f"longer than {MAX_OUTPUT_BYTES >> 20} MiB" in found[-1]
    assert (
        max(map(len, found)) <= MAX_LINE_BYTES + host_output.READ_BYTES
        and len(found) <= host_output.MAX_LINES + 1
    )


def test_a_line_without_end_is_cut_and_the_next_one_is_whole() -> None:
    found = printed(b"x" * (3 * MAX_LINE_BYTES), b"y" * 100 + b"\nnext\n", b"last")
    assert len(found) == 3 and found[1:] == ["next", "last"]
    assert len(found[0]) <= MAX_LINE_BYTES + host_output.READ_BYTES


@given(st.binary(max_size=300), st.integers(1, 50))
def test_lines_are_the_same_however_they_are_cut_into_packets(data: bytes, size: int) -> None:
    blocks = [data[i : i + size] for i in range(0, len(data), size)]
    assert printed(*blocks) == printed(data)
    assert not any(line.startswith("@@") for line in printed(data))


def test_a_host_that_never_ends_a_command_is_left_after_its_time() -> None:
    asked: dict[str, Any] = {}

    def run(command: object, **named: Any) -> Any:
        asked.update(named)
        raise TimeoutError

    host: Any = SimpleNamespace(
        state=SimpleNamespace(print_output=False, print_input=False),
        run_shell_command=run,
        connector=SimpleNamespace(),
    )
    ok, output = connection.run_command(
        host, scripts.script_command("read-file", "/x", timeout=5), {"_sudo": True}
    )
    assert asked["_timeout"] == 5 + connection.SCRIPT_GRACE_S and asked["_sudo"] is True
    assert not ok and output.output_lines[0] == "@@code TIMED_OUT"
    connection_without = StringCommand("true")
    assert connection.run_command(host, connection_without, {})[0] is False


@pytest.mark.parametrize(
    "fields",
    [
        "",
        "|||||",
        "run|me@here|now|-5|why",
        "run|me@here|now|9999999999|why",
        "run|me|now|1e3|why",
        "run|me|now|٣|why",
        "run|me|now|20|why|extra|20",
        "a b|me|now|20|why",
        "garbage",
        "run|me|now|20|why|-3",
    ],
)
def test_a_damaged_or_forged_lock_is_one_that_cannot_be_read(fields: str) -> None:
    said = f"lock|{fields}" if fields.endswith("-3") else f"lock|{fields}|3"
    state = probe(said)
    assert state.lock is not None
    assert (state.lock.run, state.lock.lease, state.lock.age) == ("?", 0, 0)
    assert "damaged" in state.lock.why


@pytest.mark.parametrize(
    "line",
    [
        "uid|٠",
        "uid|1_0",
        "uid| 0",
        "uid|-1",
        "clock|-5",
        "clock|1e9",
        "card|; reboot|0x1|01|54",
        "kernel|$(reboot)|x86_64",
        "kernel|a b|x86_64",
        "next|../../x",
        "holder|-1|python|",
        "holder|0|python|",
        "source|/a|ab|-1",
        "part|a|-1",
        "root|relative",
        "running|x|5.10|y",
        "job|r|o|s|t|soon",
        "disk|/|nan",
        "stamp|good|" + "x" * 5000,
    ],
)
def test_what_no_probe_prints_is_not_believed(line: str) -> None:
    with pytest.raises(ValueError, match="the probe printed"):
        probe(line)


def test_a_probe_of_more_lines_than_a_host_has_things_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 100,000 lines"):
        parse([BEGIN_MARKER, *["node\t/dev/cambricon_dev0"] * 100_001, END_MARKER], 0)


@given(st.lists(st.one_of(ANY_TEXT, st.sampled_from(["@@begin", "@@end", "eA=="])), max_size=8))
def test_a_file_that_a_host_shows_is_base64_or_none(said: list[str]) -> None:
    assert isinstance(file_edit.decode_content(said), bytes | None)


NUMBERS = st.sampled_from(["0", "-1", "9" * 30, "٣", "x", "", "12"])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["want", "right", "wrong", "broken", "kept"]),
            st.one_of(NUMBERS, ANY_TEXT),
            NUMBERS,
        ),
        max_size=6,
    )
)
def test_answers_of_a_host_to_an_upload_name_only_what_was_asked(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[str, str, str]]
) -> None:
    upload = Upload("x", [(Path(__file__), "/data/x", "ab" * 32)])
    answer = [" ".join(words) for words in said]
    host: Any = SimpleNamespace(name="a", state=SimpleNamespace())
    upload._run_place_files = lambda *_: (True, answer)  # type: ignore[method-assign]
    wanted, failed = upload._begin(host, {})  # type: ignore[arg-type]
    assert wanted.keys() <= upload.files.keys()
    assert all(0 <= there < 1 << 63 for there in wanted.values()) and isinstance(failed, list)


def test_a_mark_of_before_is_none_any_more() -> None:
    line = tag_directives("@@code LOCKED")
    assert neutralize_untagged(line) == ["@@code LOCKED"]
    TAG.renew()
    assert neutralize_untagged(line) == [f" {line}"]
    assert neutralize_untagged(tag_directives("@@code LOCKED")) == ["@@code LOCKED"]


def test_a_model_that_speaks_like_a_script_is_not_heard() -> None:
    heard: list[Any] = []
    host: Any = SimpleNamespace(name="a", print_prefix="", state=SimpleNamespace())
    listeners = run_context(host).events.listeners
    listeners.append(heard.append)
    output = printed(b"@@answer forged\n@@lock free\n@@code CARD_BUSY\n")
    failures.relay_output(host, output)
    assert not heard
    assert failures.failure_from_output("CONTAINER", output).code == "CONTAINER"
    failures.fail_host(host, failures.failure_from_output("CONTAINER", ["x" * 1_000_000] * 50))
    assert len(str(heard[0])) < 100_000


class Deaf(contextlib.AbstractContextManager[Any]):
    """A channel whose other end takes nothing, or ends nothing, or fails with a long banner."""

    def __init__(self, how: str) -> None:
        self.how, self.status_event = how, threading.Event()
        self.said = [b"Welcome!\n" * 100_000, b"dd: No space left on device\n", b""]
        if how == "fails":
            self.status_event.set()

    def __exit__(self, *_: object) -> None: ...

    def sendall(self, block: memoryview) -> None:
        if self.how == "takes nothing":
            gevent.sleep(60)

    def settimeout(self, seconds: float) -> None: ...

    def shutdown_write(self) -> None: ...

    def recv_exit_status(self) -> int:
        return 1

    def recv_stderr(self, size: int) -> bytes:
        return self.said.pop(0)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("takes nothing", "accepted nothing"),
        ("ends nothing", "did not finish"),
        ("fails", "No space left on device"),
    ],
)
def test_a_host_that_takes_no_file_holds_the_controller_for_a_bounded_time(
    how: str, why: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "x").write_bytes(b"x" * 100)
    monkeypatch.setattr(ssh_stream, "STALL_TIMEOUT_S", 0.2)
    monkeypatch.setattr(ssh_stream.connection, "open_stream", lambda *_: Deaf(how))
    monkeypatch.setattr(ssh_stream.connection, "is_lost", lambda *_: False)
    host: Any = SimpleNamespace(name="a")
    said = ssh_stream.write_ranges(
        host, tmp_path / "x", "/x", [(0, 100)], ssh_stream.TransferProgress(100)
    )
    assert why in " ".join(said) and len(" ".join(said)) < 10_000
