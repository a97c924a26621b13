"""Models at ModelScope, by the routes that its own client uses.

Source: the `modelscope_hub` package 0.5.1 (`_legacy_api.py`, `constants.py`).
"""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import quote, urlencode

from fleet.gather.hubs import HubError, HubModel
from fleet.gather.model_files import ModelFile
from fleet.language import _
from fleet.store import file_types, http
from fleet.store.download import LOGIN_STATUSES

DEFAULT_ENDPOINT = "https://www.modelscope.cn"
#: the branch that every model has
DEFAULT_REVISION = "master"
MAX_LISTING_BYTES = 32 << 20
#: a listing ends here without saying so
MAX_LISTED_FILES = 3000
NOT_FOUND_STATUS = 404


def find_model(name: str, revision: str) -> HubModel:
    """Ask ModelScope for a model.

    The environment variables MODELSCOPE_ENDPOINT and MODELSCOPE_API_TOKEN are used.

    Args:
        name: OWNER/NAME.
        revision: commit, tag or branch; "" for the newest of its main branch.

    Returns:
        The model. ModelScope does not tell the commit of a branch.

    Raises:
        HubError: there is no such model, or it is not shown.
        TransientError: the hub could not be asked; another attempt may succeed.
    """
    endpoint = (os.environ.get("MODELSCOPE_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")
    if "://" not in endpoint:
        endpoint = f"https://{endpoint}"
    token = os.environ.get("MODELSCOPE_API_TOKEN", "").strip()
    # older routes read the cookie, newer ones the header
    headers = (
        {"Authorization": f"Bearer {token}", "Cookie": f"m_session_id={token}"} if token else {}
    )
    base, asked = f"{endpoint}/api/v1/models/{quote(name)}", revision or DEFAULT_REVISION
    place = _(
        "{endpoint}: model {name}, revision {revision}",
        endpoint=endpoint,
        name=name,
        revision=asked,
    )
    files = _parse_listing(_read_listing(base, asked, headers, place), place)

    def file_url(path: str) -> str:
        return f"{base}/repo?{urlencode({'Revision': asked, 'FilePath': path})}"

    is_commit = len(revision) == 40
    page = f"{endpoint}/models/{name}"
    return HubModel(page, revision, revision if is_commit else "", files, file_url, headers)


def _read_listing(base: str, revision: str, headers: dict[str, str], place: str) -> bytes:
    query = urlencode({"Revision": revision, "Recursive": "True"})
    try:
        return http.read_document(f"{base}/repo/files?{query}", MAX_LISTING_BYTES, headers)
    except http.PermanentError as error:
        if error.status in LOGIN_STATUSES:
            raise HubError("DOWNLOAD_LOGIN", f"{place}: {error}") from error
        code = "MODEL_NOT_FOUND" if error.status == NOT_FOUND_STATUS else "FETCH"
        raise HubError(code, f"{place}: {error}") from error


def _parse_listing(content: bytes, place: str) -> tuple[ModelFile, ...]:
    try:
        answer: Any = json.loads(content)
        if not answer.get("Success", True):
            message = str(answer.get("Message") or _("no reason given"))
            raise HubError("MODEL_NOT_FOUND", f"{place}: {message:.200}")
        entries = answer["Data"]["Files"] or []
        files = tuple(
            ModelFile(str(entry["Path"]), int(entry["Size"]), str(entry.get("Sha256") or ""))
            for entry in entries
            if entry.get("Type") != "tree"
        )
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        description = file_types.describe_content(content[: file_types.HEAD_BYTES])
        raise HubError(
            "FETCH",
            _("{place}: not a list of files: {description}", place=place, description=description),
        ) from error
    if len(entries) >= MAX_LISTED_FILES:
        raise HubError(
            "FETCH",
            _(
                "{place}: more than {count} files cannot be listed",
                place=place,
                count=MAX_LISTED_FILES,
            ),
        )
    return files
