"""The front page: what you typed, what the model saw, what it answered, what you got back.

The page is a handful of static files that ask nothing of any other host, and it keeps a conversation in its
own memory only. It calls three addresses of the gateway that serves it, which ``serve/trial.py`` describes:
one while someone types, one for the model's answer, as a stream, and one to read and check a policy.

``start`` and ``end`` of spans count characters; ``surrogate`` is what stands there in ``masked``. Refusals
carry ``{"error": {"message": str, "code": str}}``; where a fate is ``block``, the code is ``blocked``, with
``"counts": {kind: n}`` in the error and ``"spans"`` beside it; where a policy is impossible, it is
``policy``, with its ``line``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from masquerade.mask.span import KINDS

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""The page works under this header and should be served with it: nothing inline, nothing from elsewhere."""

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@cache
def assets() -> Mapping[str, tuple[str, bytes]]:
    """Every file of the page, by the path of the request that asks for it: ``(content type, body)``.

    The page itself is at ``/``, the rest under ``/playground/``. ``/playground/kinds.json`` is built here,
    so that kinds and their Chinese names are written once, in ``mask/span.py``.
    """
    found: dict[str, tuple[str, bytes]] = {}
    for file in files(__name__).iterdir():
        kind = _TYPES.get(file.name.rpartition(".")[2])
        if kind is not None:
            found["/" if file.name == "index.html" else f"/playground/{file.name}"] = kind, file.read_bytes()
    kinds = json.dumps({"kinds": KINDS}, ensure_ascii=False).encode()
    found["/playground/kinds.json"] = "application/json", kinds
    return MappingProxyType(found)
