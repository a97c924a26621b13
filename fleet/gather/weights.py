"""Gather weights from model hubs."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from fleet.checksum import chunks
from fleet.errors import Failure
from fleet.gather import hubs, hugging_face, model_scope
from fleet.gather.hubs import FindModel, HubError, HubModel
from fleet.gather.model_files import ModelFile, select_needed
from fleet.gather.work import GatherError, GatherOptions, PlanRow, State
from fleet.language import _, text_of
from fleet.release.model import Release, Weights
from fleet.store import file_types, paths
from fleet.store.download import Download, download_verified, part_path
from fleet.store.progress_bar import ProgressBar
from fleet.store.verify import FileProblem

HUGGING_FACE_PAGE = re.compile(r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/([\w.-]+/[\w.-]+)/?")
#: an existing file up to this size is compared by its checksum, a larger one by its size
MAX_COMPARED_BYTES = 16 << 20


def list_tasks(
    releases: Iterable[Release], store: Path, options: GatherOptions
) -> list[WeightsTask]:
    """List the weights of releases that a hub has.

    Args:
        releases: the releases.
        store: folder of the store.
        options: settings of the run.

    Returns:
        A task for each folder.
    """
    folders = {weights.folder: weights for release in releases for weights in release.weights}
    return [
        WeightsTask(weights, find, store, options)
        for weights in folders.values()
        if (find := find_origin(weights, options))
    ]


def find_origin(weights: Weights, options: GatherOptions) -> Callable[[], HubModel] | None:
    """Find out which hub has weights.

    Args:
        weights: the weights.
        options: settings of the run.

    Returns:
        A function that asks the hub; None if the release names none.
    """
    page = HUGGING_FACE_PAGE.fullmatch(weights.repository or "")
    at_hugging_face = weights.huggingface or (page[1] if page and not weights.modelscope else None)
    origins: list[tuple[str, FindModel, str | None, str]] = [
        ("huggingface", hugging_face.find_model, at_hugging_face, weights.commit or ""),
        ("modelscope", model_scope.find_model, weights.modelscope, ""),
    ]
    for hub, find_model, model, commit in origins:
        if model and options.hub in (None, hub):
            name, _at, revision = model.partition("@")
            return functools.partial(find_model, name, commit or revision)
    return None


class WeightsTask:
    """A folder of weights to gather.

    Args:
        weights: the weights.
        find_model: asks the hub for the model.
        store: folder of the store.
        options: settings of the run.
    """

    def __init__(
        self,
        weights: Weights,
        find_model: Callable[[], HubModel],
        store: Path,
        options: GatherOptions,
    ) -> None:
        self.name = weights.folder
        self._weights, self._find_model, self._options = weights, find_model, options
        self._folder = store / weights.folder

    @functools.cached_property
    def _answer(self) -> HubModel | HubError:
        """What the hub answers; it is asked once."""
        try:
            return hubs.ask_patiently(self._find_model, self._options.retry_delay_s)
        except HubError as error:
            return error

    @functools.cached_property
    def _found(self) -> tuple[HubModel, list[ModelFile]]:
        """The model and its files that loading needs.

        Raises:
            GatherError: the hub does not show it.
        """
        model = self._answer
        if isinstance(model, HubError):
            raise GatherError.from_failure(self.name, model.code, text_of(model))
        files = select_needed(model.files, self._weights.include)
        wrong = [file.path for file in files if not _is_safe_path(file.path)]
        if wrong or not files:
            if wrong:
                detail = _("{page}: {path!r:.80} is outside of it", page=model.page, path=wrong[0])
            else:
                detail = _("{page}: no file that is needed", page=model.page)
            raise GatherError.from_failure(self.name, "FETCH", detail)
        return model, files

    def plan(self) -> PlanRow:
        """Ask the hub, and describe what is missing.

        Raises:
            GatherError: the hub does not show the model.
        """
        model, files = self._found
        missing = [file for file in files if not (self._folder / file.path).exists()]
        parts = [part_path(self._folder / file.path) for file in missing]
        received = sum(part.stat().st_size for part in parts if part.is_file())
        size = max(0, sum(file.size for file in missing) - received)
        state: State = "missing" if len(missing) == len(files) and not received else "partial"
        revision = model.commit[:12] or model.revision or _("its newest revision")
        origin = _("{page} at {revision}", page=model.page, revision=revision)
        skipped = len(model.files) - len(files)
        notes = (
            [_("{count} files; {others} others are not needed", count=len(files), others=skipped)]
            if skipped
            else []
        )
        return PlanRow(
            self.name, origin, size, state if missing else "present", (*notes, *self.list_notes())
        )

    def list_notes(self) -> list[str]:
        """Tell which revision the release should state."""
        model, _files = self._found
        if model.revision == model.commit:
            return []
        name = self._weights.name
        if model.commit:
            return [
                _(
                    "weights {name}: write `commit: {commit}` into the release to pin it",
                    name=name,
                    commit=model.commit,
                )
            ]
        return [
            _(
                "weights {name}: ModelScope does not tell the commit; the lock pins the bytes",
                name=name,
            )
        ]

    def gather(self, progress: ProgressBar) -> bool:
        """Download the missing files.

        Args:
            progress: shows received bytes.

        Returns:
            Whether a file was downloaded.

        Raises:
            GatherError: at least one file could not be downloaded.
        """
        model, files = self._found
        problems: list[FileProblem] = []
        added = False
        for file in files:
            path, name = self._folder / file.path, f"{self.name.rstrip('/')}/{file.path}"
            if path.exists() or path.is_symlink():
                failure = _compare_existing(path, file)
            else:
                progress.describe(name)
                failure = self._download(model, file, path, progress)
                progress.file_done(
                    name, file.size, failure.code if failure else "gathered", ok=not failure
                )
                added = added or not failure
            if failure:
                problems.append(FileProblem(name, failure))
        if problems:
            raise GatherError(problems)
        return added

    def _download(
        self, model: HubModel, file: ModelFile, path: Path, progress: ProgressBar
    ) -> Failure | None:
        download = Download(
            model.file_url(file.path),
            lambda part: _find_problem(part, file),
            file.size,
            has_checksum=bool(file.sha256 or file.git_blob),
            mismatch_code="ORIGIN_MISMATCH",
            private_headers=model.private_headers,
        )
        return download_verified(download, path, progress, self._options.retry_delay_s)


def _is_safe_path(path: str) -> bool:
    parts = path.split("/")
    return not any(part in ("", ".", "..") or paths.find_name_problem(part) for part in parts)


def _compare_existing(path: Path, file: ModelFile) -> Failure | None:
    """Compare a file that is in the store already; it is never replaced."""
    if not path.is_file():
        return Failure("STORE_DIFFERS", _("{path}: not a file", path=path))
    size = path.stat().st_size
    if size != file.size:
        return Failure(
            "STORE_DIFFERS",
            _("{size} bytes, the origin has {expected}", size=size, expected=file.size),
        )
    problem = _find_problem(path, file) if size <= MAX_COMPARED_BYTES else ""
    return Failure("STORE_DIFFERS", problem) if problem else None


def _find_problem(path: Path, file: ModelFile) -> str:
    """Tell what is wrong with a file; "" if it is the one of the hub."""
    size = path.stat().st_size
    if size != file.size:
        with path.open("rb") as stream:
            content = file_types.describe_content(stream.read(file_types.HEAD_BYTES))
        return _(
            "{size} bytes, the origin has {expected}; {content}",
            size=size,
            expected=file.size,
            content=content,
        )
    if file.sha256:
        sha256, _chunks = chunks.hash_file(path, lambda _block: None)
        if sha256 == file.sha256:
            return ""
        return _(
            "sha256 is {sha256}, the origin has {expected}", sha256=sha256, expected=file.sha256
        )
    if file.git_blob:
        digest = hashlib.sha1(b"blob %d\0" % size)
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        blob = digest.hexdigest()
        if blob == file.git_blob:
            return ""
        return _("git's id is {blob}, not {expected}", blob=blob, expected=file.git_blob)
    return ""
