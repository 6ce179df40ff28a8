# ruff: noqa: E501
"""Chinese text with people, places, organisations and addresses in it, made from templates and lists.

A template is a line of `templates_zh.py`. In it, `{NAME}` is a slot, `{NAME:a}` a slot whose text `{a}` repeats
further on (and `{a.nick}`, `{a.some}`, `{a.given}` speak of in part), `[x|y|]` a choice, `⏎` a line break, and
`⟦⟧⦃⦄` stand for the brackets and braces of the text itself. A slot is an entity, a plain value, or the name of
a group of further lines.

Conventions of the spans:

- A full name before an honorific is the name alone (张伟 of 张伟先生); a surname and its honorific are one span (王先生).
- A place is marked with all its levels together (江苏省南京市); with a house number or a building it is an ADDRESS.
- A brand is an ORGANIZATION where it acts, and nothing where it is a product (华为手机).
"""

import hashlib
import random as randomness
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from . import lists_zh as lists
from .example import Example
from .fillers_zh import FULL_WIDTH, HONORIFIC, SLOTS, Draw

if TYPE_CHECKING:
    from opencc import OpenCC

Segment = tuple[str, str]  # text and kind, which is empty for what is no entity


class Writer(Draw):
    """Writes segments of what it draws."""

    def __init__(self, random: randomness.Random) -> None:
        super().__init__(random)
        self.segments: list[Segment] = []
        self.bound: dict[str, Segment] = {}

    def write(self, parts: "Parts") -> None:
        for part in parts:
            if isinstance(part, str):
                self.segments.append((part, ""))
            elif isinstance(part, Choice):
                self.any_of(part.options)
            else:
                self._fill(part)

    def any_of(self, lines: "list[Parts]") -> None:
        self.write(lines[self.number(0, len(lines) - 1)])

    def _fill(self, slot: "Slot") -> None:
        if slot.group is not None:
            self.any_of(slot.group)
            return
        if slot.make is None:
            segment = _mention(self, *slot.name.partition(".")[::2])
        else:
            segment = (slot.make(self), slot.kind)
        if slot.bind:
            self.bound[slot.bind] = segment
        self.segments.append(segment)


def _mention(writer: Writer, name: str, form: str) -> Segment:
    """Who was named before, named again: whole, or by a part."""
    text, kind = writer.bound[name]
    size = 2 if text[:2] in lists.COMPOUND and len(text) > 2 else 1
    match form:
        case "nick":
            text = writer.pick(["小", "老"]) + text[:size] if size == 1 else text[:size]
        case "some":
            text = text[:size] + writer.pick(["某", "某某", "某"])
        case "given":
            text = text[size:] if len(text) - size > 1 else text
        case "polite":
            text = text[:size] + HONORIFIC.draw(writer.random)
    return text, kind


class Choice(NamedTuple):
    options: "list[Parts]"


class Slot:
    """A place to fill in; `group` holds the lines of a group, `make` draws a value; else it repeats what was bound."""

    def __init__(self, name: str, bind: str) -> None:
        self.name, self.bind = name, bind
        self.group: list[Parts] | None = None
        self.kind, self.make = SLOTS.get(name, ("", None))


Parts = list["str | Choice | Slot"]
LITERALS = str.maketrans({"⏎": "\n", "⟦": "[", "⟧": "]", "⦃": "{", "⦄": "}"})
_TOKENS = re.compile(r"\{([\w.]+)(?::(\w))?\}|([\[\]|])|([^{}\[\]|]+)")


def compiled(line: str, groups: "dict[str, list[Parts]]") -> Parts:
    """The parts of a line of template."""
    stack: list[list[Parts]] = [[[]]]
    for token in _TOKENS.finditer(line):
        name, bind, mark, text = token.groups()
        if mark == "[":
            stack.append([[]])
        elif mark == "|" and len(stack) > 1:
            stack[-1].append([])
        elif mark == "]":
            options = stack.pop()
            if not stack:
                raise ValueError(f"unbalanced: {line}")
            stack[-1][-1].append(Choice(options))
        elif name:
            slot = Slot(name, bind or "")
            slot.group = groups.get(name)
            if slot.group is None and slot.make is None and not re.fullmatch(r"[a-z](\.\w+)?", name):
                raise ValueError(f"no such slot: {name}")
            stack[-1][-1].append(slot)
        else:
            stack[-1][-1].append((text or mark).translate(LITERALS))
    if len(stack) != 1:
        raise ValueError(f"unbalanced: {line}")
    return stack[0][0]


# Examples


@cache
def grammar() -> tuple[list[tuple[str, Parts]], dict[str, list[Parts]]]:
    """The templates, each with its name, and the groups of lines they draw from."""
    from .templates_zh import GROUPS, TEMPLATES

    groups: dict[str, list[Parts]] = {name: [] for name in GROUPS}
    for name, text in GROUPS.items():
        groups[name] += [compiled(line, groups) for line in text.strip("\n").split("\n")]
    lines = [(register, line) for register, text in TEMPLATES.items() for line in text.strip().split("\n")]
    lines += [line for line in lines if line[0] == "mind"] * 3  # most of what people send names nobody
    return [(f"{register}-{_digest(line)}", compiled(line, groups)) for register, line in lines], groups


def _digest(line: str) -> str:
    return hashlib.blake2s(line.encode(), digest_size=4).hexdigest()


def examples(random: randomness.Random) -> Iterator[Example]:
    """Endless examples; the same generator of random numbers in the same state gives the same ones."""
    templates, groups = grammar()
    while True:
        writer = Writer(random)
        name, parts = templates[int(random.random() * len(templates))]
        if writer.chance(0.12):
            writer.any_of(groups["plain"])
        writer.write(parts)
        _go_on(writer, groups, about=not name.startswith("mind"))
        segments = disturbed(writer)
        if any(text.strip() for text, _ in segments):
            yield assembled(segments, name)


