"""A hand-over whose text cannot be written again is refused when it comes."""

from __future__ import annotations

import json
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed to train with")
pytest.importorskip("safetensors", reason="safetensors is not installed to hand models over with")

from masquerade.errors import BadInput  # noqa: E402
from masquerade.transfer import offsite, recipes  # noqa: E402
from masquerade.transfer.features import Features  # noqa: E402
from masquerade.transfer.models import Decoder, Shape  # noqa: E402

SMALL = Decoder(16, 4, 8, 2, 1)


@pytest.mark.parametrize(
    "handover",
    [
        recipes.Handover("light", "definition", Features("pixels"), Shape("linear", 4, 2), ("a", "b")),
        offsite.Handover("full", SMALL, dict(SMALL.build().state_dict())),
    ],
    ids=["recipes", "offsite"],
)
def test_half_a_character_is_refused(handover: Any) -> None:
    files = handover.files()
    told = json.loads(files["configuration.json"]) | {"card": "\ud800"}
    with pytest.raises(BadInput, match="no hand-over"):
        type(handover).of({**files, "configuration.json": json.dumps(told).encode()})
