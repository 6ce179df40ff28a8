"""Files of arrays, and raw binary files: masked whole, restored exactly, in constant memory.

    raw    any bytes                 comes back byte for byte
    .npy   one array                 comes back byte for byte; the library reads the masked file as the array
    .npz   arrays by name (a zip)    every member comes back byte for byte; the zip around them is made anew

One masked file is one message of :class:`~masquerade.mask.array.RandomMask`: all members of a ``.npz`` lie in
it one after the other, so none can be dropped, moved or exchanged. Pickles are never read: a member or array
of Python objects is refused.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import lzma
import math
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from masquerade.errors import BadInput, Tampered
from masquerade.mask.array import Content, RandomMask
from masquerade.mask.dtype import dtype_from_json, dtype_to_json
from masquerade.serve.files import Summary
from masquerade.serve.landing import Landing
from masquerade.serve.source import Source, Unreadable

_READ_BYTES = 1 << 18
_LONGEST_HEAD = 1 << 18
_NPY = b"\x93NUMPY"
_DAMAGED = (zipfile.BadZipFile, OSError, EOFError, RuntimeError, ValueError, zlib.error, lzma.LZMAError)
"""What ``zipfile`` raises for bytes that are no archive, or none that it reads (``RuntimeError``)."""
_UNREADABLE = (
    *(ValueError, SyntaxError, TypeError, LookupError, AttributeError, OverflowError, RecursionError),
    MemoryError,
)
_COMPRESSED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""What NumPy writes. Python unpacks the others without a bound: 450 bytes of bzip2 take 600 MiB of memory."""


def mask_file(source: Source, landing: Landing, mask: RandomMask) -> Summary:
    """Mask ``source``, whose name says what it is, into ``landing``; it is in place after ``landing.land()``.

    Raises:
        BadInput: a ``.npy`` or ``.npz`` that is none, is cut, or holds Python objects.
        OutputProblem: the file cannot be made or written.
    """
    with _run(source, landing) as summary:
        content, chunks = _read(source)
        for piece in mask.mask_stream(chunks, content):
            landing.write(piece)
    return summary


def restore_file(source: Source, landing: Landing, mask: RandomMask) -> Summary:
    """The inverse of :func:`mask_file`.

    What the library masked is restored too: bytes as a raw file, an array as a ``.npy``.

    Raises:
        BadInput: this is no masked file, or it holds a tensor.
        KeyProblem: it was masked under another root.
        Tampered: it was changed or cut, or masked for another tenant.
        OutputProblem: the file cannot be made or written.
    """
    with _run(source, landing) as summary:
        content, pieces = mask.unmask_stream(iter(source.read, b""))
        _write(content, pieces, landing)
    return summary


@contextlib.contextmanager
def _run(source: Source, landing: Landing) -> Iterator[Summary]:
    """One run in numbers; faults that are found further inside get the name of the file."""
    begin, summary = time.monotonic(), Summary(source.name, landing.name)
    try:
        yield summary
    except Unreadable:
        raise
    except BadInput as problem:
        raise problem if problem.source else BadInput(str(problem), source=source.name) from None
    except Tampered as problem:
        raise Tampered(f"{source.name}: {problem}; or it was masked for another tenant") from None
    summary.bytes, summary.seconds = source.offset, time.monotonic() - begin


# Reading ------------------------------------------------------------------------------------------------


def _read(source: Source) -> tuple[Content, Iterable[bytes]]:
    """What the file is, and the data to be masked."""
    ending = Path(source.name).suffix.lower()
    if ending == ".npz":
        return _read_npz(source)
    if ending == ".npy":
        head, content, data = _read_npy(iter(source.read, b""))
        return replace(content, note={"file": "npy", "head": base64.b64encode(head).decode()}), data
    return Content(note={"file": "raw"}), iter(source.read, b"")


def _read_npy(chunks: Iterator[bytes]) -> tuple[bytes, Content, Iterator[bytes]]:
    """The format of NEP 1 (magic, version, length, a Python literal, data): its head, what that says, and
    the data, which must be as long as it says."""
    head, rest = _head(chunks)
    content = _described(head)
    wanted = math.prod(content.shape) * dtype_from_json(content.dtype).itemsize
    return head, content, _exactly(wanted, rest, chunks)


def _head(chunks: Iterator[bytes]) -> tuple[bytes, bytes]:
    """The head of a ``.npy``, and what was read beyond it."""
    data = b""

    def fill(wanted: int) -> None:
        nonlocal data
        while len(data) < wanted and (more := next(chunks, b"")):
            data += more
        if len(data) < wanted or not data.startswith(_NPY):
            raise BadInput("this is no .npy: give it another ending to mask it as raw bytes")

    fill(10)
    wide = data[6] > 1
    fill(12)
    length = int.from_bytes(data[8 : 12 if wide else 10], "little")
    if length > _LONGEST_HEAD:
        raise BadInput("the head of this .npy is longer than 256 KiB: give it another ending to mask it raw")
    end = (12 if wide else 10) + length
    fill(end)
    return data[:end], data[end:]


