"""What those who take part in a secure sum agree on beforehand: a TOML file, the same for all.

mailbox = "https://relay.example.org:8443"
session = "64 hexadecimal digits"             # fresh for each round

[sum]
task = "mean age by ward, third quarter"      # free text; all must mean the same
length = 12                                   # numbers from each
bound = 150.0                                 # largest magnitude of one number
bits = 64                                     # optional, as are the next
fraction_bits = 20
weight_bound = 10000.0                        # then each gives a weight too, and the mean comes out
corrupt = 0.2
dropped = 0.1

[aggregator]
name = "registry"
key = "64 hexadecimal digits"                 # what  masquerade keys identity  printed

[[client]]
name = "north hospital"
key = "64 hexadecimal digits"
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tokenize import TokenError
from typing import Any
from urllib.parse import urlsplit
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from masquerade import crypto
from masquerade.compute.field import FixedPoint
from masquerade.compute.protocol import Round
from masquerade.errors import BadInput, MasqueradeError

_HEX = re.compile(r"[0-9a-f]{64}")

_LARGEST = 1 << 512

_SUM: dict[str, tuple[type | tuple[type, ...], Any]] = {
    "task": (str, None),
    "length": (int, None),
    "bound": ((int, float), None),
    "bits": (int, 64),
    "fraction_bits": (int, 20),
    "weight_bound": ((int, float), False),
    "corrupt": ((int, float), 0.2),
    "dropped": ((int, float), 0.1),
}
"""Field of [sum]: its type, and what it is when it is left out (None: it must be there)."""


@dataclass(frozen=True, slots=True)
class Member:
    """One who takes part."""

    name: str
    key: bytes
    """The Ed25519 public key that is pinned."""


@dataclass(frozen=True)
class Roster:
    """The file, read and checked."""

    mailbox: str
    session: bytes
    aggregator: Member
    clients: tuple[Member, ...]
    settings: dict[str, Any]
    """The fields of [sum], complete."""

    @classmethod
    def parse(cls, text: str, source: str = "roster") -> Roster:
        """Read the file's text.

        Raises:
            BadInput: it is no TOML, a field is missing, unknown or of another type, a key is there twice, or
                the round or the format of the numbers is impossible.
        """
        try:
            told = tomllib.loads(text)
        except tomllib.TOMLDecodeError as problem:
            raise BadInput(f"is not TOML: {problem}", source=source) from None
        except (ValueError, RecursionError):
            raise BadInput(
                "is not TOML: a number is too long, or it is nested too deep", source=source
            ) from None
        try:
            roster = cls._checked(told)
            roster.format.check(len(roster.clients))
            _ = roster.round
        except MasqueradeError as problem:
            raise BadInput(str(problem), source=source) from None
        return roster

    @classmethod
    def _checked(cls, told: dict[str, Any]) -> Roster:
        _exactly(told, {"mailbox", "session", "sum", "aggregator", "client"}, "the roster")
        address = told["mailbox"]
        if not isinstance(address, str) or not _is_address(address):
            raise BadInput("mailbox is an address that begins with https://")
        clients = told["client"]
        if not isinstance(clients, list):
            raise BadInput("every client is a [[client]] of its own, with two brackets")
        members = tuple(_member(client, f"client {n}") for n, client in enumerate(clients, 1))
        aggregator = _member(told["aggregator"], "the aggregator")
        everyone = [*members, aggregator]
        for what, values in (("key", [m.key for m in everyone]), ("name", [m.name for m in everyone])):
            if len(set(values)) < len(everyone):
                raise BadInput(f"two have the same {what}: each needs one of its own")
        return cls(
            address.rstrip("/"), _hex(told["session"], "session"), aggregator, members, _settings(told["sum"])
        )

    @cached_property
    def format(self) -> FixedPoint:
        """The format of the numbers."""
        told = self.settings
        weight_bound = None if told["weight_bound"] is False else float(told["weight_bound"])
        return FixedPoint(told["bits"], told["fraction_bits"], float(told["bound"]), weight_bound)

    @cached_property
    def round(self) -> Round:
        """The round of the protocol; its task is the SHA-256 of [sum] as JSON with sorted keys."""
        told = self.settings
        return Round(
            session=self.session,
            roster=tuple(member.key for member in self.clients),
            task=crypto.sha256(json.dumps(told, sort_keys=True, ensure_ascii=False).encode()),
            length=told["length"] + (1 if self.format.weight_bound is not None else 0),
            bits=told["bits"],
            corrupt=float(told["corrupt"]),
            dropped=float(told["dropped"]),
        )


def _exactly(told: Any, names: set[str], where: str) -> None:
    if not isinstance(told, dict):
        raise BadInput(f"{where} is a table")
    if missing := sorted(names - told.keys()):
        raise BadInput(f"{where} has no {missing[0]}")
    if unknown := sorted(told.keys() - names):
        raise BadInput(f"{where} has {unknown[0]}, which means nothing here")


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    odd = parts.query or parts.fragment or parts.username or parts.password
    return parts.scheme == "https" and bool(parts.hostname) and not odd


def _hex(value: Any, what: str) -> bytes:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise BadInput(f"{what} is 64 hexadecimal digits")
    return bytes.fromhex(value)


def _member(told: Any, where: str) -> Member:
    _exactly(told, {"name", "key"}, where)
    if not isinstance(told["name"], str) or not told["name"].strip():
        raise BadInput(f"{where}: name is a text")
    return Member(told["name"], _hex(told["key"], f"{where}: key"))


def _settings(told: Any) -> dict[str, Any]:
    if not isinstance(told, dict):
        raise BadInput("[sum] is a table")
    if unknown := sorted(told.keys() - _SUM.keys()):
        raise BadInput(f"[sum] has {unknown[0]}, which means nothing here")
    out = {}
    for name, (kind, default) in _SUM.items():
        value = told.get(name, default)
        if value is None:
            raise BadInput(f"[sum] has no {name}")
        if name in told and (not isinstance(value, kind) or isinstance(value, bool)):
            raise BadInput(f"[sum]: {name} is {'a text' if kind is str else 'a number'}")
        if isinstance(value, int) and abs(value) > _LARGEST:
            raise BadInput(f"[sum]: {name} is too large")
        out[name] = value if isinstance(value, str | bool | int) else float(value)
    return out


# -- values ----------------------------------------------------------------------------------------------


def read_values(path: Path) -> NDArray[Any]:
    """The numbers of a ``.npy``, ``.csv`` or ``.json`` file, in one dimension.

    CSV holds numbers only, without a heading, in rows from left to right; JSON an array of numbers, which may
    be nested. A ``.npy`` file that holds Python objects is refused, because reading one runs what it says.

    Raises:
        BadInput: it cannot be read as such; the message names line and column, and shows no value.
    """
    readers = {".npy": _read_npy, ".csv": _read_csv, ".json": _read_json}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise BadInput("values come from a .npy, .csv or .json file", source=str(path))
    try:
        values = np.ravel(reader(path))
    except OSError as problem:
        raise BadInput(f"cannot be read: {problem.strerror}", source=str(path)) from None
    except UnicodeDecodeError:
        raise BadInput("is not UTF-8 text", source=str(path)) from None
    if values.dtype.kind not in "fiub":
        raise BadInput("does not hold real numbers", source=str(path))
    return values


def _read_npy(path: Path) -> NDArray[Any]:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (ValueError, EOFError, SyntaxError, TokenError, TypeError, OverflowError, MemoryError, BadZipFile):
        raise BadInput("is no .npy file of plain numbers", source=str(path)) from None


def _read_csv(path: Path) -> NDArray[Any]:
    numbers = []
    for line, row in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        for column, cell in enumerate(row.split(",") if row.strip() else (), 1):
            try:
                numbers.append(float(cell))
            except ValueError:
                raise BadInput(f"column {column} holds no number", source=str(path), line=line) from None
    return np.array(numbers)


def _read_json(path: Path) -> NDArray[Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as problem:
        raise BadInput("is not JSON", source=str(path), line=problem.lineno) from None
    except RecursionError:
        raise BadInput("is nested too deep", source=str(path)) from None
    except UnicodeDecodeError:
        raise
    except ValueError:
        raise BadInput("has a number that is too long", source=str(path)) from None
    try:
        return np.array(told)
    except ValueError:
        raise BadInput("is no regular array of numbers", source=str(path)) from None
