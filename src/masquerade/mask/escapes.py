"""Ways to spell a character that models put into replies: HTML, JSON, percent, and marks around a word.

A reply is read with them decoded and restored where they stand, so every place in what was read has an
offset in what was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from urllib.parse import unquote

_ESCAPE = re.compile(
    r"&(?:amp;){0,2}(?:#[0-9]{1,6}|#[xX][0-9A-Fa-f]{1,5}|(?!amp;)[A-Za-z]{2,8});"
    r"|\\u[0-9A-Fa-f]{4}|\\[nrt]"
    r"|%0[9ADad]|%[2-7][0-9A-Fa-f]|%[Ee][0-9A-Fa-f]%[89ABab][0-9A-Fa-f]%[89ABab][0-9A-Fa-f]"
    r"|</?(?i:wbr|br|b|i|u|em|strong|code|span|mark|s|del|sub|sup|small|kbd|tt)[ ]?/?>",
)
SPECIAL = re.compile(r"[&\\%<]")
"""What every escape begins with."""

HALF = re.compile(
    r"(?:&(?:amp;){0,2}(?:a|am|amp|amp;|#[0-9]{0,6}|#[xX][0-9A-Fa-f]{0,5}|[A-Za-z]{0,8})"
    r"|\\{1,4}(?:u[0-9A-Fa-f]{0,3})?"
    r"|%(?:[02-7]?|[Ee](?:[0-9A-Fa-f](?:%(?:[89ABab](?:[0-9A-Fa-f](?:%[89ABab]?)?)?)?)?)?)"
    r"|</?[A-Za-z]{0,6}[ ]?/?)\Z"
)
"""An escape whose end, if it has one, is still to come."""

HALF_LENGTH = 24
_DROPPED = "\u200b"  # how an escape that stands for no character reads


def _meaning(escape: str) -> str:
    if escape[0] == "&":
        char = unescape(escape.replace("amp;", ""))
    elif escape[0] == "\\":
        char = chr(int(escape[2:], 16)) if escape[1] == "u" else "\n"
    else:
        char = unquote(escape) if escape[0] == "%" else _DROPPED
    return char if len(char) == 1 else _DROPPED


_REFERENCE = r"&(?:amp;){0,2}(?:#0{0,16}[0-9]{1,7};?|#[xX]0{0,16}[0-9A-Fa-f]{1,6};?|(?!amp;)[A-Za-z]{2,8};)"
_IN_TEXT = re.compile(_REFERENCE + r"|\\u[0-9A-Fa-f]{4}|\\[\"']|%[0-9A-Fa-f]{2}")
_IN_JSON = re.compile(_REFERENCE + r"|\\(?:u[0-9A-Fa-f]{4}|[^u])|%[0-9A-Fa-f]{2}")
INNER = {'"': "\x01", "'": "\x02"}
"""How a quotation mark that is escaped reads in an address: it ends no text that a plain one began."""


def decoded(text: str) -> tuple[str, list[int] | None]:
    """``text`` with its escapes read, and where each character (and the end) stood, or None: in place."""
    if not ("&" in text or "\\" in text or "%" in text or "<" in text):
        return text, None
    return _decoded(text, _ESCAPE, _meaning)


def decoded_address(text: str, is_json: bool) -> tuple[str, list[int] | None]:
    """The same as whoever follows addresses reads it: what an escape spells ends and quotes nothing, and
    marks around a word are no part of one. In JSON (``is_json``) every backslash begins an escape."""
    if not ("&" in text or "\\" in text or "%" in text):
        return text, None
    return _decoded(text, _IN_JSON if is_json else _IN_TEXT, _in_address)


def _in_address(escape: str) -> str:
    if escape[0] == "\\" and escape[1] != "u":
        char = escape[1]
        return INNER.get(char) or ("\n" if char in "nrt" else char)
    char = _meaning(escape if escape[0] != "&" or escape[-1] == ";" else escape + ";")
    return char if char.isalnum() or char in ":/\\.@?#\u3002" else _DROPPED


def _decoded(
    text: str, escapes: re.Pattern[str], meaning: Callable[[str], str]
) -> tuple[str, list[int] | None]:
    parts: list[str] = []
    places: list[int] = []
    at = 0
    for found in escapes.finditer(text):
        start, end = found.span()
        parts += text[at:start], meaning(found[0])
        places += range(at, start + 1)
        at = end
    if not parts:
        return text, None
    parts.append(text[at:])
    places += range(at, len(text) + 1)
    return "".join(parts), places
