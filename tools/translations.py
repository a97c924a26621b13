"""Keep the Chinese pages beside the English ones.

Usage: python tools/translations.py [--record PAGE...]

Without an option it prints what a translator has to do, a line each: pages without a translation,
and pages whose original has changed since they were translated. `--record PAGE` notes in a Chinese
page that it has all that its original says now. Exit status 1 if a page cannot be recorded.

The Chinese page of `docs/watch.md` is `docs/watch.zh.md`; that of `README.md` is `README.zh-CN.md`.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUFFIX = ".zh.md"
#: originals whose translation has a name of its own
OTHER_NAMES = {"README.md": "README.zh-CN.md"}
#: pages that are written in both languages by `python -m mlufleet.reference`
GENERATED = ("docs/failures.md", "docs/metrics.md", "docs/release.md", "docs/systems.md")
NOTE = "<!-- translation of {name}, sha256 of its text: {digest} -->\n"
NOTE_PATTERN = re.compile(r"\A<!-- translation of (\S+), sha256 of its text: ([0-9a-f]{16}) -->\n")
#: Words of other products and of dictionaries -> those of docs/glossary.md.
WRONG_WORDS = {
    # "inventory file" is right, and a bundle has a MANIFEST
    "(?<!主机)(?<!离线包的)(?<!其)清单文件|库存": "主机清单",
    "锁文件": "锁定文件",
    "驱动程序": "驱动",
    # "发行版本身": the distribution itself
    "发行版本(?!身)|发布版(?!本)": "发布版本",
    "计算卡|智算卡|加速器卡": "加速卡",
    "块 ?加速卡": "张加速卡；板卡才用块",
    "宿主机": "主机",
    "主控机|控制节点|控制主机": "控制机",
    # but what another service answers with is its own code
    "错误码(?! \\{code\\})|错误代码|故障代码|失败码|失败代码": "故障码",
    "补救措施|补救办法|修复办法|处理方法|解决办法": "处理办法",
    "校验码|校验值|检验和": "校验和",
    "工件|构件": "制品",
    "制品仓库|镜像存储库": "制品库、镜像仓库",
    "镜像注册表|镜像库": "镜像仓库",
    "金丝雀节点|灰度主机": "金丝雀主机",
    "灰度发布|滚动更新|滚动升级": "滚动发布",
    "故障预算|错误预算": "失败预算",
    "烟雾测试|冒烟检查": "冒烟测试",
    "审核日志": "审计日志",
    "巡视|巡查": "巡检",
    "监视服务(?!器)|监视进程": "巡检服务",  # 监视服务器 is to watch a server
    "点对点分发|对端分发": "对等分发",
    "修补程序": "补丁",
    "租期": "租约",
    "服务程序|(?<!推理)服务进程|模型服务器": "推理服务",
    "监护进程|看护进程|监督进程": "监管进程",
    "文件夹": "目录",
    "操作员|操作者|运维人员": "操作人员",
    "(?<!模型)权重(?!文件)": "模型权重",
    "无法到达主机|主机都?无法到达": "主机不可达",
    "裸机": "尚未部署的主机",
    "实验室": "实验环境",
    "挡路": "冲突",
    "未证实的各?点": "未证实之处",
    "字节序标记": "字节顺序标记",
    "登陆": "登录",
    "缺省": "默认",
    "您": "你，或不用主语",
}


def list_originals() -> list[str]:
    """Return the English pages that are to have a translation, relative to the project."""
    pages = (page.relative_to(ROOT).as_posix() for page in sorted(ROOT.glob("docs/**/*.md")))
    return ["README.md", *(name for name in pages if not name.endswith(SUFFIX))]


def name_translation(original: str) -> str:
    """Return the name of the Chinese page.

    Args:
        original: An English page, relative to the project.
    """
    return OTHER_NAMES.get(original, original.removesuffix(".md") + SUFFIX)


def compute_digest(original: str) -> str:
    """Return the digest of an English page that its translation records.

    Args:
        original: The page, relative to the project.
    """
    return hashlib.sha256((ROOT / original).read_bytes()).hexdigest()[:16]


def is_behind(original: str) -> bool:
    """Return whether an English page has changed since its translation was recorded.

    Args:
        original: The page, relative to the project; it has a translation.
    """
    if original in GENERATED:
        return False
    text = (ROOT / name_translation(original)).read_text(encoding="utf-8")
    noted = NOTE_PATTERN.match(text)
    return noted is None or noted.groups() != (original, compute_digest(original))


def list_missing() -> list[str]:
    """Return the English pages that have no translation."""
    return [name for name in list_originals() if not (ROOT / name_translation(name)).exists()]


def list_behind() -> list[str]:
    """Return the English pages that have changed since they were translated."""
    missing = list_missing()
    return [name for name in list_originals() if name not in missing and is_behind(name)]


def record_translation(original: str) -> None:
    """Note in a Chinese page that it is a translation of what the English one says now.

    Args:
        original: The English page, relative to the project.
    """
    path = ROOT / name_translation(original)
    text = NOTE_PATTERN.sub("", path.read_text(encoding="utf-8"))
    if original in OTHER_NAMES:
        text = lead_to_chinese(text)
    note = NOTE.format(name=original, digest=compute_digest(original))
    path.write_text(note + text, encoding="utf-8")


def lead_to_chinese(text: str) -> str:
    """Return a page that is read in the repository, with links to the Chinese pages that exist.

    On the site, links of pages in docs/ lead there by themselves.

    Args:
        text: The page.
    """
    return re.sub(
        r"docs/[\w/-]+(?<!\.zh)\.md",
        lambda name: (
            chinese if (ROOT / (chinese := name_translation(name[0]))).exists() else name[0]
        ),
        text,
    )


# ---- what both languages have in common ----

CODE_BLOCK = re.compile(r"^( *)(```+)[^\n]*\n.*?^\1\2[ ]*$", re.MULTILINE | re.DOTALL)
INDENTED_BLOCK = re.compile(r"(?<=\n\n)(?: {4}[^\n]*\n+)+(?=\S|\Z)")
COMMENT = re.compile(r"(?:^|(?<=\s))(?:#|//)(?=\s).*$|<!--.*?-->", re.MULTILINE)
INLINE_CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)


def split_code(text: str) -> tuple[str, list[str]]:
    """Return a page without its blocks of code, and these blocks.

    Args:
        text: The page.
    """
    blocks = [match[0] for match in CODE_BLOCK.finditer(text)]
    text = CODE_BLOCK.sub("", text)
    lists = re.compile(r"^\s*(?:[-*]|\d+\.) ", re.MULTILINE)
    indented = [
        match for match in INDENTED_BLOCK.finditer(text) if not _is_in_list(text, match, lists)
    ]
    blocks += [match[0] for match in indented]
    for match in reversed(indented):
        text = text[: match.start()] + text[match.end() :]
    return text, blocks


def _is_in_list(text: str, match: re.Match[str], lists: re.Pattern[str]) -> bool:
    """Return whether an indented block continues an item of a list."""
    before = text[: match.start()].rstrip().rpartition("\n\n")[2]
    return bool(lists.search(before))


def list_code_lines(text: str) -> list[str]:
    """Return the lines of all blocks of code without their comments.

    Args:
        text: The page.
    """
    lines = "\n".join(split_code(text)[1]).splitlines()
    return [COMMENT.sub("", line).rstrip() for line in lines]


def list_headings(text: str) -> list[str]:
    """Return the level of each heading, as `#`, `##`.

    Args:
        text: The page.
    """
    return re.findall(r"^(#+) ", split_code(text)[0], re.MULTILINE)


def list_links(text: str) -> list[str]:
    """Return the targets of links and images, sorted; those of Chinese pages as of English ones.

    Args:
        text: The page.
    """
    prose = INLINE_CODE.sub("", split_code(text)[0])
    targets = re.findall(r"\]\(([^)\s]+)[^)]*\)", prose)
    names = {chinese: english for english, chinese in OTHER_NAMES.items()}
    switches = set(OTHER_NAMES) | set(names)
    plain = [target.replace(SUFFIX, ".md") for target in targets if target not in switches]
    return sorted(plain)


def list_tables(text: str) -> list[tuple[int, int]]:
    """Return rows and columns of each table.

    Args:
        text: The page.
    """
    prose = split_code(text)[0]
    tables = re.findall(r"^(?:\|[^\n]*\n)+", prose + "\n", re.MULTILINE)
    return [(len(rows := table.splitlines()), _count_cells(rows[0])) for table in tables]


def _count_cells(row: str) -> int:
    return len(re.findall(r"(?<!\\)\|", row)) - 1


def list_inline_code(text: str) -> list[str]:
    """Return what stands in backticks within the prose, sorted.

    Args:
        text: The page.
    """
    prose = split_code(text)[0]
    return sorted(" ".join(match[2].split()) for match in INLINE_CODE.finditer(prose))


PARTS: dict[str, Callable[[str], list[str] | list[tuple[int, int]]]] = {
    "headings": list_headings,
    "code": list_code_lines,
    "links": list_links,
    "tables": list_tables,
    "words in backticks": list_inline_code,
}


def compare_pages(english: str, chinese: str) -> Iterator[str]:
    """Yield in what the structure of a translation differs from its original.

    Args:
        english: Text of the original.
        chinese: Text of the translation.
    """
    for part, list_parts in PARTS.items():
        pair = list_parts(english), list_parts(chinese)
        if pair[0] == pair[1]:
            continue
        if part in ("links", "words in backticks"):
            for sign, one, other in (("-", *pair), ("+", *reversed(pair))):
                for text in (Counter(one) - Counter(other)).elements():
                    yield f"{part}: {sign} {text}"
            continue
        number, first, second = next(
            (index, one, other)
            for index, (one, other) in enumerate(zip_longest(*pair), start=1)
            if one != other
        )
        yield f"{part}: number {number} is {second!r} instead of {first!r}"


def find_wrong_words(text: str) -> Iterator[str]:
    """Yield the words that the glossary has another one for.

    Args:
        text: A Chinese page or message.
    """
    for pattern, right in WRONG_WORDS.items():
        for found in re.findall(f"(?:{pattern})", text):
            yield f"{found}: {right}"


#: what is wrong -> where it is; in prose without code
TYPOGRAPHY = {
    "a line break within Chinese text: one line for a paragraph": "[{all}]\\n[{all}]",
    "no space between Chinese and Latin": "[{letters}][A-Za-z0-9`]|[A-Za-z0-9`][{letters}]",
    "half-width punctuation after Chinese": "[{letters}] ?[,;:?!](?![/\\w])",
    "an exclamation mark": "！",
}
LETTERS = "\u4e00-\u9fff"
BOLD = re.compile(r"\*\*([^*\n]+)\*\*(?=(.?))")
CHINESE_SIGNS = "\u3000-\u303f\uff00-\uffef"


def find_typography(text: str) -> Iterator[str]:
    """Yield what a Chinese text has that does not look well.

    Args:
        text: A Chinese page.
    """
    prose = re.sub(r"(`+)[^`]+\1", "``", split_code(text)[0])
    prose = re.sub(r"\]\([^)]*\)", "]", prose)
    for wrong, pattern in TYPOGRAPHY.items():
        signs = pattern.replace("{letters}", LETTERS).replace("{all}", LETTERS + CHINESE_SIGNS)
        for match in re.finditer(signs, prose):
            part = prose[max(0, match.start() - 8) : match.end() + 8]
            yield f"{wrong}: {part!r}"
    for match in BOLD.finditer(prose):
        if match[1][-1] in "，。：；）" and re.match(f"[{LETTERS}\\w`]", match[2]):
            yield f"bold that GitHub does not close, punctuation belongs behind it: {match[0]!r}"


def find_problems(original: str) -> list[str]:
    """Return what is wrong with the translation of a page.

    Args:
        original: The English page, relative to the project; it has a translation.
    """
    english = (ROOT / original).read_text(encoding="utf-8")
    chinese = (ROOT / name_translation(original)).read_text(encoding="utf-8")
    body = NOTE_PATTERN.sub("", chinese)
    # the glossary is where such words may stand beside each other
    words = [] if original == "docs/glossary.md" else list(find_wrong_words(body))
    return [*compare_pages(english, body), *words, *find_typography(body)]


def main(arguments: list[str]) -> int:
    """Print what is to be done, or record pages; the exit status is returned.

    Args:
        arguments: Those of the command line.
    """
    if arguments and arguments[0] != "--record":
        print(__doc__, file=sys.stderr)
        return 2
    status = 0
    for page in arguments[1:]:
        original = page.replace(SUFFIX, ".md").replace("README.zh-CN", "README")
        if problems := [
            f"{name_translation(original)}: {text}" for text in find_problems(original)
        ]:
            print("\n".join(problems))
            status = 1
            continue
        record_translation(original)
    if not arguments:
        for name in list_missing():
            print(f"{name}: has no Chinese page")
            status = 1
        for name in list_behind():
            print(f"{name}: has changed since {name_translation(name)} was recorded")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
