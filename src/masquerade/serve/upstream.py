"""The model service: one over HTTP, or the mirror in this process. Both answer in the same shape."""

from __future__ import annotations

import asyncio
import re
import select
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple, Protocol, TypeAlias

import aiohttp
import orjson
import yarl

from masquerade import __version__
from masquerade.errors import UpstreamProblem
from masquerade.serve import mirror, mirror_messages, mirror_responses, mirror_small
from masquerade.serve.settings import Settings

_PASSED_BACK = re.compile(
    r"x-request-id|retry-after(?:-ms)?|openai-(?:model|organization|processing-ms|project|version)"
    r"|x-ratelimit-(?:limit|remaining|reset)-[a-z\-]{1,24}"
    r"|request-id|x-should-retry|anthropic-organization-id|anthropic-ratelimit-[a-z0-9\-]{1,48}"
)
_MOST_PASSED_BACK = 48
_LONGEST_PASSED_BACK = 200
_POOL = 1000
_MOST_ADDRESSES = 64
_KEPT_ALIVE = 15.0  # below the 20 s and more after which services close idle connections


Hold: TypeAlias = Callable[[int], None]


class Reply(Protocol):
    """What a service answered; :meth:`close` must be called, early or late."""

    status: int
    content_type: str
    headers: list[tuple[bytes, bytes]]
    """Those of its headers that a client may see."""

    async def read(self, limit: int, hold: Hold) -> bytes:
        """The whole body; ``hold`` is told of its bytes before they are kept, and may refuse them.

        Raises:
            UpstreamProblem: it is longer than ``limit`` bytes.
        """
        ...

    def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        ...

    def close(self) -> None:
        """Give the connection back, or break it off when the body is not at its end."""
        ...


class Upload(NamedTuple):
    """A form with a file, which is read while it is sent."""

    fields: Sequence[tuple[str, str]]
    name: str
    filename: str
    content_type: str
    file: BinaryIO


Body: TypeAlias = "bytes | Upload | None"


class Upstream(Protocol):
    """A model service."""

    async def send(self, method: str, path: str, body: Body, headers: Mapping[str, str]) -> Reply:
        """Send one request; ``path`` is relative to the version segment.

        Raises:
            UpstreamProblem: it could not be reached, broke off, or was too slow (status 504).
        """
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class Http:
    """A service at an address. Its redirects are not followed, and no proxy is taken from the environment."""

    def __init__(self, settings: Settings, base: str) -> None:
        self._base = base
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._addresses: dict[str, yarl.URL] = {}

    async def send(self, method: str, path: str, body: Body, headers: Mapping[str, str]) -> Reply:
        """See :class:`Upstream`."""
        url = self._addresses.get(path)
        if url is None:
            url = yarl.URL(self._base + path, encoded=True)
            if len(self._addresses) < _MOST_ADDRESSES:
                self._addresses[path] = url
        with _problems():
            response = await self._open().request(
                method,
                url,
                data=_form(body) if isinstance(body, Upload) else body,
                headers=headers,
                allow_redirects=False,
            )
        return _HttpReply(response)

    async def close(self) -> None:
        """See :class:`Upstream`."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            told = self._settings
            self._session = aiohttp.ClientSession(
                connector=_Connector(limit=_POOL, keepalive_timeout=_KEPT_ALIVE),
                timeout=aiohttp.ClientTimeout(
                    total=told.timeout, sock_connect=told.connect_timeout, sock_read=told.idle_timeout
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                headers={"User-Agent": f"masquerade/{__version__}", "Accept-Encoding": "identity"},
            )
        return self._session


class _Connector(aiohttp.TCPConnector):
    """Uses no connection again on which anything has come unasked: it would be read as the reply to the next
    request, which may be somebody else's."""

    async def _get(self, key: Any, traces: Any) -> Any:
        while (kept := await super()._get(key, traces)) is not None:
            if not _has_spoken(kept):
                return kept
            kept.close()
        return None


