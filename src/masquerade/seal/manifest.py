"""What a package says of itself: which files, from what, at what privacy cost.

A part that anyone may read (``Public``) and a part for recipients (``Manifest``). Both are JSON with one
spelling only: keys sorted, no spaces, UTF-8, no fractions (what has one is text). What is spelled otherwise,
has a key too many, or a name that a file may not have everywhere, is refused. See docs/spec/seal.md.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from masquerade.dp.accountant import Event, from_json, to_json
from masquerade.dp.ledger import Account
from masquerade.errors import BadInput

MOST_MEMBERS = 50_000
MOST_SEQUENCE = 2**53 - 1
_NAME_BYTES, _PART_BYTES = 1024, 255
_TITLE_BYTES, _TEXT_BYTES = 1024, 1 << 20

_FORBIDDEN = re.compile(
    r'[\x00-\x1f\x7f-\x9f\\:*?"<>|\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]'
)
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?: *\..*)?", re.IGNORECASE)
_NUMBER = re.compile(r"\d{1,17}\.\d{1,25}|\d(?:\.\d{1,17})?e[+-]\d{2,3}|inf", re.ASCII)


class Member(NamedTuple):
    """A file in a package."""

    name: str
    """Its path, parts joined by ``/``; never out of the folder that it is opened in."""
    size: int


class Paid(NamedTuple):
    """An account of a privacy ledger, as it stood when the package was sealed."""

    account: str
    unit: str
    """What one record stands for."""
    epsilon: float
    delta: float
    """Its budget."""
    spent: float
    """What its events cost together, as epsilon at ``delta``."""
    events: tuple[tuple[Event, int], ...] = ()
    """What was paid for, and how often."""

    @classmethod
    def of(cls, name: str, unit: str, account: Account) -> Paid:
        """An account of :meth:`masquerade.dp.ledger.Ledger.balance`."""
        events = tuple(sorted(account.events.items(), key=lambda paid: to_json(paid[0])))
        return cls(name, unit, account.budget.epsilon, account.budget.delta, account.spent, events)


class Price(NamedTuple):
    """What anyone may know of an account: not its name, nor what was asked."""

    unit: str
    epsilon: float
    delta: float
    spent: float


@dataclass(frozen=True, slots=True)
class Public:
    """What stands open in a package, signed."""

    sequence: int
    """Grows from one package of a series to the next."""
    title: str = ""
    budget: tuple[Price, ...] = ()

    def encode(self) -> bytes:
        """Its only spelling."""
        return _spelled(
            {
                "budget": [_price(price) for price in self.budget],
                "sequence": self.sequence,
                "title": self.title,
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Public:
        """The inverse of :meth:`encode`.

        Raises:
            BadInput: these are no bytes that :meth:`encode` gives.
        """
        with _Reading():
            told = _read(data, "budget sequence title")
            return cls(
                _int(told["sequence"]), _text(told["title"]), tuple(map(_to_price, _list(told["budget"])))
            )

    def check(self) -> None:
        """Raises :class:`BadInput` for what may not stand in a package."""
        if not 0 <= self.sequence <= MOST_SEQUENCE:
            raise BadInput(f"a sequence number is 0 to {MOST_SEQUENCE}")
        _check_text("title", self.title, _TITLE_BYTES)
        if _CONTROL.search(self.title):
            raise BadInput("a title is one line, without control characters")
        for price in self.budget:
            _check_price(price)


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What only recipients read."""

    members: tuple[Member, ...]
    """In the order in which they lie in the payload."""
    folders: tuple[str, ...] = ()
    """Those in which there is nothing."""
    series: str = ""
    """Of what this is a version; a newer one has a higher sequence number."""
    card: str = ""
    """The model card, as text."""
    configuration: str = ""
    """JSON, as the text that it was."""
    ledger: tuple[Paid, ...] = ()

    @property
    def budget(self) -> tuple[Price, ...]:
        """What the public part says of the ledger."""
        return tuple(Price(paid.unit, paid.epsilon, paid.delta, paid.spent) for paid in self.ledger)

    @property
    def size(self) -> int:
        """Bytes of all members."""
        return sum(member.size for member in self.members)

    def encode(self) -> bytes:
        """Its only spelling."""
        return _spelled(
            {
                "card": self.card,
                "configuration": self.configuration,
                "folders": list(self.folders),
                "ledger": [_paid(paid) for paid in self.ledger],
                "members": [{"name": name, "size": size} for name, size in self.members],
                "series": self.series,
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """The inverse of :meth:`encode`.

        Raises:
            BadInput: these are no bytes that :meth:`encode` gives.
        """
        with _Reading():
            told = _read(data, "card configuration folders ledger members series")
            members = tuple(
                Member(_text(one["name"]), _int(one["size"]))
                for one in (_exactly(each, "name size") for each in _list(told["members"]))
            )
            folders = tuple(map(_text, _list(told["folders"])))
            return cls(
                members,
                folders,
                series=_text(told["series"]),
                card=_text(told["card"]),
                configuration=_text(told["configuration"]),
                ledger=tuple(map(_to_paid, _list(told["ledger"]))),
            )

    def check(self) -> None:
        """Raises :class:`BadInput` for what may not stand in a package: above all, names."""
        if not 0 < len(self.members) + len(self.folders) <= MOST_MEMBERS:
            raise BadInput(f"a package has 1 to {MOST_MEMBERS:,} files and empty folders")
        if any(not 0 <= member.size <= MOST_SEQUENCE for member in self.members):
            raise BadInput("a file's size is 0 or more")
        check_names((member.name for member in self.members), self.folders)
        _check_text("series", self.series, _TITLE_BYTES)
        _check_text("model card", self.card, _TEXT_BYTES)
        _check_text("configuration", self.configuration, _TEXT_BYTES)
        for paid in self.ledger:
            _check_text("account", paid.account, _TITLE_BYTES)
            if any(count < 1 for _, count in paid.events):
                raise BadInput("an event in the ledger happened once or more")
        for price in self.budget:
            _check_price(price)


# Names --------------------------------------------------------------------------------------------------


def check_names(files: Iterable[str], folders: Iterable[str] = ()) -> None:
    """Refuse names that are not safe in every folder of every system.

    Raises:
        BadInput: one leads out of the folder, has a part that some system reserves or changes, or is the
            same as another's, or as a folder of another's, where upper and lower case are one.
    """
    taken: dict[str, bool] = {}  # a name in its plain form -> whether it is a file or an empty folder
    for number, (name, is_file) in enumerate([(n, True) for n in files] + [(n, False) for n in folders], 1):
        problem = problem_of(name)
        parts = _plain(name).split("/")
        above = ["/".join(parts[:n]) for n in range(1, len(parts))]
        whole = "/".join(parts)
        if not problem and (whole in taken or any(taken.get(folder) for folder in above)):
            problem = "is another's too, where upper and lower case are one"
        if problem:
            what = "file" if is_file else "empty folder"
            raise BadInput(f"the name of {what} {number} in the package {problem}")
        taken[whole] = True
        for folder in above:
            taken.setdefault(folder, False)


def problem_of(name: str) -> str | None:
    """Why ``name`` is refused, without the name; None where it is not."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "has half of a character"
    if size > _NAME_BYTES:
        return f"is longer than {_NAME_BYTES} bytes"
    if name.startswith("/"):
        return "is an absolute path"
    if _FORBIDDEN.search(name):
        return "has a character that names of files may not have everywhere"
    for part in name.split("/"):
        if part in ("", ".", ".."):
            return "leads out of its folder, or nowhere"
        if part[-1] in ". " or part[0] == " ":
            return "has a part with a space or a full stop at its edge, which some systems drop"
        if len(part.encode()) > _PART_BYTES:
            return f"has a part of more than {_PART_BYTES} bytes"
        if _DEVICE.fullmatch(part):
            return "is a device's on Windows"
    return None


def _plain(name: str) -> str:
    """What is left of a name where case, composition and invisible characters do not count."""
    visible = "".join(c for c in name if unicodedata.category(c) != "Cf")
    folded = unicodedata.normalize("NFD", visible).casefold()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", folded).casefold())


# Spelling -----------------------------------------------------------------------------------------------


class _Reading:
    """Whatever goes wrong in reading, as our own error, without the text that it stumbled over."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> None:
        if isinstance(error, (ValueError, TypeError, KeyError, RecursionError, MemoryError, BadInput)):
            raise BadInput("this package's manifest is not written as the format demands") from None


def _spelled(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise BadInput("a text or name has half of a character: it is not UTF-8") from None


def _read(data: bytes, keys: str) -> dict[str, Any]:
    told = json.loads(data.decode("utf-8"))
    if _spelled(told) != data:  # which also finds keys that stand twice, and fractions spelled otherwise
        raise ValueError("another spelling")
    return _exactly(told, keys)


def _exactly(told: Any, keys: str) -> dict[str, Any]:
    if not isinstance(told, dict) or sorted(told) != keys.split():
        raise ValueError("other keys")
    return told


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return value


def _int(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("no integer")
    return value


def _number(value: float) -> str:
    return repr(float(value))


def _to_number(value: Any) -> float:
    if not _NUMBER.fullmatch(_text(value)) or _number(float(value)) != value:
        raise ValueError("no number as it is spelled here")
    return float(value)


def _price(price: Price | Paid) -> dict[str, Any]:
    return {
        "delta": _number(price.delta),
        "epsilon": _number(price.epsilon),
        "spent": _number(price.spent),
        "unit": price.unit,
    }


def _to_price(told: Any) -> Price:
    _exactly(told, "delta epsilon spent unit")
    return Price(_text(told["unit"]), *(_to_number(told[key]) for key in ("epsilon", "delta", "spent")))


def _paid(paid: Paid) -> dict[str, Any]:
    events = [{"count": count, "event": to_json(event)} for event, count in paid.events]
    return _price(paid) | {"account": paid.account, "events": events}


def _to_paid(told: Any) -> Paid:
    _exactly(told, "account delta epsilon events spent unit")
    return Paid(
        _text(told["account"]),
        _text(told["unit"]),
        epsilon=_to_number(told["epsilon"]),
        delta=_to_number(told["delta"]),
        spent=_to_number(told["spent"]),
        events=tuple(
            (_to_event(one["event"]), _int(one["count"]))
            for one in (_exactly(each, "count event") for each in _list(told["events"]))
        ),
    )


def _to_event(text: Any) -> Event:
    event = from_json(_text(text))
    if to_json(event) != text:
        raise ValueError("another spelling")
    return event


def _check_text(what: str, text: str, most: int) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise BadInput(f"the {what} has half of a character: it is not UTF-8") from None
    if size > most:
        raise BadInput(f"the {what} has {size:,} bytes, where at most {most:,} belong")


def _check_price(price: Price) -> None:
    _check_text("unit", price.unit, _TITLE_BYTES)
    if _CONTROL.search(price.unit):
        raise BadInput("a unit is one line, without control characters")
    if not (0 < price.epsilon < math.inf and 0 <= price.delta < 1 and price.spent >= 0):
        raise BadInput("a budget is an epsilon above 0 and a delta of at least 0 and below 1")
