"""What one process takes on at once: bytes of bodies that it holds, and work that waits for a thread.

Both are bounded, for all requests together. What is beyond is refused at once with status 503 and
``Retry-After``, so that the requests which are inside end well.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from masquerade.serve.refusal import Refusal

P = ParamSpec("P")
T = TypeVar("T")

_WAITING = 16
"""Tasks that may wait for each thread."""
_IN_THREAD = 64 << 10
"""From this many bytes on, work is done in a thread, so that others need not wait."""
_RETRY_SECONDS = b"1"


class Room:
    """``limit`` bytes and ``threads`` threads. Belongs to one event loop."""

    def __init__(self, limit: int, threads: int) -> None:
        self._limit = limit
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="masquerade")
        self._most = threads * (1 + _WAITING)
        self._tasks = 0
        self.held = 0
        """Bytes that are held now."""

    def lease(self) -> Lease:
        """A place for what one request holds."""
        return Lease(self)

    def close(self) -> None:
        """End the threads once they are idle."""
        self._pool.shutdown(wait=False)

    def _take(self, size: int) -> None:
        if self.held + size > self._limit:
            raise _full("the gateway holds as many bytes as it may")
        self.held += size

    def _submit(self, function: Callable[[], T]) -> Future[T]:
        if self._tasks >= self._most:
            raise _full("all threads of the gateway are busy")
        future = self._pool.submit(function)
        self._tasks += 1
        return future


class Lease:
    """What one request holds of a :class:`Room`; all of it goes back when it is closed and its threads are
    done, for a thread goes on after a client has hung up."""

    __slots__ = ("_closed", "_room", "_running", "_size", "_stream")

    def __init__(self, room: Room) -> None:
        self._room = room
        self._size = self._stream = self._running = 0
        self._closed = False

    def take(self, size: int) -> None:
        """Hold ``size`` bytes more.

        Raises:
            Refusal: there is no room (503).
        """
        self._room._take(size)
        self._size += size

    def keep(self, size: int) -> None:
        """Hold ``size`` bytes of a stream, in place of those that were named before.

        Raises:
            Refusal: there is no room (503).
        """
        if size != self._stream:
            self.take(size - self._stream)
            self._stream = size

    async def work(self, size: int, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``function``, whose work is on ``size`` bytes: in a thread, if they are many.

        Raises:
            Refusal: as :meth:`in_thread`.
        """
        if size < _IN_THREAD:
            return function(*args, **kwargs)
        return await self.in_thread(function, *args, **kwargs)

    async def in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``function`` in a thread.

        Raises:
            Refusal: too many are waiting for one (503).
        """
        loop = asyncio.get_running_loop()
        work = [lambda: function(*args, **kwargs)]

        def do() -> T:
            return work.pop()()

        future = self._room._submit(do)
        self._running += 1

        def tell(_: Future[T]) -> None:
            work.clear()  # what was called off stays in the queue until a thread comes by, but not its bytes
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._done)

        future.add_done_callback(tell)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Give everything back."""
        self._closed = True
        if not self._running:
            self._room.held -= self._size
            self._size = 0

    def _done(self) -> None:
        self._running -= 1
        self._room._tasks -= 1
        if self._closed:
            self.close()


def _full(why: str) -> Refusal:
    return Refusal(503, "overloaded", f"{why}: try again later", headers=[(b"retry-after", _RETRY_SECONDS)])
