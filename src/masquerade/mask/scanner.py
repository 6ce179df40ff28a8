"""The scanner in C, made from the table: ``rules.py`` is what it is held to."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from functools import cache
from sys import intern
from types import ModuleType
from typing import Any, NamedTuple

from masquerade import crypto
from masquerade.mask import checks, native, patterns, program, rules
from masquerade.mask.normal import USUAL
from masquerade.mask.patterns import ROWS, Row
from masquerade.mask.surrogate import ASCII_PROJECTION


class Scanner(NamedTuple):
    """A table in native code."""

    inner: Any
    kinds: tuple[str, ...]
    """Every kind that it finds; a policy's verdicts come in this order."""


@cache
def whole() -> Scanner | None:
    """The whole table, compiled when it is first needed; None without the native part."""
    built = native.module()
    return None if built is None else compiled(built, ROWS)


def compiled(built: ModuleType, table: Iterable[Row]) -> Scanner:
    """A scanner of ``table``."""
    table = tuple(table)
    compiler = program.Compiler()
    kinds: dict[str, int] = {}
    rows: list[tuple[Any, ...]] = []
    forms: list[list[tuple[bool, int]]] = [[] for _ in range(rules.MOST_DIGITS)]
    literals: dict[str, list[tuple[bool, int]]] = {}
    elsewhere: list[int] = []
    for index, row in enumerate(table):
        if row.after:
            expression = rules.labelled(row)
        else:
            expression = f"(?:{row.expression}){rules.END}" if row.lead else row.expression
        kind = kinds.setdefault(row.kind, len(kinds))
        rows.append((kind, row.score, row.check, row.left, compiler.add(expression)))
        for lead in row.lead:
            forms[lead].append((False, index))
        for literal in (*row.at, *row.after):
            literals.setdefault(literal, []).append((bool(row.after), index))
        if not (row.lead or row.at or row.after):
            elsewhere.append(index)
    numbers: dict[str, Any] = {
        "usual": compiler.add_set(f"[{USUAL}]"),
        "projection": ASCII_PROJECTION,
        "local": compiler.add_set(patterns.EMAIL_LOCAL_CHARACTER),
        "scheme": compiler.add_set(rules.SCHEME_CHARACTER),
        "solid": compiler.add_set(rules.SOLID_CHARACTER),
        "digit": compiler.add(rules.DIGIT.pattern),
        "email_at": compiler.add("@" + patterns.EMAIL_DOMAIN),
        "email_percent": compiler.add("%40" + patterns.EMAIL_DOMAIN),
        "url": compiler.add(patterns.URL_REST),
        "credentials": compiler.add(patterns.URL_CREDENTIALS),
        "issuer": compiler.add(rf"(?:{checks.ISSUER.pattern})\Z"),
        "calling": compiler.add(checks.CALLING_CODE.pattern),
        "placeholder": compiler.add(rf"{checks.PLACEHOLDER.pattern}\Z"),
        "double_sha256": crypto.double_sha256,
        "tries": rules.TRIES_A_WORD,
        "waste": rules.WASTE,
        "elsewhere": elsewhere,
        "email": (kinds.setdefault("EMAIL", len(kinds)), patterns.EMAIL_SCORE),
        "address": (kinds.setdefault("URL", len(kinds)), patterns.URL_SCORE),
        "secret": (kinds.setdefault("SECRET", len(kinds)), patterns.CREDENTIALS_SCORE),
        **_facts(),
    }  # fmt: skip
    words = list(literals)
    own = {form for word in words for char in word for form in (char, char.upper())}
    tables = compiler.finish(own | {_EXTENSION})
    fold = _fold(words, tables.symbols)
    trie = program.trie([[fold[tables.symbols[ord(char)]] for char in word] for word in words])
    raw = {
        "code": tables.code, "bits": tables.bits, "symbols": tables.symbols, "fold": fold,
        "node_literal": trie.literal, "node_first": trie.first,
        "node_symbol": trie.symbol, "node_target": trie.target,
    }  # fmt: skip
    inner = built.Scanner(
        {
            **numbers,
            **{name: values.tobytes() for name, values in raw.items()},
            "words": tables.words,
            "extension": tables.symbols[ord(_EXTENSION)],
        },
        list(map(intern, kinds)),
        rows,
        forms,
        list(literals.values()),
    )
    return Scanner(inner, tuple(kinds))


_EXTENSION = "转"
"""What stands before an extension: a check in C looks for it."""


def _fold(words: list[str], symbols: array[int]) -> array[int]:
    """Each symbol to that of its lower case, as far as labels tell them apart."""
    fold = array("H", range(max(symbols) + 1))
    for char in {form for word in words for letter in word for form in (letter, letter.upper())}:
        fold[symbols[ord(char)]] = symbols[ord(char.lower())]
    for code in range(ord("A"), ord("Z") + 1):
        fold[code] = code + 32
    return fold


def _facts() -> dict[str, bytes]:
    """Tables of ``checks.py`` as bytes, by two letters, two digits, or a calling code."""
    iban, countries = bytearray(26 * 26), bytearray(26 * 26)
    for country, length in checks.IBAN_LENGTH.items():
        iban[_pair(country)] = length
    for country in checks.COUNTRIES:
        countries[_pair(country)] = 1
    provinces = bytearray(100)
    for province in checks.PROVINCES:
        provinces[int(province)] = 1
    most = bytearray(b"\x0f" * 1000)
    for code, digits in checks.MOST_DIGITS.items():
        most[int(code)] = digits
    return {
        "iban": bytes(iban),
        "countries": bytes(countries),
        "provinces": bytes(provinces),
        "most_digits": bytes(most),
    }


def _pair(letters: str) -> int:
    return (ord(letters[0]) - 65) * 26 + ord(letters[1]) - 65
