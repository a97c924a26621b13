from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from fleet.release.lockfile import LockedFile
from fleet.release.target import ReleaseTarget
from fleet.store import download, fetch, http
from fleet.store.progress_bar import ProgressBar
from fleet.store.required_files import StoreFile, for_releases
from fleet.store.verify import FileProblem
from fleet.text.redact import hide_credentials
from mlufleet.cli.main import main
from tests.unit.server import Site, serving

CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def web() -> Iterator[Site]:
    with serving() as site:
        site.files["/big"] = CONTENT
        yield site


def fetched(web: Site, store: Path, content: bytes = CONTENT) -> list[FileProblem]:
    locked = LockedFile(sha256=hashlib.sha256(content).hexdigest(), size=len(content))
    with ProgressBar("", 0, quiet=True) as told:
        return fetch.fetch_files(
            [StoreFile("sub/big", locked, f"{web.url}/big")], store, told, retry_delay_s=0
        )


def test_a_file_comes_whole_and_leaves_nothing_beside_it(web: Site, tmp_path: Path) -> None:
    assert fetched(web, tmp_path) == []
    assert [(p.name, p.read_bytes()) for p in (tmp_path / "sub").iterdir()] == [("big", CONTENT)]
    assert fetched(web, tmp_path) == [] and len(web.asked) == 1


def test_an_answer_that_was_cut_goes_on_where_it_was(web: Site, tmp_path: Path) -> None:
    web.cuts = [1000, 2000]
    assert fetched(web, tmp_path) == []
    assert web.asked == [None, "bytes=1000-", "bytes=3000-"]
    assert (tmp_path / "sub/big").read_bytes() == CONTENT


def test_another_run_goes_on_and_begins_anew_where_the_file_was_replaced(
    web: Site, tmp_path: Path
) -> None:
    web.cuts, web.statuses = [1000], []
    part = tmp_path / "sub/big.part"
    part.parent.mkdir()
    with pytest.raises(http.TransientError):
        http.download_file(f"{web.url}/big", part, len(CONTENT), lambda _: None)
    web.tag, web.files["/big"] = '"two"', CONTENT[::-1]
    assert fetched(web, tmp_path, CONTENT[::-1]) == []
    assert web.asked == [None, "bytes=1000-"]


def test_a_spoilt_beginning_of_an_earlier_run_is_fetched_again(web: Site, tmp_path: Path) -> None:
    web.cuts = [1000]
    part = tmp_path / "sub/big.part"
    part.parent.mkdir()
    with pytest.raises(http.TransientError):
        http.download_file(f"{web.url}/big", part, len(CONTENT), lambda _: None)
    part.write_bytes(b"x" * 1000)
    assert fetched(web, tmp_path) == []
    assert web.asked == [None, "bytes=1000-", None]


def test_another_file_than_the_locks_never_has_its_name(web: Site, tmp_path: Path) -> None:
    (found,) = fetched(web, tmp_path, CONTENT[::-1])
    assert found.failure.code == "DOWNLOAD_MISMATCH"
    assert list((tmp_path / "sub").iterdir()) == [] and len(web.asked) == 1


def test_a_longer_answer_is_given_up(web: Site, tmp_path: Path) -> None:
    (found,) = fetched(web, tmp_path, CONTENT[:-1])
    assert found.failure.code == "FETCH" and "more than" in found.failure.detail


def test_a_busy_server_is_asked_again_and_a_404_is_not(web: Site, tmp_path: Path) -> None:
    web.statuses = [503, 429]
    assert fetched(web, tmp_path / "a") == [] and len(web.asked) == 3
    web.files.clear()
    (found,) = fetched(web, tmp_path / "b")
    assert "404" in found.failure.detail and len(web.asked) == 4


def test_tries_that_bring_nothing_end(web: Site, tmp_path: Path) -> None:
    web.statuses = [503] * 50
    (found,) = fetched(web, tmp_path)
    assert found.failure.code == "FETCH" and len(web.asked) == download.MAX_ATTEMPTS