def _described(head: bytes) -> Content:
    """What the head of a ``.npy`` says."""
    start = 12 if head[6] > 1 else 10
    try:
        told: Any = ast.literal_eval(head[start:].decode("utf-8" if head[6] > 2 else "latin-1").strip())
        dtype = np.lib.format.descr_to_dtype(told["descr"])
        shape, order = tuple(map(int, told["shape"])), "F" if told["fortran_order"] else "C"
        if min(shape, default=0) < 0:
            raise ValueError("a negative length")
    except _UNREADABLE:
        raise BadInput("the head of this .npy cannot be read: save the array anew") from None
    return Content("array", dtype_to_json(dtype), shape, cast("Any", order))


def _exactly(wanted: int, first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    seen = len(first)
    yield first
    for chunk in chunks:
        seen += len(chunk)
        yield chunk
    if seen != wanted:
        raise BadInput(f"the array should have {wanted:,} bytes, and {seen:,} follow its head")


def _read_npz(source: Source) -> tuple[Content, Iterable[bytes]]:
    try:
        archive = zipfile.ZipFile(source.file)
        members = archive.infolist()
    except _DAMAGED:
        raise BadInput("this is no .npz: give it another ending to mask it as raw bytes") from None
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise BadInput("this .npz has two members of one name")
    if any(member.flag_bits & 1 or member.compress_type not in _COMPRESSED for member in members):
        raise BadInput("this .npz has an encrypted member, or one that NumPy did not compress: write it anew")
    told = [[m.filename, m.file_size, m.compress_type, list(m.date_time)] for m in members]
    return Content(note={"file": "npz", "members": told}), _members(source, archive, members)


def _members(source: Source, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> Iterator[bytes]:
    for number, member in enumerate(members, 1):
        try:
            with archive.open(member) as file:
                chunks = iter(lambda file=file: file.read(_READ_BYTES), b"")  # type: ignore[misc]
                seen = 0
                for chunk in _checked(chunks) if member.filename.endswith(".npy") else chunks:
                    seen += len(chunk)
                    source.offset += len(chunk)
                    source.on_read(len(chunk))
                    yield chunk
                if seen != member.file_size:
                    raise EOFError
        except BadInput as problem:
            raise BadInput(f"member {number} of the .npz: {problem}") from None
        except _DAMAGED:
            raise BadInput(f"member {number} of the .npz is damaged") from None


def _checked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    head, _, data = _read_npy(chunks)
    yield head
    yield from data


# Writing ------------------------------------------------------------------------------------------------


def _write(content: Content, pieces: Iterator[bytes], landing: Landing) -> None:
    file = content.note.get("file")
    if content.form == "tensor":
        raise BadInput("this holds a tensor, which has no file format here: RandomMask.unmask gives it back")
    if file == "npz":
        _write_npz(content.note["members"], pieces, landing)
        return
    if content.form == "array":
        landing.write(base64.b64decode(content.note["head"]) if file == "npy" else _new_head(content))
    for piece in pieces:
        landing.write(piece)


def _new_head(content: Content) -> bytes:
    """A ``.npy`` head, version 1.0, or 3.0 where names of fields are not ASCII; the data is aligned to 64."""
    if isinstance(content.dtype, dict):
        raise BadInput(
            "NumPy's file format has no strings of any length, nor fields that overlap: RandomMask.unmask "
            "gives this array back"
        )
    descr = np.lib.format.dtype_to_descr(dtype_from_json(content.dtype))
    text = repr({"descr": descr, "fortran_order": content.order == "F", "shape": content.shape}).encode()
    wide = not text.isascii() or len(text) > 60_000
    start = 12 if wide else 10
    text += b" " * (-(start + len(text) + 1) % 64) + b"\n"
    return _NPY + (b"\3\0" if wide else b"\1\0") + len(text).to_bytes(start - 8, "little") + text


def _write_npz(members: list[Any], pieces: Iterator[bytes], landing: Landing) -> None:
    rest = b""
    with zipfile.ZipFile(cast("BinaryIO", _Sink(landing)), "w") as archive:
        for name, size, compression, date in members:
            member = zipfile.ZipInfo(name, tuple(date))
            member.compress_type = compression
            with archive.open(member, "w", force_zip64=size >= 1 << 31) as file:
                left = size
                while left:
                    rest = rest or next(pieces)
                    taken = rest[:left]
                    file.write(taken)
                    rest, left = rest[len(taken) :], left - len(taken)
    for _ in pieces:  # that the last piece is the last is known only at the end
        pass


class _Sink:
    """What a zip is written to: forwards only, without ``tell``."""

    def __init__(self, landing: Landing) -> None:
        self._landing = landing

    def write(self, data: bytes) -> int:
        """Appends ``data`` to the output."""
        self._landing.write(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""
