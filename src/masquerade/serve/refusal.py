"""How the gateway says no.

Errors have the shape that the clients of an API know. OpenAI's: ``{"error": {"message", "type", "param",
"code"}}``. Anthropic's: ``{"type": "error", "error": {"type", "message"}}``. A message names kinds, counts
and fields, never what stands there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import orjson

from masquerade.errors import MasqueradeError
from masquerade.wire.sse import Event

Header: TypeAlias = tuple[bytes, bytes]


class Refusal(MasqueradeError):
    """A request that is answered with an error, of which the client sees all attributes."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        headers: Sequence[Header] = (),
    ) -> None:
        self.status, self.code, self.param, self.headers = status, code, param, headers
        super().__init__(message)

    def body(self, api: str = "openai") -> dict[str, Any]:
        """The error in the shape that clients of this API know."""
        if api == "anthropic":
            return anthropic_error(self.status, str(self))
        kind = _OPENAI_KINDS.get(self.status)
        kind = kind or ("invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}

    def event(self, api: str, *, typed: bool) -> Event:
        """The error as an event, for a reply whose status is already sent; where events say what they are
        (``typed``), it does too."""
        body = self.body(api)
        if not typed:
            return Event(orjson.dumps(body))
        told = {"code": self.code, "message": str(self), "param": self.param} if api == "openai" else {}
        return Event(orjson.dumps({"type": "error", **told, **body}), b"error")


def anthropic_error(status: int, message: str, kind: str | None = None) -> dict[str, Any]:
    """An error in Anthropic's shape, of the ``kind`` that belongs to its status."""
    kind = kind or _ANTHROPIC_KINDS.get(status, "invalid_request_error" if status < 500 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}}


_OPENAI_KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_ANTHROPIC_KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