def _go_on(writer: Writer, groups: dict[str, list[Parts]], about: bool) -> None:
    """Some sentences more: about people and places where the text is about them, or plain ones."""
    told = about and writer.segments[-1][0].endswith(("。", "！", "？")) and writer.chance(0.5)
    while writer.chance(0.5 if told else 0.25):
        if not writer.segments[-1][0].endswith(("。", "！", "？", "\n")):
            writer.segments.append((writer.pick(["。", "，", "\n", " ", "；", "…"]), ""))
        writer.any_of(groups["told" if told else "plain"])


def assembled(segments: list[Segment], template: str) -> Example:
    spans, start = [], 0
    for text, kind in segments:
        if kind:
            left = len(text) - len(text.lstrip())
            spans.append((start + left, start + len(text.rstrip()), kind))
        start += len(text)
    return Example("".join(text for text, _ in segments), tuple(spans), template)


# Noise: what becomes of text on its way through keyboards and systems


def disturbed(writer: Writer) -> list[Segment]:
    segments = [segment for segment in writer.segments if segment[0]]
    for noise, chance in NOISES:
        if writer.chance(chance):
            segments = noise(writer, segments)
    if writer.chance(0.8 if writer.traditional else 0.11):
        convert = _converter(writer.pick(["s2t", "s2tw", "s2hk"])).convert
        segments = [(convert(text), kind) for text, kind in segments]
    return segments


@cache
def _converter(name: str) -> "OpenCC":
    from opencc import OpenCC

    return OpenCC(name)


def unpunctuated(writer: Writer, segments: list[Segment]) -> list[Segment]:
    gap = writer.pick([" ", " ", "", "  "])
    found: list[Segment] = []
    before, marked = "", False
    for text, kind in segments:
        bare = text if kind else _MARKS.sub(gap, text)
        if (marked or _MARKS.match(text)) and _is_one_word(before, bare[:1]):
            bare = f" {bare}"  # else a number would go on: 2-5-231 of the house 2-5-23 and the point 1
        found.append((bare, kind))
        before, marked = bare[-1:] or before, bool(_MARKS.match(text[-1]))
    return found


_MARKS = re.compile("[，。；！？：]")


def _is_one_word(before: str, after: str) -> bool:
    return before.isascii() and after.isascii() and before.isalnum() and after.isalnum()


def half_width(writer: Writer, segments: list[Segment]) -> list[Segment]:
    table = str.maketrans("，。：；！？（）", ",.:;!?()")
    return [(text if kind == "ADDRESS" else text.translate(table), kind) for text, kind in segments]


def full_width(writer: Writer, segments: list[Segment]) -> list[Segment]:
    return [(text.translate(FULL_WIDTH), kind) for text, kind in segments]


def spaced(writer: Writer, segments: list[Segment]) -> list[Segment]:
    """Spaces around what is entered by itself."""
    found: list[Segment] = []
    for text, kind in segments:
        found += [(" ", ""), (text, kind), (" ", "")] if kind and writer.chance(0.7) else [(text, kind)]
    return found


def emphasised(writer: Writer, segments: list[Segment]) -> list[Segment]:
    mark, end = writer.pick(["**", "__", "`", "「", "“", "【", "《", "<b>", "【"]), ""
    end = {"「": "」", "“": "”", "【": "】", "《": "》", "<b>": "</b>"}.get(mark, mark)
    found: list[Segment] = []
    for text, kind in segments:
        found += [(mark, ""), (text, kind), (end, "")] if kind and writer.chance(0.6) else [(text, kind)]
    return found


def headed(writer: Writer, segments: list[Segment]) -> list[Segment]:
    head = [
        "# ",
        "- ",
        "> ",
        "1. ",
        "* ",
        "### ",
        "- [ ] ",
        "• ",
        "（一）",
        "1、",
        "2）",
        "Q：",
        "A：",
        "备注：",
        "问：",
        "摘要：",
        "翻译：",
        "请总结：",
        "请改写下面的话：\n",
        "user: ",
        "\t",
    ]
    return [(writer.pick(head), ""), *segments]


def decorated(writer: Writer, segments: list[Segment]) -> list[Segment]:
    ends = [
        "😂",
        "👍",
        "🙏",
        "😭😭",
        "❤️",
        "🎉",
        "[捂脸]",
        "[玫瑰]",
        "~",
        "…",
        "！！",
        "hhh",
        "🤔",
        " orz",
        "✅",
        "🌹🌹🌹",
    ]
    end = writer.pick(ends)
    gap = " " if segments and _is_one_word(segments[-1][0][-1:], end[:1]) else ""
    return [*segments, (gap + end, "")]


def broken(writer: Writer, segments: list[Segment]) -> list[Segment]:
    return [(text if kind else text.replace("。", "。\n"), kind) for text, kind in segments]


def unended(writer: Writer, segments: list[Segment]) -> list[Segment]:
    text, kind = segments[-1] if segments else ("", "")
    return segments if kind else [*segments[:-1], (text.rstrip("。！？"), kind)]


NOISES: tuple[tuple[Callable[[Writer, list[Segment]], list[Segment]], float], ...] = (
    (unpunctuated, 0.06), (half_width, 0.05), (full_width, 0.015), (spaced, 0.03), (emphasised, 0.025), (headed, 0.07),
    (decorated, 0.03), (broken, 0.04), (unended, 0.15),
)  # fmt: skip