def test_a_file_that_is_there_and_wrong_is_told_and_kept(web: Site, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/big").write_bytes(b"mine")
    (found,) = fetched(web, tmp_path)
    assert found.failure.code == "CHECKSUM_MISMATCH" and web.asked == []
    assert (tmp_path / "sub/big").read_bytes() == b"mine"


def test_the_command_takes_urls_and_the_mirror_and_names_what_has_neither(
    web: Site, site: Path, wanted: ReleaseTarget
) -> None:
    path, store = site / "small.yml", site / "store"
    text = path.read_text()
    text = text.replace("{file: driver.deb,", f"{{file: driver.deb, url: '{web.url}/d?v=1',")
    text = text.replace("folder: weights,", f"folder: weights, url: '{web.url}/hf/',")
    path.write_text(text)
    urls = {file.name: file.url for file in for_releases([str(path)]).files}
    assert urls["weights/model.bin"] == f"{web.url}/hf/model.bin" and urls["driver.rpm"] is None
    deb, rpm = ((store / name).read_bytes() for name in ("driver.deb", "driver.rpm"))
    web.files |= {"/d?v=1": deb, "/m/driver.rpm": rpm}
    for name in ("driver.deb", "driver.rpm"):
        (store / name).unlink()
    words = ["fetch", str(path), "--store", str(store), "--only", "driver.*"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 3 and wanted.lock.files["driver.rpm"].sha256 in done.stdout
    assert (store / "driver.deb").read_bytes() == deb
    path.write_text(f"{text}mirror: {web.url}/m\n")
    assert CliRunner().invoke(main, words).exit_code == 0
    assert (store / "driver.rpm").read_bytes() == rpm


def test_a_url_that_is_none_is_told_with_its_line(site: Path, wanted: ReleaseTarget) -> None:
    path = site / "small.yml"
    path.write_text(f"{path.read_text()}mirror: file:///etc\n")
    done = CliRunner().invoke(main, ["fetch", str(path)])
    assert (
        done.exit_code == 3
        and "small.yml:28: mirror: " in done.stderr
        and "'file:///etc'" in done.stderr
    )


def get(web: Site, url: str, part: Path) -> list[str]:
    said = list[str]()
    http.download_file(url, part, len(CONTENT), lambda count: None, said.append)
    return said


@pytest.mark.parametrize(
    "to", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x/", "data:,x"]
)
def test_an_answer_that_leads_away_from_the_web_is_not_followed(
    web: Site, tmp_path: Path, to: str
) -> None:
    web.moved["/big"] = to
    with pytest.raises(http.PermanentError):
        get(web, f"{web.url}/big", tmp_path / "part")
    assert not (tmp_path / "part").exists()


def test_user_and_password_go_to_the_server_that_they_are_for_alone(
    web: Site, tmp_path: Path
) -> None:
    with serving() as other:
        other.files["/there"] = CONTENT
        web.moved["/big"] = f"{other.url}/there"
        url = web.url.replace("http://", "http://me:p%40ss@")
        get(web, f"{url}/big", tmp_path / "part")
        assert web.logins == [("/big", "Basic bWU6cEBzcw==")]
        assert other.logins == [("/there", None)]
    assert (tmp_path / "part").read_bytes() == CONTENT


@pytest.mark.parametrize("status", [404, 500])
def test_what_logs_in_is_shown_nowhere(web: Site, tmp_path: Path, status: int) -> None:
    web.statuses += [status] * 20
    url = web.url.replace("http://", "http://me:secret@") + "/big?X-Signature=secret"
    locked = LockedFile(sha256="0" * 64, size=5)
    with ProgressBar("", 0, quiet=True) as told:
        lines = list[str]()
        told.print_line = lines.append  # type: ignore[method-assign]
        (found,) = fetch.fetch_files(
            [StoreFile("big", locked, url)], tmp_path, told, retry_delay_s=0
        )
    assert "127.0.0.1" in found.failure.detail
    assert "secret" not in found.failure.detail + "".join(lines)
    assert lines[0].startswith("plain http (127.0.0.1:")


def test_what_was_begun_is_remembered_without_its_address(web: Site, tmp_path: Path) -> None:
    web.cuts.append(1000)
    url = web.url.replace("http://", "http://me:secret@")
    with pytest.raises(http.TransientError):
        get(web, f"{url}/big", tmp_path / "part")
    assert "secret" not in (tmp_path / "part.from").read_text()
    get(web, f"{url}/big", tmp_path / "part")
    assert web.asked[-1] == "bytes=1000-" and (tmp_path / "part").read_bytes() == CONTENT


@pytest.mark.parametrize("url", ["http://127.0.0.1:port/x", "http://a b/", "http://[::1/x"])
def test_an_address_that_is_none_is_told_once(tmp_path: Path, url: str) -> None:
    with pytest.raises(http.PermanentError, match="invalid URL"):
        http.download_file(url, tmp_path / "part", 5, lambda count: None)


@pytest.mark.parametrize("url", ["https://me:secret@x:port/", "https://[::1/x", "https://x:0/"])
def test_an_address_of_a_release_that_is_none_is_refused_with_its_line(
    site: Path, url: str
) -> None:
    path = site / "small.yml"
    path.write_text(f"{path.read_text()}mirror: '{url}'\n")
    done = CliRunner().invoke(main, ["fetch", str(path)])
    assert done.exit_code == 3 and ": mirror: " in done.output
    assert "secret" not in done.output and f"{path}:" in done.output


@given(
    st.text(max_size=30),
    st.sampled_from(["https://me:{}@x/y", "ssh://{}@x", "http://x/?a={}"]),
    st.from_regex(r"\A[A-Za-z0-9%_.-]{8,20}\Z"),
)
def test_no_text_shows_what_logs_in(text: str, address: str, secret: str) -> None:
    said = hide_credentials(f"{text.replace(secret, '')} {address.format(secret)} {text}")
    assert secret not in said or secret in text
