"""Tensors out of an opened package: safetensors shards, checked here before the library sees them.

What is parsed was verified first, as all of a package. The checks are the format's own and stricter than the
library's: no key twice, no hole, no overlap, no size that its shape does not have. Each tensor is read by
itself, so a model need not fit in memory twice. Needs the package ``safetensors`` (the extra ``transfer``).
"""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from masquerade.errors import BadInput, MissingPackage
from masquerade.seal.envelope import Package

_MOST_HEADER = 16 << 20
_BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}

Framework = Literal["numpy", "torch"]


class Place(NamedTuple):
    """A tensor of a shard: what it is, and where its bytes lie behind the shard's header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


class Shard(Mapping[str, Any]):
    """The tensors of one safetensors file in a package, by name; each is read when it is asked for.

    Raises:
        BadInput: the file is no safetensors file, or one that does not hold together.
        MissingPackage: safetensors, or PyTorch for its tensors, is not installed.
    """

    def __init__(self, package: Package, name: str, framework: Framework = "torch") -> None:
        self._package, self._name = package, name
        self._load = _loader(framework)
        sizes = dict(package.manifest.members)
        if name not in sizes:
            raise BadInput("there is no such file in the package")
        self._data, self.metadata, self.places = _places(package, name, sizes[name])

    def __getitem__(self, name: str) -> Any:
        place = self.places[name]
        told = {
            name: {"dtype": place.dtype, "shape": place.shape, "data_offsets": [0, place.end - place.start]}
        }
        header = json.dumps(told).encode()
        header = header.ljust(-(-len(header) // 8) * 8)
        data = self._package.read(self._name, self._data + place.start, place.end - place.start)
        return self._load(len(header).to_bytes(8, "little") + header + data)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def __repr__(self) -> str:
        return f"Shard({len(self)} tensors)"


def _loader(framework: Framework) -> Any:
    try:
        return importlib.import_module(f"safetensors.{framework}").load
    except ImportError:
        raise MissingPackage("reading tensors", "transfer") from None


def _places(package: Package, name: str, size: int) -> tuple[int, dict[str, str], dict[str, Place]]:
    """Where tensors begin, the shard's own notes, and the tensors in the order in which they lie."""
    length = int.from_bytes(package.read(name, 0, min(8, size)), "little") if size >= 8 else 0
    if not 2 <= length <= min(_MOST_HEADER, size - 8):
        raise _bad("has no header")
    told = _parsed(package.read(name, 8, length))
    metadata = told.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _bad("has notes that are no texts")
    found = {tensor: _place(one) for tensor, one in told.items()}
    at = 0
    for tensor in sorted(found, key=lambda tensor: found[tensor].start):
        place = found[tensor]
        if place.start != at or (place.end - at) * 8 != math.prod(place.shape) * _BITS[place.dtype]:
            raise _bad("has tensors that overlap, leave holes, or have not the size of their shape")
        at = place.end
    if at != size - 8 - length:
        raise _bad("is longer or shorter than its tensors")
    return 8 + length, metadata, found


def _parsed(header: bytes) -> dict[str, Any]:
    try:
        told = json.loads(header.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise _bad("has a header that is no JSON, or says something twice") from None
    if not header.startswith(b"{") or not isinstance(told, dict):
        raise _bad("has a header that is no JSON object")
    return told


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    told = dict(pairs)
    if len(told) < len(pairs):
        raise ValueError("a key twice")
    return told


def _place(told: Any) -> Place:
    match told:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(start), int(end)]} if (
            len(told) == 3
            and dtype in _BITS
            and all(type(n) is int and n >= 0 for n in (*shape, start, end))
            and start <= end
            and len(shape) <= 64
        ):
            return Place(dtype, tuple(shape), start, end)
    raise _bad("has a tensor that is not described as the format demands, or of an unknown dtype")


def _bad(why: str) -> BadInput:
    return BadInput(f"a safetensors file in the package {why}")
