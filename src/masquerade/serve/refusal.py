"""How the gateway says no.

Errors have OpenAI's shape: ``{"error": {"message", "type", "param", "code"}}``. A message names kinds, counts
and fields, never what stands there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from masquerade.errors import MasqueradeError

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
        kind = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}.get(
            self.status
        )
        kind = kind or ("invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}
