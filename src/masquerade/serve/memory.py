"""What a process remembers beyond a request: the sealed store, opened when the first request needs it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from importlib.util import find_spec
from time import monotonic

from masquerade import crypto
from masquerade.errors import MissingPackage
from masquerade.keys import Key
from masquerade.mask.surrogate import Surrogate
from masquerade.serve import keyfile
from masquerade.serve.settings import Settings
from masquerade.serve.store import Store
from masquerade.wire.exchange import Exchange

_SWEEP_SECONDS = 300


class Memory:
    """What must outlast a request. Most requests need none of it, and are served without it. All methods
    block: they are called in threads.

    Raises:
        MissingPackage: the package for Redis is not installed.

    All methods raise BadInput, KeyProblem, StoreProblem or Tampered if the store cannot be used.
    """

    def __init__(self, settings: Settings, key: Key) -> None:
        self._where = settings.store
        if settings.store and "://" in settings.store and find_spec("redis") is None:
            raise MissingPackage("a store in Redis", "redis")
        self._key = key
        self._lock = threading.Lock()
        self._open: Store | None = None
        self._swept = monotonic()

    def store(self) -> Store:
        """The store; now and then, what has ended is deleted first."""
        with self._lock:
            if self._open is None:
                self._open = Store.open(self._where or keyfile.home() / "store.db", self._key)
            store, now = self._open, monotonic()
            due = now - self._swept > _SWEEP_SECONDS
            if due:
                self._swept = now
        if due:
            store.sweep()
        return store

    def recall(self, tenant: str, names: Sequence[str]) -> list[Surrogate]:
        """The surrogates of the conversations to which these ids lead."""
        store = self.store()
        found = (store.conversation_of(tenant, name) for name in names)
        conversations = dict.fromkeys(each for each in found if each is not None)
        return [each for conversation in conversations for each in store.recall(tenant, conversation)]

    def remember(self, tenant: str, exchange: Exchange) -> str | None:
        """Keep what restores a request, before it leaves: in the conversation that it goes on from, or in a
        new one, whose name is returned. None: there is nothing to be kept."""
        if exchange.passes:
            return None
        store = self.store()
        found = (store.conversation_of(tenant, name) for name in exchange.refers)
        conversation = next((each for each in found if each is not None), None)
        new = conversation is None
        conversation = conversation or "thread:" + crypto.random_bytes(16).hex()
        if exchange.surrogates:
            store.remember(tenant, conversation, exchange.surrogates, exchange.subject)
        for name in exchange.refers if new else ():
            store.link(tenant, name, conversation)
        return conversation

    def link(self, tenant: str, name: str, conversation: str) -> None:
        """From now on ``name``, an id that the service gave, leads to ``conversation``."""
        self.store().link(tenant, name, conversation)

    def check(self) -> None:
        """Whether it is there, if it was ever needed."""
        with self._lock:
            store = self._open
        if store is not None:
            store.check()

    def close(self) -> None:
        """Close it, if it is open."""
        with self._lock:
            if self._open is not None:
                self._open.close()
                self._open = None
