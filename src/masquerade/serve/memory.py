"""The sealed store of one process, opened when the first request needs it."""

from __future__ import annotations

import threading
from importlib.util import find_spec

from masquerade.errors import MissingPackage
from masquerade.keys import Key
from masquerade.serve import keyfile
from masquerade.serve.settings import Settings
from masquerade.serve.store import Store


class Memory:
    """What must outlast a request. Most requests need none of it, and are served without it.

    Raises:
        MissingPackage: the package for Redis is not installed.
    """

    def __init__(self, settings: Settings, key: Key) -> None:
        self._where = settings.store
        if settings.store and "://" in settings.store and find_spec("redis") is None:
            raise MissingPackage("a store in Redis", "redis")
        self._key = key
        self._lock = threading.Lock()
        self._open: Store | None = None

    def store(self) -> Store:
        """The store; it blocks, so it is asked for in a thread.

        Raises:
            BadInput, KeyProblem, MissingPackage, StoreProblem, Tampered: it cannot be used.
        """
        with self._lock:
            if self._open is None:
                self._open = Store.open(self._where or keyfile.home() / "store.db", self._key)
            return self._open

    def close(self) -> None:
        """Close it, if it is open."""
        with self._lock:
            if self._open is not None:
                self._open.close()
                self._open = None
