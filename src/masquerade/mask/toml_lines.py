"""Where everything in a TOML document stands: tomllib gives values without positions."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""A place in a document: ``("deny", 0, "words", 3)`` is the fourth word of the first ``[[deny]]``."""


def syntax(message: str, text: str) -> tuple[str, int]:
    """tomllib's message without its position, and the line."""
    found = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    line = int(found[1]) if found and found[1] else text.count("\n") + (not text.endswith("\n"))
    reason = message[: found.start()] if found else message
    return f"this is not TOML: {reason[:1].lower()}{reason[1:]}", max(line, 1)


_LEXEME = re.compile(
    r"""\"\"\"(?:\\.|[^\\])*?"{3,5}|'''.*?'{3,5}|"(?:\\.|[^"\\])*"|'[^']*'|\#[^\n]*|\n|[\[\]{}=,]|[^\s\[\]{}=,"'\#]+""",
    re.DOTALL,
)


def lines_of(text: str) -> dict[Path, int]:
    """The line of every table, key and array entry of a TOML document that tomllib has accepted.

    tomllib gives values without positions; since it has already judged the syntax, a lexer and one level of
    recursion for arrays and inline tables are enough.
    """
    lines: dict[Path, int] = {}
    lexemes = [*_lexemes(text), ("\n", 0)]
    counts: dict[Path, int] = {}
    here: Path = ()
    at = 0

    def key(at: int) -> tuple[Path, int]:
        parts: list[str] = []
        while (word := lexemes[at][0]) not in ("=", "]"):
            if word[0] in "\"'":
                parts.append(_unquoted(word))
            else:
                parts += [part for part in word.split(".") if part]
            at += 1
        return tuple(parts), at

    def value(path: Path, at: int) -> int:
        lines.setdefault(path, lexemes[at][1])
        opening = lexemes[at][0]
        if opening not in ("[", "{"):
            while lexemes[at][0] not in (",", "]", "}", "\n"):
                at += 1
            return at
        at += 1
        index = 0
        while (word := lexemes[at][0]) not in ("]", "}"):
            if word in (",", "\n"):
                at += 1
            elif opening == "[":
                at, index = value((*path, index), at), index + 1
            else:
                name, equals = key(at)
                at = value((*path, *name), equals + 1)
        return at + 1

    while at < len(lexemes):
        word, line = lexemes[at]
        if word == "[":
            double = lexemes[at + 1][0] == "["
            here, at = key(at + 1 + double)
            if double:
                counts[here] = counts.get(here, -1) + 1
                lines.setdefault(here, line)
                here = (*here, counts[here])
            lines.setdefault(here, line)
            at += 1 + double
        elif word == "\n":
            at += 1
        else:
            name, equals = key(at)
            path = (*here, *name)
            lines.setdefault(path, line)
            at = value(path, equals + 1)
    return lines


def _lexemes(text: str) -> Iterator[tuple[str, int]]:
    line = 1
    for found in _LEXEME.finditer(text):
        word = found[0]
        if not word.startswith("#"):
            yield word, line
        line += word.count("\n")


def _unquoted(word: str) -> str:
    return str(*tomllib.loads(f"{word} = 0"))
