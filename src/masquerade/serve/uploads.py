"""Files for the model service and batches of requests: masked on upload, restored on download.

    POST /v1/files                  a file of requests, of training examples, or of text, masked line by line
    GET  /v1/files/{id}/content     restored line by line
    /v1/files, /v1/files/{id}, /v1/batches, ...      JSON both ways, masked and restored

A file is masked whole before the first byte of it is sent, into a nameless file on disk: if one line cannot
be masked, none is sent. What restores its replies is in the sealed store before it is sent. Neither needs
memory for more than a line.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import parse_qsl, urlencode

import orjson

from masquerade import crypto
from masquerade.errors import BadInput, MasqueradeError, StoreProblem, UpstreamProblem
from masquerade.mask.surrogate import Surrogate
from masquerade.mask.text import Masker
from masquerade.serve.call import Call
from masquerade.serve.callers import Who
from masquerade.serve.metrics import Metrics
from masquerade.serve.multipart import Begin, Data, Multipart
from masquerade.serve.refusal import Refusal
from masquerade.serve.relay import require_answer, upstream_error
from masquerade.serve.settings import Settings
from masquerade.serve.store import Store
from masquerade.serve.tenants import Tenant
from masquerade.serve.upstream import Reply, Upload, Upstream
from masquerade.wire.batch import OBJECT, Line, masked_example, masked_request, restore_tree, restored_line
from masquerade.wire.endpoint import Endpoint
from masquerade.wire.exchange import Exchange, check_names
from masquerade.wire.replies import Written

_AT_ONCE = 1000
"""Stand-ins that are remembered in one transaction."""
_REPLY_FACTOR = 4
_MOST_UPLOADS = 4
"""Uploads as large as they may be for which one worker has disk at a time; smaller ones are more."""
_LINES = ("batch",)
_EXAMPLES = ("fine-tune", "evals")
_TEXTS = ("assistants", "user_data")
_TEXT_NAMES = re.compile(
    r".*\.(?:txt|md|rst|tex|log|json|jsonl|csv|tsv|html?|xml|ya?ml|toml|py|js|ts|java|c|cpp|cs|go|rb|rs|php|sh|css|sql)",
    re.IGNORECASE,
)
_PURPOSE = re.compile(r"[a-z_\-]{1,32}")
_ID = re.compile(r"[A-Za-z0-9_\-]{1,128}")
_QUERY = (
    "after",
    "before",
    "include",
    "include[]",
    "limit",
    "order",
    "purpose",
    "starting_after",
    "stream",
)
_ROUTE = re.compile(
    r"/v1/(?P<what>files|batches)(?:/(?P<id>[A-Za-z0-9_\-]{1,128})(?:/(?P<deed>content|cancel))?)?"
)
_METHODS: dict[tuple[str, bool, str | None], tuple[str, ...]] = {
    ("files", False, None): ("GET", "POST"),
    ("files", True, None): ("GET", "DELETE"),
    ("files", True, "content"): ("GET",),
    ("batches", False, None): ("GET", "POST"),
    ("batches", True, None): ("GET",),
    ("batches", True, "cancel"): ("POST",),
}
"""By what is asked for, whether one is named, and what is to be done with it."""
_WORD = re.compile(r"[A-Za-z0-9_.\-]{1,128}")
_NAMES = Written(
    frozenset({"id", "object", "purpose", "status", "type", "role", "model", "url", "endpoint", "data_type"})
)


class Uploads:
    """The files of all tenants. ``endpoints`` are those that a batch may name, by address."""

    def __init__(
        self,
        settings: Settings,
        upstreams: Mapping[str, Upstream],
        store: Callable[[], Store],
        metrics: Metrics,
        endpoints: Mapping[str, Endpoint],
    ) -> None:
        self._settings, self._upstreams, self._store = settings, upstreams, store
        self._metrics, self._endpoints = metrics, endpoints
        self._spooled = 0
        """Bytes that lie on disk for uploads that run."""

    def has(self, path: str) -> bool:
        """Whether this is one of the addresses served here."""
        return _ROUTE.fullmatch(path) is not None

    async def serve(self, call: Call, who: Who, tenant: Tenant) -> None:
        """Answer a call to one of the addresses served here.

        Raises:
            MasqueradeError: before anything is sent to the client, what went wrong.
            Gone: the client hung up.
        """
        path, method = call.path.removeprefix("/v1"), call.method
        route = _ROUTE.fullmatch(call.path)
        if route is None:
            raise Refusal(404, "unknown_url", "there is no such address here")
        what, item, deed = route["what"], route["id"], route["deed"]
        allowed = _METHODS.get((what, item is not None, deed), ())
        if method not in allowed:
            told = (b"allow", ", ".join(allowed).encode())
            raise Refusal(405, "method_not_allowed", f"use {' or '.join(allowed)} here", headers=[told])
        check_address(tenant.masker, item, call.query)
        if (what, deed, method) == ("files", None, "POST"):
            await self._upload(call, who, tenant)
        elif deed == "content":
            await self._content(call, who, path)
        else:
            await self._ask(call, who, tenant, path + query_of(call.query))

    async def _upload(self, call: Call, who: Who, tenant: Tenant) -> None:
        """Take a file, and send it masked."""
        form = Multipart(call.headers.get(b"content-type", b""))
        conversation = "file:" + crypto.random_bytes(16).hex()
        remembered = _Remembering(self._store, who.tenant, conversation)
        with tempfile.TemporaryFile(prefix="masquerade-") as spool, self._share() as grow:
            mask = _Masking(tenant, self._endpoints, spool, self._settings.max_body)
            try:
                await self._masked(call, form, mask, remembered, grow)
            except Exception as problem:
                await remembered.forget(call)
                if isinstance(problem, OSError):
                    raise _no_disk() from None
                raise
            spool.seek(0)
            file = Upload(mask.fields, "file", mask.filename, "application/octet-stream", spool)
            async with call.while_client_waits():
                call.sent = True
                reply = await self._upstreams[call.api].send("POST", "/files", file, who.credentials)
                await self._answer(call, who, reply, conversation)
            if 400 <= reply.status < 500:  # it was not taken
                await remembered.forget(call)

    @contextlib.contextmanager
    def _share(self) -> Iterator[Callable[[int], None]]:
        """What one upload has of the disk, as large as it was last said to be."""
        own = 0

        def grow(size: int) -> None:
            nonlocal own
            self._spooled += size - own
            own = size
            if self._spooled > _MOST_UPLOADS * self._settings.max_upload:
                raise _no_disk()

        try:
            yield grow
        finally:
            self._spooled -= own

    async def _masked(
        self,
        call: Call,
        form: Multipart,
        mask: _Masking,
        remembered: _Remembering,
        grow: Callable[[int], None],
    ) -> None:
        """Mask a form as it comes in; what restores it is in the store when this returns."""

        def take(piece: bytes) -> None:
            for event in form.feed(piece):
                mask.take(event)
                remembered.add(mask.new_surrogates(), _AT_ONCE)

        started = perf_counter()
        with _room_on_disk():
            async for piece in call.pieces(self._settings.max_upload, self._settings.idle_timeout):
                call.lease.keep(len(piece) + mask.held)
                await call.lease.in_thread(take, piece)
                grow(mask.size)
            form.finish()
            await call.lease.in_thread(mask.finish)
            await call.lease.in_thread(mask.flush)
        await call.lease.in_thread(remembered.add, mask.new_surrogates(), 0)
        call.lease.keep(0)
        call.mask_seconds = perf_counter() - started
        call.counts = mask.counts
        self._metrics.masked(call.mask_seconds, mask.counts)

    async def _content(self, call: Call, who: Who, path: str) -> None:
        """Send a file of the service's back, restored."""
        async with call.while_client_waits():
            call.sent = True
            reply = await self._upstreams[call.api].send("GET", path, None, who.credentials)
            try:
                if not 200 <= reply.status < 300:
                    await self._answer(call, who, reply, None)
                    return
                restored = self._restored(call, who, reply)
                first = await anext(restored, b"")  # before the head: what fails here is an error of its own
                await call.start(
                    reply.status,
                    (reply.content_type or "application/octet-stream").encode(),
                    reply.headers,
                    None,
                )
                await call.write(first, more=True)
                async for lines in restored:
                    await call.write(lines, more=True)
                await call.write(b"", more=False)
            finally:
                reply.close()

    async def _ask(self, call: Call, who: Who, tenant: Tenant, path: str) -> None:
        """Carry JSON both ways: its texts are masked, and restored by what the store knows."""
        body: bytes | None = None
        headers = dict(who.credentials)
        conversation = None
        told, method = self._settings, call.method
        if method == "POST" and (raw := await call.read(told.max_body, told.idle_timeout, (b"",))):
            conversation = "batch:" + crypto.random_bytes(16).hex()
            masked = await call.lease.in_thread(_masked_object, tenant.files, raw)
            await call.lease.in_thread(self._remember, who.tenant, conversation, masked.surrogates)
            call.counts = masked.counts
            body = masked.data
            headers["content-type"] = "application/json"
        async with call.while_client_waits():
            call.sent = True
            reply = await self._upstreams[call.api].send(method, path, body, headers)
            await self._answer(call, who, reply, conversation)

    async def _answer(self, call: Call, who: Who, reply: Reply, conversation: str | None) -> None:
        """Pass a reply of JSON on, restored; ``conversation`` is what its id leads to from now on."""
        try:
            body = await reply.read(self._settings.max_body * _REPLY_FACTOR, call.lease.take)
        finally:
            reply.close()
        if 200 <= reply.status < 300:
            tree = _tree(body)
            name = tree.get("id")
            if conversation is not None and isinstance(name, str) and _ID.fullmatch(name):
                await call.lease.in_thread(self._link, who.tenant, name, conversation)
            look_up = self._look_up(who)
            changed = await call.lease.in_thread(restore_tree, tree, look_up, _NAMES)
            await call.respond(reply.status, orjson.dumps(tree) if changed else body, headers=reply.headers)
            return
        require_answer(self._settings, call.api, reply.status)
        call.code = "upstream_error"
        look_up = self._look_up(who)
        restore = partial(restore_tree, look_up=look_up, written=_NAMES)
        told = await call.lease.in_thread(upstream_error, call.api, reply.status, body, restore)
        await call.respond(reply.status, orjson.dumps(told), headers=reply.headers)

    # These block, and so does opening the store: they are called in threads.

    def _remember(self, tenant: str, conversation: str, surrogates: tuple[Surrogate, ...]) -> None:
        self._store().remember(tenant, conversation, surrogates)

    def _link(self, tenant: str, name: str, conversation: str) -> None:
        self._store().link(tenant, name, conversation)

    def _look_up(self, who: Who) -> Callable[[Any], list[Surrogate]]:
        return lambda needles: self._store().recall_by(who.tenant, needles)

    async def _restored(self, call: Call, who: Who, reply: Reply) -> AsyncIterator[bytes]:
        limit = self._settings.max_body * _REPLY_FACTOR
        look_up, rest = self._look_up(who), b""
        written = next(iter(self._endpoints.values())).written

        def restore(lines: bytes) -> bytes:
            return b"\n".join(restored_line(line, look_up, written) for line in lines.split(b"\n"))

        async for piece in reply.pieces():
            lines, end, tail = piece.rpartition(b"\n")
            if not end:
                rest += piece
                if len(rest) > limit:
                    raise UpstreamProblem("the model service's file has a line that is too long")
                call.lease.keep(len(rest))
                continue
            yield await call.lease.in_thread(restore, rest + lines) + b"\n"
            rest = tail
            call.lease.keep(len(rest))
        if rest:
            yield await call.lease.in_thread(restore, rest)


