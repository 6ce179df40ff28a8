"""What the rules find in labelled corpora: floors that a change of the table must not go below.

The corpora are not part of the package. They are looked for in the folder that MASQUERADE_DATA names, and in
``../shared/data`` beside the checkout; without them these tests are skipped.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from masquerade.mask.find import Lookout
from masquerade.mask.policy import Policy

pytestmark = pytest.mark.usefixtures("rules_alone")

ROOT = Path(__file__).parent.parent.parent
FOLDERS = [os.environ.get("MASQUERADE_DATA"), ROOT.parent / "shared" / "data"]

CALLED_HERE = {"US_DRIVER_LICENSE": "DRIVER_LICENSE"}
LABELS = ("护照号", "护照", "passport")


def corpus(name: str) -> list[dict[str, Any]]:
    for folder in FOLDERS:
        path = Path(folder) / "text" / name if folder else None
        if path and path.is_file():
            return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    pytest.skip(f"the corpus text/{name} is not part of the project: point MASQUERADE_DATA at a copy")


@cache
def recall(name: str) -> dict[str, tuple[int, int]]:
    """For each kind of a corpus, how many of its values are covered to the last letter and digit, and all."""
    lookout = Lookout(Policy())
    whole: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for entry in corpus(name):
        text = entry["text"]
        inside = {i for span in lookout.find(text) for i in range(span.start, span.end)}
        for start, end, kind in entry["spans"]:
            value = start + next((len(label) for label in LABELS if text.startswith(label, start, end)), 0)
            here = CALLED_HERE.get(kind, kind)
            total[here] += 1
            whole[here] += all(i in inside or not text[i].isalnum() for i in range(value, end))
    return {kind: (whole[kind], count) for kind, count in total.items()}


@pytest.mark.parametrize(
    ("name", "kind", "floor"),
    [
        *(
            ("zh_pii_formal.jsonl", kind, 1.0)
            for kind in ("PHONE", "EMAIL", "CN_RESIDENT_ID", "CREDIT_CARD", "LICENSE_PLATE", "PASSPORT")
        ),
        *(
            ("en_synth_large.jsonl", kind, 1.0)
            for kind in (
                "CREDIT_CARD", "US_SSN", "EMAIL", "URL", "IP_ADDRESS", "IBAN", "DRIVER_LICENSE",
            )
        ),
        ("en_synth_large.jsonl", "PHONE", 0.8),
    ],
)  # fmt: skip
def test_recall(name: str, kind: str, floor: float) -> None:
    whole, total = recall(name)[kind]
    assert total >= 10
    assert whole >= floor * total, f"{whole} of {total}"


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("zh_gsd_train.jsonl", 2),
        ("zh_gsd_dev.jsonl", 2),
        ("en_wnut17_train.jsonl", 25),
        ("en_btc_train.jsonl", 10),
    ],
)
def test_little_is_found_in_ordinary_text(name: str, most: int) -> None:
    """News and short messages, some with real telephone numbers; dates and addresses of pages aside."""
    lookout = Lookout(Policy())
    found = Counter(
        span.kind
        for entry in corpus(name)
        for span in lookout.find(entry["text"])
        if span.kind not in ("DATE_TIME", "URL", "EMAIL")
    )
    assert found.total() <= most, dict(found)
