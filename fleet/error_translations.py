"""Failure codes in Chinese, for alerts and notices: files/failures.zh.yml."""

from __future__ import annotations

import re
from typing import NamedTuple

import yaml

from fleet import paths

TRANSLATIONS_FILE = "failures.zh.yml"
#: the line ends of a folded text between two Chinese characters, where no space belongs
_CHINESE = "[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]"
_FOLDED = re.compile(f"(?<={_CHINESE}) (?={_CHINESE})")


class Translation(NamedTuple):
    """Meaning and remedy of a failure code in Chinese."""

    meaning: str
    remedy: str


def load_translations() -> dict[str, Translation]:
    """Return meaning and remedy in Chinese of the codes that a look at a host can find."""
    text = (paths.FILES_FOLDER / TRANSLATIONS_FILE).read_text(encoding="utf-8")
    return {
        code: Translation(*(_FOLDED.sub("", texts[field]) for field in Translation._fields))
        for code, texts in yaml.safe_load(text).items()
    }
