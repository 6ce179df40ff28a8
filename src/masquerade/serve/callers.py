"""Who asks, as which tenant, and with what credentials the request goes on."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from masquerade import crypto
from masquerade.errors import KeyProblem
from masquerade.keys import Key
from masquerade.serve.call import Call
from masquerade.serve.clients import TENANT, Clients
from masquerade.serve.quota import Limits
from masquerade.serve.refusal import Refusal
from masquerade.serve.settings import Service, Settings, read

_PLAIN = re.compile(rb"[A-Za-z0-9_\-=,. ]{1,1000}")

_USUAL = re.compile(r"(?:[a-z\-]{1,48}(?:[0-9]{1,3}[a-z]?-)?)?20[0-9]{2}-?[0-9]{2}-?[0-9]{2}")
"""A version, or a beta's name, in which nothing private fits."""


class Api(NamedTuple):
    """How the clients of one maker say who they are."""

    credentials: tuple[str, ...]
    """Headers that carry them; of two, the first that is there tells the account."""
    account: tuple[str, ...]
    """Headers that choose one of an account's parts: they go on with the client's own credentials only."""
    manner: tuple[str, ...]
    """Headers that say how a request is meant, and go on."""
    held: str
    """The header for a key that the gateway holds."""


APIS: Mapping[str, Api] = {
    "openai": Api(
        ("authorization", "api-key"),
        ("openai-organization", "openai-project"),
        ("openai-beta",),
        "authorization",
    ),
    "anthropic": Api(
        ("x-api-key", "authorization"),
        ("anthropic-workspace-id", "anthropic-user-profile-id"),
        ("anthropic-version", "anthropic-beta"),
        "x-api-key",
    ),
}
"""By the name of :attr:`Endpoint.api`."""

_CHOSEN = frozenset(name for api in APIS.values() for name in (*api.account, *api.manner))


class Who(NamedTuple):
    """Where a request belongs, and what it shows to the upstream."""

    tenant: str
    credentials: dict[str, str]


class Callers:
    """Tells who asks.

    Raises:
        BadInput: the file of client keys cannot be used.
        KeyProblem: the upstream's key is not where the settings say.
    """

    def __init__(self, settings: Settings, key: Key) -> None:
        self._settings = settings
        self._clients = read_clients(settings)
        self._held = {api: _held_key(APIS[api], told) for api, told in settings.services.items()}
        self._prf = crypto.Prf(key.tenant("").purpose("caller"))
        self._own_names = {"localhost", "127.0.0.1", "[::1]", settings.host, *settings.hosts}

    @property
    def limits(self) -> Mapping[str, Limits]:
        """Of the tenants that have limits of their own."""
        return self._clients.limits if self._clients else {}

    def use(self, clients: Clients | None) -> None:
        """From now on these hold keys."""
        self._clients = clients

    def who(self, call: Call) -> Who:
        """Who asks.

        Raises:
            Refusal: nobody whom this gateway knows (401), under a name that is none (400), or a browser that
                was led here (403).
        """
        api = APIS[call.api]
        passed = _plain(call, api.manner)
        if self._clients is not None:
            client = next(filter(None, map(self._clients.find, _shown(call, api))), None)
            if client is None:
                raise Refusal(
                    401,
                    "invalid_api_key",
                    "this gateway gives out its own keys, and this is not one of them",
                    headers=[(b"www-authenticate", b"Bearer")],
                )
            return Who(client.tenant, passed | self._held[call.api])
        if self._held[call.api]:
            self.require_own_name(call)
            return Who(self._named_tenant(call) or "default", passed | self._held[call.api])
        passed |= _plain(call, api.account)
        for name in api.credentials:
            if shown := call.headers.get(name.encode()):
                passed[name] = shown.decode("latin-1")
        return Who(self._named_tenant(call) or self._caller(call, api), passed)

    def _named_tenant(self, call: Call) -> str | None:
        if not self._settings.trust_tenant_header:
            return None
        name = call.headers.get(b"x-masquerade-tenant", b"").decode("latin-1")
        if name and not TENANT.fullmatch(name):
            raise Refusal(400, "invalid_tenant", "x-masquerade-tenant is 1 to 64 of A-Z a-z 0-9 . _ -")
        return name or None

    def _caller(self, call: Call, api: Api) -> str:
        """A tenant for each set of credentials, so that no two accounts share a token that links them.

        The colon keeps these apart from every name that a person can give.
        """
        shown = next(filter(None, (call.headers.get(name.encode()) for name in api.credentials)), None)
        return "default" if shown is None else "caller:" + self._prf.digest(shown)[:8].hex()

    def require_own_name(self, call: Call) -> None:
        """Refuse a browser that was led here under a foreign name (DNS rebinding)."""
        if not self._settings.loopback:
            return
        host = call.headers.get(b"host", b"").decode("latin-1").lower()
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if name not in self._own_names:
            raise Refusal(403, "foreign_host", "this gateway is reached under another name: see its settings")


def free_words(credentials: Mapping[str, str]) -> dict[str, str]:
    """What of these headers goes on as the client chose it, and so has to be looked at: value to header."""
    return {
        value: name
        for name, value in credentials.items()
        if name in _CHOSEN and not all(map(_USUAL.fullmatch, re.split(", ?", value)))
    }


def _plain(call: Call, names: tuple[str, ...]) -> dict[str, str]:
    return {
        name: value.decode()
        for name in names
        if (value := call.headers.get(name.encode())) and _PLAIN.fullmatch(value)
    }


def _shown(call: Call, api: Api) -> list[bytes]:
    """The keys that a request shows, without the word before them."""
    shown = [(name, call.headers.get(name.encode(), b"")) for name in api.credentials]
    keys = []
    for name, value in shown:
        if name == "authorization":
            scheme, _, value = value.partition(b" ")  # noqa: PLW2901
            value = value if scheme.lower() == b"bearer" else b""  # noqa: PLW2901
        if value.strip():
            keys.append(value.strip())
    return keys


def read_clients(settings: Settings) -> Clients | None:
    """The keys that the settings name; None: there are none, and nobody is asked for one.

    Raises:
        BadInput: the file cannot be used.
    """
    if settings.client_keys is None:
        return None
    return Clients.parse(read(settings.client_keys), source=str(settings.client_keys))


def _held_key(api: Api, service: Service) -> dict[str, str]:
    if service.key_env:
        key = os.environ.get(service.key_env, "")
        where = f"the environment variable {service.key_env}"
    elif service.key_file:
        key, where = read(service.key_file), str(service.key_file)
    else:
        return {}
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable():
        raise KeyProblem(f"no usable upstream key in {where}")
    return {api.held: f"Bearer {key}" if api.held == "authorization" else key}
