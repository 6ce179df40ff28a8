"""The words in which tables say what is done with the fields of a request.

A field that is in no table is treated as private: every string, number and key below it is looked at
(``DEEP``).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias


class How(enum.Enum):
    """What is done with a value."""

    PASS = enum.auto()  # a name or an enumeration; a string of another shape is masked as text
    NUMBER = enum.auto()  # a number, which passes; anything else is treated as by PASS
    TEXT = enum.auto()  # masked as text
    JSON = enum.auto()  # JSON written as text: strings, numbers and keys in it are masked one by one
    DEEP = enum.auto()  # whatever it is: strings, numbers and keys below it are masked one by one
    ALIAS = enum.auto()  # names a person to the service: replaced by a keyed alias, never restored
    OPAQUE = enum.auto()  # signed or encrypted by the service: goes back byte for byte
    PICTURE = enum.auto()  # a picture: reduced to what is to be seen of it, all else with it is dropped
    DROP = enum.auto()  # cannot be looked at and is not needed: left out


class Refuse(NamedTuple):
    """The request is refused if this field is present."""

    why: str


class Only(NamedTuple):
    """The request is refused unless this field has one of these values."""

    values: frozenset[str | bool]
    why: str
    others: Mapping[str, str] = {}
    """Why some of the other values are refused, where there is more to say."""


class Never(NamedTuple):
    """The request is refused if this field has one of these values; others pass as names do."""

    values: frozenset[str]
    why: str


class Signed(NamedTuple):
    """A text that its maker has signed, in an object of this ``kind`` (its ``type``): it goes back byte for
    byte, for its maker takes it no other way. It is looked at all the same. Where none of the fields ``by``
    its side looks like a signature, and in other objects, it is treated by ``rule``."""

    kind: str
    by: tuple[str, ...]
    rule: Rule


class Strings(NamedTuple):
    """A text or a list of texts, masked; the request is refused if anything else is among them."""

    why: str


class Names(NamedTuple):
    """An object whose keys are names and whose values all follow one rule."""

    rule: Rule


class Known(NamedTuple):
    """A text that the service's own programs send, and that it wants to find as it is. Nothing private fits
    into its ``form``. Any other text is treated by ``rule``."""

    form: re.Pattern[str]
    rule: Rule


Rule: TypeAlias = (
    "How | Refuse | Only | Never | Strings | Names | Signed | Known | dict[str, Any] | list[Any]"
)
# A dict says what happens to each field ("*" to others, DEEP by default), a list to each element. A string
# that stands where an object or a list was expected is text; so is a long number where none was expected.

PASS, NUMBER, TEXT, JSON, DEEP, ALIAS, OPAQUE, PICTURE, DROP = How

SCHEMA: dict[str, Rule] = {
    "type": PASS,
    "format": PASS,
    "$ref": PASS,
    "$schema": PASS,
    "$id": PASS,
    "required": PASS,
    "enum": DEEP,
    "const": DEEP,
    "default": DEEP,
    "examples": DEEP,
}
SCHEMA |= dict.fromkeys(
    ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"),
    NUMBER,
)
SCHEMA |= dict.fromkeys(("minItems", "maxItems", "minProperties", "maxProperties"), NUMBER)
_schemas = Names(SCHEMA)
SCHEMA |= {"properties": _schemas, "patternProperties": _schemas, "$defs": _schemas, "definitions": _schemas}
SCHEMA["*"] = SCHEMA