@contextmanager
def _room_on_disk() -> Iterator[None]:
    """Say what it means if the masked file cannot be laid down."""
    try:
        yield
    except OSError:
        raise StoreProblem("there is no room on the disk for the masked file, so nothing was sent") from None


class _Remembering:
    """Puts surrogates into the store, many at a time."""

    def __init__(self, store: Callable[[], Store], tenant: str, conversation: str) -> None:
        self._store, self._tenant, self._conversation = store, tenant, conversation
        self._new: dict[Surrogate, None] = {}
        self._any = False

    def add(self, surrogates: tuple[Surrogate, ...], at: int) -> None:
        """Remember ``surrogates``, once there are more than ``at``."""
        self._new.update(dict.fromkeys(surrogates))
        if len(self._new) > at:
            self._any = True
            self._store().remember(self._tenant, self._conversation, self._new)
            self._new = {}

    async def forget(self, call: Call) -> None:
        """Nothing was sent, so nothing will have to be restored. If the store is not there, what it has
        ends by itself."""
        self._new = {}
        if self._any:
            with contextlib.suppress(MasqueradeError):
                await call.lease.in_thread(self._erase)

    def _erase(self) -> None:
        self._store().erase(self._tenant, conversation=self._conversation)


class _Masking:
    """The parts of one upload, masked into ``spool``."""

    def __init__(
        self, tenant: Tenant, endpoints: Mapping[str, Endpoint], spool: BinaryIO, limit: int
    ) -> None:
        self._masker, self._alias, self._endpoints = tenant.files, tenant.alias, endpoints
        self._spool, self._limit = spool, limit
        self.fields: list[tuple[str, str]] = []
        self.filename = "file"
        self.counts: dict[str, dict[str, int]] = {}
        self._purpose = ""
        self._part: Begin | None = None
        self._held = bytearray()
        self._lines = 0
        self._files = 0
        self._new: list[Surrogate] = []

    @property
    def held(self) -> int:
        """Bytes of a line, or of a field, whose end is still to come."""
        return len(self._held)

    @property
    def size(self) -> int:
        """Bytes that were written."""
        return self._spool.tell()

    def new_surrogates(self) -> tuple[Surrogate, ...]:
        """Those that are new since this was asked last."""
        new, self._new = tuple(self._new), []
        return new

    def take(self, event: object) -> None:
        """One event of the form.

        Raises:
            BadInput: it is no upload that can be masked.
            Blocked: the policy forbids sending something that was found.
        """
        if isinstance(event, Begin):
            self._begin(event)
        elif isinstance(event, Data):
            self._held += event.data
            if self._by_line() and b"\n" in event.data:
                *lines, rest = bytes(self._held).split(b"\n")
                self._held = bytearray(rest)
                for line in lines:
                    self._line(line)
            if len(self._held) > self._limit:
                what = "a line of the file" if self._by_line() else "the file"
                raise BadInput(
                    f"{what} is larger than {self._limit} bytes, which is the limit here", source="file"
                )
        else:
            self._end()

    def flush(self) -> None:
        """Bring all that was masked so far to the file."""
        self._spool.flush()

    def finish(self) -> None:
        """The form has ended.

        Raises:
            BadInput: it had no file.
        """
        if not self._files:
            raise BadInput("a file is needed", source="file")

    def _begin(self, part: Begin) -> None:
        self._part, self._held = part, bytearray()
        if part.name == "file":
            self._files += 1
            if self._files > 1:
                raise BadInput("one file at a time", source="file")
            if not self._purpose:
                raise BadInput("purpose must come before the file", source="purpose")
            name = part.filename or "file"
            if self._purpose in _TEXTS and not _TEXT_NAMES.fullmatch(name):
                raise BadInput(
                    "files of this kind are not masked yet, so they are not sent; send text", source="file"
                )
            shown = self._masker.mask(name)
            if shown.redacted:
                raise BadInput(
                    "its name holds what is cut out and would not come back: rename it", source="file"
                )
            self.filename = shown.text
            self._add(Line(b"", shown.surrogates, shown.counts))

    def _by_line(self) -> bool:
        return self._part is not None and self._part.name == "file" and self._purpose not in _TEXTS

    def _end(self) -> None:
        part, held = self._part, bytes(self._held)
        self._part, self._held = None, bytearray()
        if part is None:
            return
        if part.name == "file":
            if self._purpose in _TEXTS:
                self._text(held)
            elif held:
                self._line(held, last=True)
            return
        if part.name == "purpose":
            self._purpose = held.decode("ascii", "replace")
            if self._purpose not in (*_LINES, *_EXAMPLES, *_TEXTS):
                known = ", ".join((*_LINES, *_EXAMPLES, *_TEXTS))
                raise BadInput(
                    f"only files for {known} can be masked, so only they are sent", source="purpose"
                )
        elif not (_EXPIRY.fullmatch(part.name) and _NAME_OR_NUMBER.fullmatch(held)):
            raise BadInput("a form has purpose, file and expires_after only", source="form")
        self.fields.append((part.name, held.decode("ascii")))

    def _line(self, line: bytes, *, last: bool = False) -> None:
        self._lines += 1
        end = b"" if last else b"\n"
        if not line.strip():
            self._spool.write(line + end)
            return
        if self._purpose in _LINES:
            made = masked_request(line, self._lines, self._masker, self._endpoints, self._alias)
        else:
            made = masked_example(line, self._lines, self._masker, self._alias)
        self._spool.write(made.data + end)
        self._add(made)

    def _text(self, data: bytes) -> None:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            raise BadInput("is not UTF-8 text", source="file") from None
        if "\0" in text:  # as UTF-16 has, whose values no rule would know
            raise BadInput("is not UTF-8 text", source="file")
        masked = self._masker.mask(text)
        self._spool.write(masked.text.encode("utf-8"))
        self._add(Line(b"", masked.surrogates, masked.counts))

    def _add(self, made: Line) -> None:
        self._new += made.surrogates
        for kind, fates in made.counts.items():
            own = self.counts.setdefault(kind, {})
            for fate, n in fates.items():
                own[fate] = own.get(fate, 0) + n


