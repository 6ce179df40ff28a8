"""What a sealed package says of itself: signed, in one encoding, and read only after its signature was
checked.

    Manifest    public: who it is for, its name and number, what it is and at what privacy cost
    Member      sealed: the files inside, by name and size

A name of a member is a relative path of POSIX. It must be usable on every system, for a package is opened on
another one: no step up, no drive, no control character, no name that Windows keeps for itself, no two names
that differ by case or accents' encoding only, no file where another needs a folder.
"""

from __future__ import annotations

import base64
import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from masquerade.errors import BadInput, Tampered

FORMAT = 1
MOST_HEADER = 1 << 20
"""Bytes that a manifest has at most."""
MOST_MEMBERS = 10_000
_MOST_NAME = 120
_DEPTH = 32
_RESERVED = frozenset(
    "con prn aux nul clock$".split() + [f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³"]
)


class Member(NamedTuple):
    """A file inside."""

    name: str
    size: int


class Wrapped(NamedTuple):
    """The file key for one recipient."""

    recipient: str
    """Its :attr:`masquerade.keys.Recipient.id`."""
    capsule: bytes


@dataclass(frozen=True)
class Manifest:
    """The public head of a package. ``about`` is for its readers: whatever JSON holds, at most some
    kilobytes.

    Raises:
        BadInput: a name, number or size is out of its range, or ``about`` is no JSON.
    """

    name: str
    """What it is called by its signer: packages of one name replace each other."""
    number: int
    """A later package of that name has a larger one."""
    recipients: tuple[Wrapped, ...]
    payload: int
    """Bytes of all members together."""
    index: bytes
    """The members, sealed under the file key."""
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= _MOST_NAME or not self.name.isprintable():
            raise BadInput(f"a package has a name of 1 to {_MOST_NAME} printable characters")
        if not (0 <= self.number < 1 << 63 and 0 <= self.payload < 1 << 62):
            raise BadInput("a package's number and size are 0 or more, and not beyond 2^62")
        if not self.recipients or len({each.recipient for each in self.recipients}) < len(self.recipients):
            raise BadInput("a package is for one recipient or more, each once")

    def encoded(self) -> bytes:
        """The one encoding: JSON in UTF-8, names sorted, nothing between.

        Raises:
            BadInput: ``about`` is no JSON, or all of it is larger than 1 MiB.
        """
        told = {
            "masquerade": FORMAT,
            "name": self.name,
            "number": self.number,
            "recipients": [[each.recipient, _base64(each.capsule)] for each in self.recipients],
            "payload": self.payload,
            "index": _base64(self.index),
            "about": dict(self.about),
        }
        try:
            encoded = _canonical(told)
        except (ValueError, TypeError, RecursionError):
            raise BadInput(
                "what a package says about itself is JSON: numbers that are finite, texts, lists"
            ) from None
        if len(encoded) > MOST_HEADER:
            raise BadInput("what a package says about itself is larger than 1 MiB: put it into a file inside")
        return encoded

    @classmethod
    def decoded(cls, encoded: bytes) -> Manifest:
        """The inverse; for bytes whose signature was checked.

        Raises:
            Tampered: this is no manifest, or not in the one encoding.
        """
        try:
            told = json.loads(encoded)
            _check_format(told["masquerade"])
            manifest = cls(
                _typed(told["name"], str),
                _typed(told["number"], int),
                tuple(
                    Wrapped(_typed(one, str), base64.b64decode(two, validate=True))
                    for one, two in told["recipients"]
                ),
                _typed(told["payload"], int),
                base64.b64decode(told["index"], validate=True),
                _typed(told["about"], dict),
            )
            whole = len(told) == 7 and manifest.encoded() == encoded
        except BadInput:
            raise
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            whole = False
        if not whole:
            raise Tampered("the head of this package is no manifest in its one encoding")
        return manifest


def _check_format(told: Any) -> None:
    if told != FORMAT:
        raise BadInput("this package is of a later format: use a newer Masquerade")


def _typed(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(kind.__name__)
    return value


def _canonical(told: Any) -> bytes:
    return json.dumps(
        told, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


# -- members ---------------------------------------------------------------------------------------------


def pack_members(members: Iterable[Member]) -> bytes:
    """The table of members, to be sealed.

    Raises:
        BadInput: a name is not usable everywhere, or two cannot stand beside each other.
    """
    members = list(members)
    check_members(members)
    return _canonical([[member.name, member.size] for member in members])


def unpack_members(packed: bytes, payload: int) -> tuple[Member, ...]:
    """The inverse; for bytes that were authenticated, and trusted no further.

    Raises:
        BadInput: as :func:`pack_members`; whoever sealed this did it by other rules.
        Tampered: it is no table, or the sizes are not those of the payload.
    """
    try:
        members = tuple(Member(_typed(name, str), _typed(size, int)) for name, size in json.loads(packed))
    except (ValueError, TypeError, RecursionError):
        raise Tampered("the table of files inside this package is damaged") from None
    check_members(members)
    if sum(member.size for member in members) != payload:
        raise Tampered("the sizes of the files inside this package do not add up")
    return members


def check_members(members: Iterable[Member]) -> None:
    """Refuse names by which a file could land elsewhere, or not at all, on some system."""
    files: set[str] = set()
    folders: set[str] = set()
    for number, member in enumerate(members, 1):
        if number > MOST_MEMBERS:
            raise BadInput(f"a package holds at most {MOST_MEMBERS:,} files")
        if member.size < 0:
            raise BadInput(f"file {number} inside has a size below 0")
        parts = [_plain(part) for part in member.name.split("/")]
        if len(parts) > _DEPTH or not all(map(_usable, member.name.split("/"))):
            raise BadInput(
                f"the name of file {number} inside cannot be used on every system: it must be a relative "
                "path without '..', drives, control characters, reserved names, or a dot or blank at an end"
            )
        path = "/".join(parts)
        above = {"/".join(parts[:n]) for n in range(1, len(parts))}
        if path in files or path in folders or above & files:
            raise BadInput(
                f"the name of file {number} inside cannot stand beside another one's: on some systems they "
                "are the same"
            )
        files.add(path)
        folders |= above


def _plain(part: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", part).casefold())


def _usable(part: str) -> bool:
    if not part or part in (".", "..") or part != part.strip(" ") or part.endswith("."):
        return False
    if len(part.encode("utf-8", "replace")) > 240 or any(char in '\\:*?"<>|' for char in part):
        return False
    if any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in part):
        return False
    return part.partition(".")[0].rstrip(" ").casefold() not in _RESERVED
