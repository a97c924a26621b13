"""Columns of a table of hosts: their names, also in Chinese, and what people type into them."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any, Literal, get_args, get_origin

from fleet.documents.types import Bool, Int
from fleet.inventory.host_fields import LIST_FIELDS, HostData, parse_value

#: field -> other names of its column
ALIASES = {
    "name": ("主机名", "主机名称", "主机", "名称", "节点", "节点名"),
    "ssh_hostname": ("地址", "主机地址", "ip", "ip地址", "管理ip", "ssh地址"),
    "ssh_port": ("端口", "ssh端口"),
    "ssh_user": ("用户", "用户名", "登录用户", "ssh用户"),
    "ssh_key": ("密钥", "私钥", "ssh密钥"),
    "sudo_password_file": ("sudo密码文件",),
    "release": ("发布版本",),
    "store": ("制品库",),
    "cards": ("加速卡", "加速卡数", "加速卡数量", "卡数"),
    "groups": ("组", "分组", "主机组"),
    "data.location": ("位置", "机房位置"),
    "data.note": ("备注", "说明"),
}
FIELD_BY_ALIAS = {alias: field for field, aliases in ALIASES.items() for alias in aliases}
#: fields that only have ASCII characters, besides numbers, booleans and words of a fixed list
ASCII_FIELDS = ("ssh_hostname", "serve_address", "swarm_address", "swarm_ports", "releases")
BOOLEANS = {"是": True, "否": False}
#: between groups, whose names have none of them
GROUP_SEPARATOR = re.compile("[\\s,;\uff0c\uff1b\u3001]+")
#: the full stop of Chinese input methods, which NFKC leaves as it is
IDEOGRAPHIC_FULL_STOP = "\u3002"


def find_field(text: str) -> str:
    """Return the field that a cell of the header names; the text itself if it is none.

    Args:
        text: The cell; full-width characters mean the usual ones.
    """
    name = _normalize(text)
    return FIELD_BY_ALIAS.get("".join(name.split()).lower(), name)


def is_field(name: str) -> bool:
    """Tell whether a column can have this name.

    Args:
        name: The name, as :func:`find_field` returns it.
    """
    if name.startswith("data."):
        return bool(re.fullmatch(r"data\.[^\W\d_]\w*", name))
    return name == "name" or (name != "data" and name in HostData.model_fields)


def list_names(header: str) -> list[str]:
    """Return the names that a column can have, in the script of a wrong one.

    Args:
        header: The wrong name.
    """
    names = [*sorted({*HostData.model_fields, "name"} - {"data"}), "data.X"]
    return names if header.isascii() else [*names, *FIELD_BY_ALIAS]


def convert_cell(field: str, text: str) -> Any:
    """Convert a cell to the type of its field.

    Full-width digits, letters and signs mean the usual ones where nothing else can be meant.

    Args:
        field: Name of the field; data of the host begin with `data.`.
        text: The cell.

    Returns:
        The value; the text itself if it is not of that type, which is told later.
    """
    if field == "groups":
        return [word for word in GROUP_SEPARATOR.split(text) if word]
    if field in LIST_FIELDS:
        return text.split()
    if field in ASCII_FIELDS:
        return _normalize(text).replace(IDEOGRAPHIC_FULL_STOP, ".").strip()
    types = _list_types(field)
    if types & {Int, Bool, Literal}:
        text = _normalize(text).strip()
    if Bool in types and text in BOOLEANS:
        return BOOLEANS[text]
    return parse_value(field, text)


@cache
def _list_types(field: str) -> frozenset[Any]:
    info = HostData.model_fields.get(field)
    arguments = get_args(info.annotation) if info else ()
    return frozenset(Literal if get_origin(each) is Literal else each for each in arguments)


def _normalize(text: str) -> str:
    return unicodedata.normalize("NFKC", text)
