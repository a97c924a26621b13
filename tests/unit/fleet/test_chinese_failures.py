"""What a person who reads Chinese is told of a failure; programs read the same as ever."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from fleet.error_codes import ACTIONS, FAILURE_TABLE
from fleet.error_patterns import PATTERNS
from fleet.errors import CodedInputError, Failure, InvalidInput, render_reference
from fleet.language import CHINESE, _, english, translate

TEXTS = [
    *(text for info in FAILURE_TABLE.values() for text in (info.meaning, info.remedy)),
    *(known.remedy for known in PATTERNS),
    *ACTIONS.values(),
]


@pytest.fixture(autouse=True)
def chinese(speak: Callable[[str], None]) -> None:
    speak(CHINESE)


def test_every_meaning_remedy_and_action_is_translated() -> None:
    assert [text for text in TEXTS if translate(text, CHINESE) == text] == []


def test_a_failure_is_told_in_chinese_and_recorded_in_english() -> None:
    failure = Failure("HEADERS_MISSING", "linux-headers-5.4\nis not known")
    assert failure.sentence == "缺少当前内核的头文件：linux-headers-5.4; is not known"
    assert english(failure.sentence) == (
        "the headers of the running kernel are missing: linux-headers-5.4; is not known"
    )
    assert "`driver.headers`" in failure.remedy
    assert english(failure.remedy) == FAILURE_TABLE["HEADERS_MISSING"].remedy


def test_the_remedy_of_a_known_message_is_found_in_any_language() -> None:
    failure = Failure("CONTAINER", "docker: port is already allocated")
    assert failure.remedy == "端口被另一个进程占用。用 `ss -ltnp` 查找。"


def test_invalid_input_has_both_languages() -> None:
    error = CodedInputError("BUNDLE_UNSIGNED", "a.tar")
    assert "离线包没有签名：a.tar\n  处理办法：" in str(error)
    assert english(str(error)).startswith("BUNDLE_UNSIGNED: the bundle is not signed: a.tar\n")
    assert english(str(InvalidInput(_("remedy")))) == "remedy"


def test_a_message_survives_copies_and_processes() -> None:
    said = Failure("INTERRUPTED").remedy
    for other in (copy.deepcopy(said), pickle.loads(pickle.dumps(said))):
        assert (other, english(other)) == ("重新运行。", "Run again.")


def test_the_page_of_the_codes_is_in_chinese() -> None:
    page = render_reference()
    assert page.startswith("# 故障码\n")
    assert "| INTERRUPTED | 操作人员在该步骤之前停止了运行 | 重新运行。 | IGNORE |" in page
