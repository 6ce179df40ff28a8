"""What a gateway does when it is told to stop or to read its files anew.

SIGTERM, SIGINT   ready no more; running requests finish, others are refused; then the server stops
SIGHUP            files are read anew; where the terminal has gone that it was started from, it stops
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

STOPS = (signal.SIGTERM, signal.SIGINT)
HANGUP = getattr(signal, "SIGHUP", None)


def hold_hangups() -> None:
    """Let no SIGHUP end this process while it begins: its files are looked at once more when it has."""
    if HANGUP is not None and not _at_terminal():
        with contextlib.suppress(ValueError):  # not in the main thread
            signal.signal(HANGUP, signal.SIG_IGN)


class Signals:
    """The signals of one event loop, which is the main thread's; elsewhere nothing is done.

    ``drain`` is awaited before a server is told to stop, once; the same signal a second time goes to the
    server at once. (At a terminal, workers get SIGINT from it and then SIGTERM from their parent.)
    """

    def __init__(self, hangup: Callable[[], None], drain: Callable[[], Awaitable[None]]) -> None:
        self._hangup, self._drain = hangup, drain
        self._servers: dict[int, Any] = {}
        self._heard: set[int] = set()
        self._task: asyncio.Task[None] | None = None
        self._terminal = _at_terminal()

    def obey(self) -> None:
        """From now on; what stops the server stays what it was, and comes after."""
        if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
            return  # the loops of Windows take no handlers, and Python none outside its main thread
        loop = asyncio.get_running_loop()
        with contextlib.suppress(RuntimeError, ValueError):
            for number in STOPS:
                server = signal.getsignal(number)
                if callable(server) and server is not signal.default_int_handler:
                    self._servers[number] = server
                    loop.add_signal_handler(number, self._stop, number)
            if HANGUP is not None:
                loop.add_signal_handler(HANGUP, self._hung_up)

    def _hung_up(self) -> None:
        if self._terminal and not _at_terminal():
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            self._hangup()

    def _stop(self, number: int) -> None:
        if number in self._heard:
            self._servers[number](number, None)
        elif self._task is None:
            self._task = asyncio.ensure_future(self._finish(number))
        self._heard.add(number)

    async def _finish(self, number: int) -> None:
        try:
            await self._drain()
        finally:
            self._servers[number](number, None)


def terminal_gone() -> Callable[[], bool]:
    """Whether the terminal that there is now has gone."""
    there = _at_terminal()
    return lambda: there and not _at_terminal()


def _at_terminal() -> bool:
    try:
        return sys.stdin is not None and os.isatty(sys.stdin.fileno())
    except (OSError, ValueError):
        return False