def _has_spoken(kept: Any) -> bool:
    """Whether something came, or waits to be read, be it the end: then a request would be lost on it."""
    protocol = kept.protocol
    if protocol is None or protocol.transport is None or protocol.should_close:
        return True
    if sys.platform == "win32":
        return False
    waiting = select.poll()
    waiting.register(protocol.transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(waiting.poll(0))


def _form(upload: Upload) -> aiohttp.FormData:
    form = aiohttp.FormData(quote_fields=False)
    for name, value in upload.fields:
        form.add_field(name, value)
    filename = re.sub(r'[\r\n"\\]', "_", upload.filename)
    form.add_field(upload.name, upload.file, filename=filename, content_type=upload.content_type)
    return form


class _HttpReply:
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        self.headers = [
            (name.lower().encode(), value.encode("latin-1"))
            for name, value in response.headers.items()
            if _PASSED_BACK.fullmatch(name.lower()) and value.isascii() and len(value) <= _LONGEST_PASSED_BACK
        ][:_MOST_PASSED_BACK]

    async def read(self, limit: int, hold: Hold) -> bytes:
        length = self._response.content_length
        if length is None or length > limit or "content-encoding" in self._response.headers:
            pieces, size = [], 0
            async for piece in self.pieces():
                size += len(piece)
                if size > limit:
                    raise UpstreamProblem("the model service's reply is too long")
                hold(len(piece))
                pieces.append(piece)
            return b"".join(pieces)
        hold(length)
        with _problems():
            return await self._response.read()

    async def pieces(self) -> AsyncIterator[bytes]:
        with _problems():
            async for piece in self._response.content.iter_any():
                yield piece

    def close(self) -> None:
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


@contextmanager
def _problems() -> Iterator[None]:
    """Name what went wrong on the way, without the address or anything that was sent."""
    try:
        yield
    except TimeoutError:
        raise UpstreamProblem("the model service took too long to answer", status=504) from None
    except aiohttp.ClientConnectorError:
        raise UpstreamProblem("the model service cannot be reached") from None
    except (aiohttp.ClientError, OSError, ValueError):
        raise UpstreamProblem("the model service broke off its reply") from None


_ANSWERS: dict[str, Callable[[bytes, int], mirror.Answer]] = {
    "/chat/completions": mirror.answer,
    "/completions": mirror_small.completions,
    "/embeddings": mirror_small.embeddings,
    "/moderations": mirror_small.moderations,
    "/responses": mirror_responses.answer,
    "/responses/compact": mirror_responses.compact,
    "/responses/input_tokens": mirror_responses.count,
}


def mirrored(path: str, body: bytes, created: int = 0) -> mirror.Answer:
    """What the mirror model answers at ``path``; ``created`` is the time to write into it, in seconds."""
    if path == "/models":
        return mirror.Answer(200, "application/json", [mirror.models(created)])
    if path not in _ANSWERS:
        problem = {"message": "the mirror model does not draw or speak", "type": "invalid_request_error"}
        return mirror.Answer(404, "application/json", [orjson.dumps({"error": problem})])
    return _ANSWERS[path](body, created)


class Mirror:
    """The mirror model, as if it were a service of this ``api``."""

    def __init__(self, api: str = "openai") -> None:
        self._api = api

    async def send(self, method: str, path: str, body: Body, headers: Mapping[str, str]) -> Reply:
        """See :class:`Upstream`."""
        if path.startswith(("/files", "/batches")) or isinstance(body, Upload):
            raise UpstreamProblem("the mirror model keeps no files: name a model service")
        now = int(time.time())
        if self._api == "anthropic":
            return LocalReply(mirror_messages.answer(path.partition("?")[0], body or b""))
        return LocalReply(mirrored(path, body or b"", now))

    async def close(self) -> None:
        """See :class:`Upstream`."""


class LocalReply:
    """What a service in this process answered."""

    def __init__(self, answer: mirror.Answer) -> None:
        self.status, self.content_type, self._pieces = answer
        self.headers: list[tuple[bytes, bytes]] = []

    async def read(self, limit: int, hold: Hold) -> bytes:
        return b"".join(self._pieces)

    async def pieces(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
            await asyncio.sleep(0)

    def close(self) -> None:
        pass
