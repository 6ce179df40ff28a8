"""A file or pipe that is read from its beginning to its end, once."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from masquerade.errors import BadInput, MasqueradeError

_READ_BYTES = 1 << 18


class Usage(MasqueradeError):
    """The command line asks for what cannot be."""


class Unreadable(BadInput):
    """The input, or something named with it, cannot be opened or read at all."""


class Source:
    """A file or pipe to read. ``name`` is for messages; ``size`` is None when it is not known."""

    def __init__(self, file: BinaryIO, name: str, size: int | None = None) -> None:
        self._file, self.name, self.size = file, name, size
        self._back = b""
        self.offset = 0
        """Bytes read so far."""
        self.on_read: Callable[[int], object] = lambda _: None
        """Called with the number of bytes of each read."""

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: str) -> Iterator[Source]:
        """The file at ``path``; ``-`` is the standard input.

        Raises:
            Unreadable: it does not exist, is a folder, or may not be read.
        """
        if path == "-":
            yield cls(sys.stdin.buffer, "standard input")
            return
        try:
            file = Path(path).open("rb")  # noqa: SIM115
            status = os.fstat(file.fileno())
        except OSError as problem:
            raise Unreadable(f"cannot read it: {problem.strerror}", source=path) from None
        with file:
            yield cls(file, path, status.st_size if stat.S_ISREG(status.st_mode) else None)

    @property
    def file(self) -> BinaryIO:
        """The open file itself, for formats that are not read from the beginning to the end."""
        return self._file

    def read(self) -> bytes:
        """Some more bytes; none at the end."""
        if self._back:
            back, self._back = self._back, b""
            return back
        try:
            read = getattr(self._file, "read1", self._file.read)
            data: bytes = read(_READ_BYTES)
        except OSError as problem:
            raise Unreadable(
                f"reading it failed after {self.offset:,} bytes: {problem.strerror}", source=self.name
            ) from None
        self.offset += len(data)
        self.on_read(len(data))
        return data

    def take(self, prefix: bytes) -> bytes:
        """``prefix``, if the input begins with it, else nothing; before anything else is read."""
        data = b""
        while len(data) < len(prefix) and (more := self.read()):
            data += more
        found = prefix if data.startswith(prefix) else b""
        self._back = data[len(found) :]
        return found
