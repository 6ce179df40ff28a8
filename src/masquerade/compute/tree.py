"""Results as trees: numbers and arrays inside dicts, lists, tuples, named tuples and dataclasses.

    form, leaves = take_apart(result)      # the shape of it, and its arrays: int64 or float64
    put_together(form, leaves) == result   # up to the widening of numbers

Results can be added when they have one form: the same containers, keys, and shapes, whole numbers in the same
places. A form is public: whoever gets the sum learns it. No message here shows a key, for a key may be
private.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masquerade import crypto
from masquerade.compute.field import hides_values
from masquerade.errors import BadInput

Leaf = NDArray[np.int64] | NDArray[np.float64]
"""The numbers at one place: int64 for whole numbers and truth values, float64 for others."""

_KEYS = (str, bytes, int, float, bool, np.generic)
_MOST_DEPTH = 64


@dataclass(frozen=True, slots=True, repr=False)
class Form:
    """The shape of a result at one place.

    ``kind`` is ``dict``, ``list``, ``tuple``, ``record`` (a dataclass), ``names`` (a named tuple), ``array``
    or ``number``; ``make`` the class of the last but two; ``keys`` what its children are called. A leaf has
    ``shape`` and ``dtype``.
    """

    kind: str
    keys: tuple[Any, ...] = ()
    children: tuple[Form, ...] = ()
    make: Any = None
    shape: tuple[int, ...] = ()
    dtype: str = ""

    def leaves(self) -> Iterator[Form]:
        """Leaves in the order of :func:`take_apart`."""
        if self.dtype:
            yield self
        for child in self.children:
            yield from child.leaves()

    def digest(self) -> bytes:
        """32 bytes that two forms share exactly if results of them can be added."""
        return crypto.sha256(repr(self._plain()).encode())

    def _plain(self) -> tuple[Any, ...]:
        made = f"{self.make.__module__}.{self.make.__qualname__}" if self.make else ""
        keys = [(type(key).__name__, key) for key in self.keys]
        return self.kind, made, keys, self.shape, self.dtype, [child._plain() for child in self.children]


def take_apart(result: Any) -> tuple[Form, list[Leaf]]:
    """The form of ``result`` and its leaves, in order: dicts by sorted key, all others as they stand.

    Raises:
        BadInput: a leaf that is no real number or array of them, or hides some of them; a whole number beyond
            64 bits; a key that is neither text nor number; or nesting deeper than 64.
    """
    leaves: list[Leaf] = []
    return _take_apart(result, leaves, 0), leaves


def put_together(form: Form, leaves: Sequence[Any]) -> Any:
    """The inverse of :func:`take_apart`; single numbers come back as ``int`` or ``float``."""
    return _put_together(form, iter(leaves))


def difference(form: Form, other: Form) -> str | None:
    """Where ``other`` is no result of ``form``, in words that name places and shapes; None if it is one."""
    if form.digest() == other.digest():
        return None
    mine, theirs = list(form.leaves()), list(other.leaves())
    if len(mine) != len(theirs):
        return f"{len(theirs)} leaves, not {len(mine)}"
    for number, (a, b) in enumerate(zip(mine, theirs, strict=True), 1):
        where = f"leaf {number} of {len(mine)}"
        if a.shape != b.shape:
            return f"{where} has shape {b.shape}, not {a.shape}"
        if a.dtype != b.dtype:
            words = {"int64": "whole numbers", "float64": "fractions"}
            return f"{where} holds {words[b.dtype]}, not {words[a.dtype]}"
        if a.kind != b.kind:
            return f"{where} is an {b.kind}, not a {a.kind}".replace("an number", "a number")
    return "other containers or keys"


def add(totals: list[Leaf] | None, leaves: Sequence[Leaf]) -> list[Leaf]:
    """``totals`` plus ``leaves``, in place; None starts with a copy.

    Raises:
        BadInput: a sum of whole numbers leaves 64 bits.
    """
    if totals is None:
        return [leaf.copy() for leaf in leaves]
    for total, leaf in zip(totals, leaves, strict=True):
        before = total.copy() if total.dtype == np.int64 else None
        np.add(total, leaf, out=total)
        if before is not None and (((before < 0) == (leaf < 0)) & ((before < 0) != (total < 0))).any():
            raise BadInput("a sum of whole numbers does not fit 64 bits: return fractions (float)")
    return totals


def _take_apart(value: Any, leaves: list[Leaf], depth: int) -> Form:
    if depth > _MOST_DEPTH:
        raise BadInput(f"a result is nested deeper than {_MOST_DEPTH}")
    make: Any = None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind, make = "record", type(value)
        keys = tuple(field.name for field in dataclasses.fields(value))
        values = [getattr(value, key) for key in keys]
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        kind, make, keys, values = "names", type(value), tuple(value._fields), list(value)
    elif isinstance(value, Mapping):
        kind, keys = "dict", _sorted_keys(value)
        values = [value[key] for key in keys]
    elif isinstance(value, (list, tuple)):
        kind, keys, values = "list" if isinstance(value, list) else "tuple", (), list(value)
    else:
        return _leaf(value, leaves)
    children = tuple(_take_apart(each, leaves, depth + 1) for each in values)
    return Form(kind, keys, children, make)


def _sorted_keys(value: Mapping[Any, Any]) -> tuple[Any, ...]:
    keys = [key.item() if isinstance(key, np.generic) else key for key in value]
    if not all(isinstance(key, _KEYS) for key in keys):
        raise BadInput("a key of a dict in a result is neither text nor number")
    if len(set(keys)) < len(keys):
        raise BadInput("two keys of a dict in a result are the same number")
    return tuple(sorted(keys, key=lambda key: (type(key).__name__, key)))


def _leaf(value: Any, leaves: list[Leaf]) -> Form:
    where = f"leaf {len(leaves) + 1} of a result"
    single = isinstance(value, (bool, int, float, np.generic))
    if hides_values(value):
        raise BadInput(f"{where} has values that a mask of numpy.ma hides: fill them, or leave them out")
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError, OverflowError):  # RuntimeError: a tensor with a gradient
        array = np.empty(0, object)
    if array.dtype.kind in "bi" or (array.dtype.kind == "u" and array.dtype.itemsize < 8):
        dtype: np.dtype[Any] = np.dtype(np.int64)
    elif array.dtype.kind == "u" or (single and isinstance(value, int)):
        if array.dtype.kind != "u" or (array > np.iinfo(np.int64).max).any():
            raise BadInput(f"{where} holds a whole number beyond 64 bits: return a fraction (float)")
        dtype = np.dtype(np.int64)
    elif array.dtype.kind == "f":
        dtype = np.dtype(np.float64)
    else:
        raise BadInput(f"{where} is a {type(value).__name__}, not a real number or an array of them")
    leaf = np.array(array, dtype, order="C")  # a copy, so that nobody else changes it
    leaves.append(leaf)
    return Form("number" if single else "array", shape=leaf.shape, dtype=dtype.name)


def _put_together(form: Form, leaves: Iterator[Any]) -> Any:
    if form.dtype:
        leaf = next(leaves)
        return leaf.item() if form.kind == "number" else leaf
    values = [_put_together(child, leaves) for child in form.children]
    if form.kind == "list":
        return values
    if form.kind == "tuple":
        return tuple(values)
    if form.kind == "names":
        return form.make(*values)
    named = dict(zip(form.keys, values, strict=True))
    return named if form.kind == "dict" else _record(form.make, named)


def _record(make: Any, fields: dict[str, Any]) -> Any:
    """A dataclass with these fields, also those that its constructor does not take."""
    made = object.__new__(make)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made
