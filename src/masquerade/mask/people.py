"""How the name of a person is built, in English and Chinese, and which name stands for a part of which.

wholes(["Ada Lovelace", "Ms. Lovelace", "李小明", "小明"])
# {"Ms. Lovelace": "Ada Lovelace", "小明": "李小明"}
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from masquerade.mask.span import Span
from masquerade.mask.words import is_han

_TITLES = "Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Sir|Lady|Lord|Dame|Madam|Messrs|Rev|Hon|Sr|Sra|Mme|Mlle|Herr|Frau"
_BEFORE = re.compile(rf"(?:(?<![A-Za-z])(?:{_TITLES})\.?(?: (?:and|&) )?[ \u00a0]?)+\Z", re.IGNORECASE)
_FIRST = re.compile(rf"(?:(?:{_TITLES})(?:\.[ \u00a0]?|[ \u00a0])(?:(?:and|&) )?)+(?=\w)", re.IGNORECASE)
_LONGEST_TITLE = 24
_EDGES = " \t\r\n\u00a0,;:\uff0c\uff1a\uff1b\u3001"
"""What a name that was cut from something longer may begin or end with."""

_COMPOUND = frozenset(
    (
        "欧阳 司马 上官 诸葛 东方 皇甫 尉迟 公孙 令狐 慕容 司徒 夏侯 长孙 宇文 轩辕 端木 南宫 独孤 西门 "
        "百里 呼延 闻人 赫连 澹台 歐陽 司馬 諸葛 東方 尉遲 公孫 長孫 軒轅 獨孤 西門"
    ).split()
)
_HONORIFIC = re.compile(
    "(?<=.)(?:先生|女士|小姐|太太|夫人|老师|老師|医生|醫生|大夫|护士|教授|博士|院士|律师|律師|法官|警官|师傅|師傅|"
    "同学|同學|同志|阿姨|叔叔|大哥|大姐|经理|經理|总监|總監|总裁|董事长|主任|主管|秘书|书记|局长|处长|科长|院长|校长|部长|"
    "哥|姐|总|總|工|叔|姨|嫂)\\Z"
)
_NEAR = frozenset("小老阿大")
"""What is put before a surname or the end of a given name: 小张, 阿伟."""


def titled(text: str, span: Span, low: int) -> Span:
    """``span``, with the title before a person, which tells of the person too (Pilán and others, "The Text
    Anonymization Benchmark", 2022, whose guidelines mark it); not from before ``low``."""
    if span.kind != "PERSON":
        return span
    title = _BEFORE.search(text, max(low, span.start - _LONGEST_TITLE), span.start)
    return span if title is None else span._replace(start=title.start())


def bare(value: str) -> str:
    """A name without title, and without what it was cut from."""
    value = value.strip(_EDGES)
    title = _FIRST.match(value)
    return value[title.end() :] if title else value


def given(name: str) -> str:
    """What is behind the surname of a name in Han."""
    return name[2 if name[:2] in _COMPOUND else 1 :]


# -- parts and wholes ----------------------------------------------------------------------------------

_MOST_WORDS = 8
_MOST_NAMES = 8
"""Names with a word in common up to which one is looked for that has all the others as its parts."""

_WORDS = re.compile(r"[^\W\d_]+")
_POSSESSIVE = re.compile("['\u2019][sS]\\Z")


class _Name(NamedTuple):
    value: str
    words: tuple[str, ...]
    """Without case, titles, honorifics."""
    keys: tuple[str, ...]
    """What a part of it may be called by; none where it is no whole name."""
    calls: tuple[str, ...]
    """What it calls somebody by, as a part."""


def wholes(names: Iterable[str]) -> dict[str, str]:
    """Of each name that stands for a part of another: that other, the whole.

    A part has fewer words than the whole, or initials in place of some: "Lovelace", "Ms. Lovelace" and "A.
    Lovelace" of "Ada Lovelace". In Chinese it is the given name or its end, or the surname, by itself or with
    what people are called by: 小明, 张先生, 小张. A part that two people could be called by has no whole; of
    a name and a longer one that contains it, the longer is the whole. Time is linear in the names.
    """
    known = [name for name in map(_read, dict.fromkeys(names)) if 0 < len(name.words) <= _MOST_WORDS]
    called: dict[str, list[_Name]] = {}
    for name in known:
        for key in name.keys:
            called.setdefault(key, []).append(name)
    found = ((name.value, _whole_of(name, called)) for name in known)
    return {part: whole for part, whole in found if whole is not None}


def _read(value: str) -> _Name:
    name = _POSSESSIVE.sub("", bare(value))
    core = _HONORIFIC.sub("", name) if is_han(name[-1:] or " ") else name
    words = tuple(word.casefold() for word in _WORDS.findall(core))
    if len(words) != 1 or not all(map(is_han, core)):
        rare = tuple(dict.fromkeys(word for word in words if len(word) > 1))
        return _Name(value, words, rare if len(words) > 1 else (), rare)
    near = core[0] in _NEAR and len(core) in (2, 3)
    calls = (core, core[1:]) if near and core == name else (core,)
    if core != name or core[0] in _NEAR or not 2 <= len(core) <= 4 or not given(core):
        return _Name(value, words, (), calls)
    last = given(core)
    return _Name(value, words, tuple(dict.fromkeys((core[: -len(last)], last, last[-1]))), calls)


def _whole_of(part: _Name, called: dict[str, list[_Name]]) -> str | None:
    """The only one, or that which has all the others as parts."""
    near = [called.get(call, []) for call in part.calls]
    if not near or (len(part.words) > 1 and not all(near)):
        return None
    if len(part.words) > 1:
        near = [min(near, key=len)]
    if sum(map(len, near)) > _MOST_NAMES:
        return None
    people: dict[tuple[str, ...], _Name] = {}
    for name in (name for names in near for name in names):
        if _is_part(part, name):
            people.setdefault(tuple(sorted(name.words)), name)
    ways = people.values()
    top = [one for one in ways if all(other is one or _is_part(other, one) for other in ways)]
    return top[0].value if top else None


def _is_part(part: _Name, whole: _Name) -> bool:
    if len(whole.words) == 1:
        return not set(part.calls).isdisjoint(whole.keys) and part.words != whole.words
    left = list(whole.words)
    initials = False
    for word in sorted(part.words, key=len, reverse=True):
        if word in left:
            left.remove(word)
            continue
        first = next((other for other in left if len(word) == 1 and other.startswith(word)), None)
        if first is None:
            return False
        left.remove(first)
        initials = True
    return initials or bool(left)