_EXPIRY = re.compile(r"expires_after(?:\[(?:anchor|seconds)\])?")
_NAME_OR_NUMBER = re.compile(rb"[a-z_]{1,32}|[0-9]{1,12}")


class _Object(NamedTuple):
    data: bytes
    surrogates: tuple[Surrogate, ...]
    counts: Mapping[str, Mapping[str, int]]


def _masked_object(masker: Masker, body: bytes) -> _Object:
    """A JSON object whose names and ids pass, and whose other texts are masked."""
    exchange = Exchange(masker, body, OBJECT)
    return _Object(exchange.request, exchange.surrogates, exchange.counts)


def _no_disk() -> Refusal:
    told = "the gateway has no room on its disk for this file now: try again later"
    return Refusal(503, "overloaded", told, headers=[(b"retry-after", b"5")])


def _tree(body: bytes) -> dict[str, Any]:
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError:
        tree = None
    if type(tree) is not dict:
        raise UpstreamProblem("the model service's reply is not a JSON object")
    return tree


def query_of(query: bytes) -> str:
    """Of a query string what says which part of a list is meant, as it goes on; all else stays here."""
    known = _known(query)
    return "?" + urlencode(known) if known else ""


def resumed(query: bytes) -> tuple[str, int | None]:
    """The same of a query string that may ask for a stream from behind an event, and that event's number,
    which means nothing to the service: see :class:`~masquerade.wire.typed.Resumed`."""
    known = _known(query)
    number = dict(known).get("starting_after", "")
    rest = [(name, value) for name, value in known if name != "starting_after"]
    after = int(number) if number.isdecimal() else None
    return "?" + urlencode(rest) if rest else "", after


def check_address(masker: Masker, item: str | None, query: bytes) -> None:
    """Refuse an address that names an ``item``, or asks for a part of a list, by something private.

    Raises:
        BadInput: it does.
    """
    told = {value: name for name, value in _known(query)}
    check_names(masker, told if item is None else told | {item: "id"})


def _known(query: bytes) -> list[tuple[str, str]]:
    return [
        (name, value)
        for name, value in parse_qsl(query.decode("latin-1"))
        if name in _QUERY and _WORD.fullmatch(value)
    ]
