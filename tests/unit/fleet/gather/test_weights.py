"""Weights are gathered from servers with the routes of Hugging Face and ModelScope."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.gather import weights
from fleet.gather.model_files import ModelFile, select_needed
from fleet.gather.work import GatherError, GatherOptions, PlanRow
from fleet.release.model import Weights
from fleet.store.progress_bar import ProgressBar
from tests.unit.fleet.gather.hub_server import COMMIT, Hub

BIG = bytes(range(256)) * 800
FILES = {
    "config.json": b"{}",
    "modeling_tiny.py": b"import torch\n",
    "model.safetensors": BIG,
    "pytorch_model.bin": b"x" * 50_000,
    "README.md": b"# tiny",
    "tokenizer/tokenizer.model": b"t" * 1000,
}
NEEDED = {"config.json", "model.safetensors", "modeling_tiny.py", "tokenizer/tokenizer.model"}


@pytest.fixture(autouse=True)
def model(hub: Hub) -> None:
    hub.files = dict(FILES)


def task(store: Path, **fields: object) -> weights.WeightsTask:
    common = {"name": "tiny", "folder": "weights/tiny", "target": "/data/tiny"}
    entry, options = Weights.model_validate(common | fields), GatherOptions(retry_delay_s=0)
    find_model = weights.find_origin(entry, options)
    assert find_model
    return weights.WeightsTask(entry, find_model, store, options)


def gather(found: weights.WeightsTask) -> bool:
    with ProgressBar("", 0, quiet=True) as progress:
        return found.gather(progress)


def codes(found: weights.WeightsTask) -> dict[str, str]:
    with pytest.raises(GatherError) as failed:
        gather(found)
    return {p.name: p.failure.code for p in failed.value.problems}


def names(store: Path) -> set[str]:
    folder = store / "weights/tiny"
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(params=["huggingface", "modelscope"])
def origin(request: pytest.FixtureRequest) -> dict[str, object]:
    """The field of the release that names the model."""
    return {request.param: "owner/tiny"}


def test_what_loading_needs_arrives_once(
    hub: Hub, tmp_path: Path, origin: dict[str, object]
) -> None:
    found = task(tmp_path, **origin)
    row = found.plan()
    assert (row.state, row.size) == ("missing", sum(len(FILES[name]) for name in NEEDED))
    assert not names(tmp_path)
    assert gather(found) and names(tmp_path) == NEEDED
    assert (tmp_path / "weights/tiny/model.safetensors").read_bytes() == BIG
    hub.asked.clear()
    again = task(tmp_path, **origin)
    assert (again.plan().state, again.plan().size) == ("present", 0)
    assert not gather(again) and not hub.downloads


def test_a_download_that_is_cut_continues(
    hub: Hub, tmp_path: Path, origin: dict[str, object]
) -> None:
    hub.cuts = [len(FILES["config.json"]), 70_000, 1000]
    assert gather(task(tmp_path, **origin)) and names(tmp_path) == NEEDED
    ranges = [asked for path, asked in hub.asked if asked and "/resolve/" not in path]
    assert ranges == ["bytes=70000-", "bytes=71000-"]


def test_a_server_without_versions_is_continued_because_there_is_a_checksum(
    hub: Hub, tmp_path: Path
) -> None:
    hub.has_versions, hub.cuts = False, [2, 70_000]
    assert gather(task(tmp_path, modelscope="owner/tiny"))
    assert [asked for _, asked in hub.asked if asked] == ["bytes=70000-"]
    assert (tmp_path / "weights/tiny/model.safetensors").read_bytes() == BIG


def test_another_content_than_published_gets_no_name(
    hub: Hub, tmp_path: Path, origin: dict[str, object]
) -> None:
    hub.published = {"model.safetensors": BIG[::-1]}
    assert codes(task(tmp_path, **origin)) == {"weights/tiny/model.safetensors": "ORIGIN_MISMATCH"}
    assert names(tmp_path) == NEEDED - {"model.safetensors"}


def test_a_small_file_is_compared_by_its_id_in_git(hub: Hub, tmp_path: Path) -> None:
    hub.published = {"modeling_tiny.py": b"import flax \n"}
    found = codes(task(tmp_path, huggingface="owner/tiny"))
    assert found == {"weights/tiny/modeling_tiny.py": "ORIGIN_MISMATCH"}


def test_a_login_page_is_no_model(hub: Hub, tmp_path: Path, origin: dict[str, object]) -> None:
    hub.login_page = True
    assert codes(task(tmp_path, **origin)) == {"weights/tiny": "FETCH"}


@pytest.mark.parametrize("model", ["owner/none", "owner/tiny@v9"])
def test_a_model_or_revision_that_is_not_there(
    hub: Hub, tmp_path: Path, origin: dict[str, object], model: str
) -> None:
    found = task(tmp_path, **dict.fromkeys(origin, model))
    assert codes(found) == {"weights/tiny": "MODEL_NOT_FOUND"}


def test_a_gated_model_asks_for_a_login(hub: Hub, tmp_path: Path) -> None:
    hub.gated = True
    assert set(codes(task(tmp_path, huggingface="owner/tiny")).values()) == {"DOWNLOAD_LOGIN"}


def test_a_token_goes_to_the_hub_and_not_where_that_redirects_to(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    hub.token = "hf_secret"
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert gather(task(tmp_path, huggingface="owner/tiny"))
    redirected = [login for path, login in hub.logins if path.startswith("/cdn/")]
    assert redirected and not any(redirected)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(GatherError) as failed:
        gather(task(tmp_path / "other", huggingface="owner/tiny"))
    printed = "".join(capfd.readouterr()) + str(failed.value)
    assert "hf_secret" not in printed and "hf_wrong" not in printed


def test_files_of_the_user_are_kept(hub: Hub, tmp_path: Path, origin: dict[str, object]) -> None:
    mine = tmp_path / "weights/tiny/modeling_tiny.py"
    mine.parent.mkdir(parents=True)
    mine.write_text("import mine!\n")
    assert codes(task(tmp_path, **origin)) == {"weights/tiny/modeling_tiny.py": "STORE_DIFFERS"}
    assert mine.read_text() == "import mine!\n" and names(tmp_path) == NEEDED


def test_the_commit_to_write_into_the_release_is_told(hub: Hub, tmp_path: Path) -> None:
    def plan(**fields: object) -> PlanRow:
        return task(tmp_path, **fields).plan()

    assert any(COMMIT in note for note in plan(huggingface="owner/tiny").notes)
    for pinned in (
        {"huggingface": f"owner/tiny@{COMMIT}"},
        {"repository": "https://huggingface.co/owner/tiny", "commit": COMMIT},
    ):
        assert not any(COMMIT in note for note in plan(**pinned).notes)
    abbreviated = plan(huggingface="owner/tiny", commit=COMMIT[:12])
    assert COMMIT[:12] in abbreviated.origin


def test_the_servers_routes_are_those_of_the_real_client(hub: Hub, tmp_path: Path) -> None:
    from huggingface_hub import HfApi

    api = HfApi(endpoint=hub.url, token=False)
    for name, content in FILES.items():
        path = api.hf_hub_download(
            "owner/tiny", name, revision=COMMIT, local_dir=tmp_path, cache_dir=tmp_path / "cache"
        )
        assert Path(path).read_bytes() == content


SHARDS = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
PICKLES = [f"pytorch_model-0000{n}-of-00002.bin" for n in (1, 2)]
INDEXES = ["model.safetensors.index.json", "pytorch_model.bin.index.json"]


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ([*SHARDS, *PICKLES, *INDEXES], [*SHARDS, INDEXES[0]]),
        ([SHARDS[0], *PICKLES, *INDEXES], [SHARDS[0], *PICKLES, *INDEXES]),
        ([*PICKLES, INDEXES[1]], [*PICKLES, INDEXES[1]]),
        (["flax_model.msgpack", "tf_model.h5", "a.png", "vocab.txt"], ["vocab.txt"]),
        ([".gitattributes", "optimizer.pt", "runs/x.py"], ["runs/x.py"]),
        (["model.safetensors", "original/consolidated.00.pth"], ["model.safetensors"]),
        (["yolact.pth", "a/pytorch_model.bin"], ["yolact.pth", "a/pytorch_model.bin"]),
    ],
)
def test_files_that_loading_needs(there: list[str], expected: list[str]) -> None:
    assert [file.path for file in select_needed(ModelFile(name, 1) for name in there)] == expected


def test_patterns_of_the_release_take_precedence() -> None:
    files = [ModelFile(name, 1) for name in ("pytorch_model.bin", "model.safetensors")]
    assert [file.path for file in select_needed(files, ("*.bin",))] == ["pytorch_model.bin"]
