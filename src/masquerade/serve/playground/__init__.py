"""The front page: what you typed, what the model saw, what it answered, what you got back.

The page is a handful of static files that ask nothing of any other host. It calls two addresses of the
gateway that serves it, both with JSON ``{"text": str, "policy": {"fates": {kind: fate}}, "model": str}``
(``policy`` only where the reader chose other fates than the gateway's own, ``model`` only where one was
named; without it the mirror answers):

- ``POST /playground/mask`` while someone types, answered
  ``{"spans": [{"start", "end", "kind", "score", "fate", "surrogate"}], "masked": str, "ms": float}``;
- ``POST /playground/try`` for the model's answer, answered with the same and ``"reply"`` (as the model gave
  it), ``"restored"``, ``"redacted": {kind: n}`` and ``"model"``.

``start`` and ``end`` count characters; ``surrogate`` is what stands there in ``masked``. Refusals carry
``{"error": {"message": str, "code": str}}``; where a fate is ``block``, the code is ``blocked``, with
``"counts": {kind: n}`` in the error and ``"spans"`` beside it.
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
