"""A body of ``multipart/form-data`` as it comes in: parts begin, go on and end; nothing of it is kept.

Source: RFC 7578. The parser is python-multipart's; here are the limits, and what a part says of itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message
from typing import NamedTuple, TypeAlias

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from masquerade.errors import BadInput

_MOST_HEAD = 8192
_MOST_PARTS = 64
_AS_IT_IS = ("7bit", "8bit", "binary")
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{1,70}")


class Begin(NamedTuple):
    """A part begins."""

    name: str
    filename: str | None
    content_type: str


class Data(NamedTuple):
    """It goes on."""

    data: bytes


class End(NamedTuple):
    """It ends."""


Event: TypeAlias = Begin | Data | End


class Multipart:
    """The parts of one body. ``content_type`` is the request's header.

    Raises:
        BadInput: the header names no boundary; from ``feed`` and ``finish``: the body is malformed, has too
            many parts or too long heads.
    """

    def __init__(self, content_type: bytes) -> None:
        told = Message()
        told["content-type"] = content_type.decode("latin-1")
        boundary = told.get_param("boundary")
        if told.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
            raise BadInput("the body must be multipart/form-data with a boundary")
        if not _BOUNDARY.fullmatch(boundary):
            raise BadInput("the boundary is malformed")
        self._events: list[Event] = []
        self._head = self._parts = 0
        self._field = self._value = b""
        self._headers: dict[str, str] = {}
        self._done = False
        self._parser = MultipartParser(
            boundary.encode("latin-1"),
            {
                "on_part_begin": self._begin,
                "on_part_data": lambda data, start, end: self._events.append(Data(bytes(data[start:end]))),
                "on_part_end": lambda: self._events.append(End()),
                "on_header_field": self._add_field,
                "on_header_value": self._add_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_head,
                "on_end": self._end,
            },
        )

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """What ``chunk`` brings."""
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise BadInput("the multipart body is malformed") from None
        events, self._events = self._events, []
        yield from events

    def finish(self) -> None:
        """The body has ended; it must have been whole."""
        if not self._done:
            raise BadInput("the multipart body breaks off")

    def _begin(self) -> None:
        self._headers, self._head = {}, 0
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise BadInput("the multipart body has too many parts")

    def _add_field(self, data: bytes, start: int, end: int) -> None:
        self._field += self._some(data, start, end)

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += self._some(data, start, end)

    def _some(self, data: bytes, start: int, end: int) -> bytes:
        self._head += end - start
        if self._head > _MOST_HEAD:
            raise BadInput("a part of the multipart body has too long a head")
        return bytes(data[start:end])

    def _end_header(self) -> None:
        self._headers[self._field.decode("latin-1").lower()] = self._value.decode("utf-8", "replace")
        self._field = self._value = b""

    def _end_head(self) -> None:
        told = Message()
        told["content-disposition"] = self._headers.get("content-disposition", "")
        name = told.get_param("name", header="content-disposition")
        if not isinstance(name, str) or not name:
            raise BadInput("a part of the multipart body has no name")
        if self._headers.get("content-transfer-encoding", "binary").strip().lower() not in _AS_IT_IS:
            raise BadInput("a part of the multipart body is encoded: send it as it is")
        content_type = self._headers.get("content-type", "").partition(";")[0].strip().lower()
        self._events.append(Begin(name, told.get_filename(), content_type))

    def _end(self) -> None:
        self._done = True
