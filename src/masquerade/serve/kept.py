"""What a service keeps under an id, asked for later: responses, and conversations with their items.

    GET, DELETE /v1/responses/{id}, POST .../cancel, GET .../input_items
    GET, POST, DELETE /v1/conversations/{id}, GET, POST .../items, GET, DELETE .../items/{item}

Replies are restored by what the store remembers of the conversation to which the id leads.
"""

from __future__ import annotations

import re

from masquerade.serve.call import Call
from masquerade.serve.callers import Who
from masquerade.serve.refusal import Refusal
from masquerade.serve.relay import Relay
from masquerade.serve.tenants import Tenant
from masquerade.serve.uploads import check_address, resumed
from masquerade.wire.responses import CONVERSATIONS, RESPONSES, below

_WORD = r"[A-Za-z0-9_\-]{1,128}"
_ROUTE = re.compile(
    rf"/v1/(?P<what>responses|conversations)/(?P<id>{_WORD})(?:/(?P<deed>cancel|input_items|items)(?P<item>/{_WORD})?)?"
)
_METHODS: dict[tuple[str, str | None, bool], tuple[str, ...]] = {
    ("responses", None, False): ("GET", "DELETE"),
    ("responses", "cancel", False): ("POST",),
    ("responses", "input_items", False): ("GET",),
    ("conversations", None, False): ("GET", "POST", "DELETE"),
    ("conversations", "items", False): ("GET", "POST"),
    ("conversations", "items", True): ("GET", "DELETE"),
}
"""By what is asked for, what is to be done with it, and whether one item is named."""


class KeptRoutes:
    """The addresses below what a service keeps."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def has(self, path: str) -> bool:
        """Whether this is one of the addresses served here."""
        route = _ROUTE.fullmatch(path)
        return route is not None and _allowed(route) != ()

    async def serve(self, call: Call, who: Who, tenant: Tenant) -> None:
        """Answer a call to one of the addresses served here.

        Raises:
            MasqueradeError: before anything is sent to the client, what went wrong.
            Gone: the client hung up.
        """
        route = _ROUTE.fullmatch(call.path)
        if route is None:
            raise Refusal(404, "unknown_url", "there is no such address here")
        allowed = _allowed(route)
        if call.method not in allowed:
            told = (b"allow", ", ".join(allowed).encode())
            raise Refusal(405, "method_not_allowed", f"use {' or '.join(allowed)} here", headers=[told])
        for item in filter(None, (route["id"], route["item"])):
            check_address(tenant.masker, item.removeprefix("/"), call.query)
        query, after = resumed(call.query)
        path = call.path.removeprefix("/v1") + query
        if route["what"] == "conversations" and call.method == "POST":
            await self._relay.carry(call, below(route["id"], path), who, tenant)
            return
        endpoint = RESPONSES if route["what"] == "responses" else CONVERSATIONS
        await self._relay.fetch(call, endpoint, path, route["id"], who, tenant, after)


def _allowed(route: re.Match[str]) -> tuple[str, ...]:
    return _METHODS.get((route["what"], route["deed"], route["item"] is not None), ())
