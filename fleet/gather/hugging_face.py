"""Models at Hugging Face, or at a mirror of it, by its own client."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from fleet.errors import InvalidInput
from fleet.gather.hubs import HubError, HubModel
from fleet.gather.model_files import ModelFile
from fleet.language import _
from fleet.store import http
from fleet.text.redact import hide_credentials

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoSibling

DEFAULT_ENDPOINT = "https://huggingface.co"
FULL_COMMIT_DIGITS = 40
MIN_COMMIT_DIGITS = 7
TIMEOUT_S = 60


def find_model(name: str, revision: str) -> HubModel:
    """Ask Hugging Face for a model.

    The environment variables HF_ENDPOINT, HF_TOKEN and the others of its client are used.

    Args:
        name: OWNER/NAME.
        revision: commit, which may be abbreviated, tag or branch; "" for the newest.

    Returns:
        The model at the full commit.

    Raises:
        HubError: there is no such model, or it is not shown.
        TransientError: the hub could not be asked; another attempt may succeed.
        InvalidInput: the client is not installed.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        from huggingface_hub import HfApi, get_token, hf_hub_url
    except ImportError as error:
        raise InvalidInput(
            _(
                "models of Hugging Face need the package huggingface_hub: pip install "
                "'mlu-fleet[gather]'"
            )
        ) from error
    endpoint = (os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")
    place = _(
        "{endpoint}: model {name}, revision {revision}",
        endpoint=endpoint,
        name=name,
        revision=revision or "main",
    )
    token = get_token()  # of HF_TOKEN, or of the file that `hf auth login` writes
    api = HfApi(endpoint=endpoint, token=token or False)
    found = _ask(lambda: _find_info(api, name, revision), place)
    commit = str(found.sha)
    files = tuple(map(_describe_file, found.siblings or ()))

    def file_url(path: str) -> str:
        return hf_hub_url(name, path, revision=commit, endpoint=endpoint)

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return HubModel(f"{endpoint}/{name}", revision, commit, files, file_url, headers)


def _describe_file(sibling: RepoSibling) -> ModelFile:
    lfs = sibling.lfs
    return ModelFile(
        path=sibling.rfilename,
        size=int(lfs.size if lfs else sibling.size or 0),
        sha256=lfs.sha256 if lfs else "",
        git_blob="" if lfs else sibling.blob_id or "",
    )


def _find_info(api: HfApi, name: str, revision: str) -> Any:
    """Ask for the files of a model; the hub itself understands full commits only."""
    is_abbreviated = MIN_COMMIT_DIGITS <= len(revision) < FULL_COMMIT_DIGITS and not (
        set(revision) - set("0123456789abcdef")
    )
    if is_abbreviated:
        commits = [commit.commit_id for commit in api.list_repo_commits(name)]
        revision = next((c for c in commits if c.startswith(revision)), revision)
    return api.model_info(name, revision=revision or None, files_metadata=True, timeout=TIMEOUT_S)


def _ask(ask: Any, place: str) -> Any:
    """Ask the hub, with one kind of error for each kind of answer."""
    import httpx2
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return ask()
    except GatedRepoError as error:
        raise HubError(
            "DOWNLOAD_LOGIN", _("{place}: access is granted on its page", place=place)
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        if isinstance(error, RevisionNotFoundError):
            detail = _("{place}: no such revision, or it is private", place=place)
        else:
            detail = _("{place}: no such model, or it is private", place=place)
        raise HubError("MODEL_NOT_FOUND", detail) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        problem = f"{place}: HTTP {status}"
        if status in http.RETRYABLE_STATUSES:
            raise http.TransientError(problem) from error
        if status in (401, 403):
            raise HubError("DOWNLOAD_LOGIN", problem) from error
        raise HubError("MODEL_NOT_FOUND" if status == 404 else "FETCH", problem) from error
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise HubError(
            "FETCH", _("{place}: its answer is not one of Hugging Face", place=place)
        ) from error
    except httpx2.HTTPError as error:
        problem = hide_credentials(str(error) or type(error).__name__)
        raise http.TransientError(f"{place}: {problem}") from error
    except OSError as error:
        raise HubError("FETCH", f"{place}: {error}") from error
