"""The keys that a gateway gives out: who may use it, and as which tenant.

The file is TOML and holds no key, only what a key hashes to::

    [[client]]
    name = "billing service"
    tenant = "acme"
    hash = "9f86d081..."          # SHA-256 of the key, 64 hexadecimal digits
    requests_per_minute = 600     # limits of the tenant, all optional: see quota.py
    bytes_per_minute = 50000000
    max_body = 1000000
    max_concurrent = 20

Limits belong to the tenant: they are written with any of its keys, and no two of its keys may differ in one.

A key is ``mq-`` and 256 random bits, so a fast hash is enough: there is nothing to guess.
"""

from __future__ import annotations

import base64
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from masquerade import crypto
from masquerade.errors import BadInput
from masquerade.serve.quota import LIMITS, Limits

TENANT = re.compile(r"[A-Za-z0-9._\-]{1,64}")
"""What a tenant's name looks like."""

_HASH = re.compile(r"[0-9a-fA-F]{64}")


class Client(NamedTuple):
    """One holder of a key."""

    name: str
    tenant: str
    hash: bytes


def new_key() -> tuple[str, str]:
    """A new client key, to be handed over once, and the hash to write into the file."""
    key = "mq-" + base64.b32encode(crypto.random_bytes(crypto.KEY_BYTES)).decode().rstrip("=").lower()
    return key, crypto.sha256(key.encode()).hex()


class Clients:
    """Everyone who holds a key of this gateway."""

    def __init__(self, clients: Iterable[Client], limits: Mapping[str, Limits] | None = None) -> None:
        self._clients = tuple(clients)
        self.limits: Mapping[str, Limits] = limits or {}
        """Of the tenants that have limits of their own."""

    @classmethod
    def parse(cls, text: str, source: str = "client keys") -> Clients:
        """Read the file's text.

        Raises:
            BadInput: it is not TOML, or an entry is incomplete, malformed or there twice.
        """
        try:
            entries = tomllib.loads(text).get("client")
        except tomllib.TOMLDecodeError as problem:
            raise BadInput(f"is not TOML: {problem}", source=source) from None
        except RecursionError:
            raise BadInput("is nested too deeply", source=source) from None
        if not isinstance(entries, list) or not entries:
            raise BadInput("has no [[client]]: without one nobody could use the gateway", source=source)
        clients: list[Client] = []
        limits: dict[str, Limits] = {}
        for number, entry in enumerate(entries, 1):
            where = f"client {number}"
            if not isinstance(entry, dict) or entry.keys() - LIMITS != {"name", "tenant", "hash"}:
                raise BadInput(
                    f"{where} needs exactly name, tenant and hash, and may have limits", source=source
                )
            name, tenant, digest = entry["name"], entry["tenant"], entry["hash"]
            if not isinstance(name, str) or not name.strip():
                raise BadInput(f"{where}: name is a text", source=source)
            if not isinstance(tenant, str) or not TENANT.fullmatch(tenant):
                raise BadInput(f"{where}: tenant is 1 to 64 of A-Z a-z 0-9 . _ -", source=source)
            if not isinstance(digest, str) or not _HASH.fullmatch(digest):
                raise BadInput(f"{where}: hash is the SHA-256 of a key, 64 hexadecimal digits", source=source)
            client = Client(name, tenant, bytes.fromhex(digest))
            if any(client.hash == other.hash for other in clients):
                raise BadInput(f"{where} has the key of another client", source=source)
            clients.append(client)
            limits[tenant] = _limits(entry, limits.get(tenant, Limits()), where, source)
        return cls(clients, {tenant: own for tenant, own in limits.items() if own != Limits()})

    def find(self, key: bytes) -> Client | None:
        """Whose key this is, or None. All are compared, each in time that shows nothing of its hash."""
        digest = crypto.sha256(key)
        found = None
        for client in self._clients:
            if crypto.same(client.hash, digest):
                found = client
        return found


def _limits(entry: Mapping[str, Any], known: Limits, where: str, source: str) -> Limits:
    """What is known of a tenant's limits, with those of one more of its entries."""
    told = {name: entry[name] for name in LIMITS if name in entry}
    for name, limit in told.items():
        if getattr(known, name) not in (None, limit):
            raise BadInput(f"{where}: another client of this tenant has another {name}", source=source)
    try:
        return replace(known, **told)
    except BadInput as problem:
        raise BadInput(f"{where}: {problem}", source=source) from None
