"""The corpora that the model is trained and measured on, from where MASQUERADE_DATA points.

Their sources and licences stand in the model card. Files called ``dev`` are never trained on; a twentieth of
the templates of the made-up ones is held out.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from pathlib import Path

from training.example import Example

TRAINED = ("en_wnut17_train", "en_btc_train", "zh_gsd_train")
MEASURED = ("en_ewt_dev", "en_wnut17_dev", "en_btc_dev", "zh_gsd_dev")
MADE_UP = ("en_synth_large", "zh_pii_formal")
KINDS = ("PERSON", "LOCATION", "ORGANIZATION", "ADDRESS")


def folder() -> Path:
    return Path(os.environ.get("MASQUERADE_DATA") or Path(__file__).parents[2] / "shared" / "data") / "text"


def load(name: str) -> list[Example]:
    """All of a file, with spans of all its kinds."""
    told = [json.loads(line) for line in (folder() / f"{name}.jsonl").open(encoding="utf-8")]
    return [
        Example(
            each["text"],
            tuple((a, b, kind) for a, b, kind in sorted(each["spans"])),
            _template(each) if name in MADE_UP else name,
        )
        for each in told
    ]


_MARK = re.compile(r"\{([PLOA]) ([^{}]+)\}")
_LETTERS = {"P": "PERSON", "L": "LOCATION", "O": "ORGANIZATION", "A": "ADDRESS"}


def prose() -> list[Example]:
    """Texts written for this: of each genre a file, names in braces behind the letter of their kind."""
    return [
        _marked(line.replace("\\n", "\n"), file.stem)
        for file in sorted((Path(__file__).parent / "prose").glob("*.txt"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if line
    ]


def _marked(line: str, genre: str) -> Example:
    text, spans, at = "", [], 0
    for mark in _MARK.finditer(line):
        text += line[at : mark.start()]
        spans.append((len(text), len(text) + len(mark[2]), _LETTERS[mark[1]]))
        text += mark[2]
        at = mark.end()
    return Example(text + line[at:], tuple(spans), genre)


def _template(told: dict[str, object]) -> str:
    """That of the source; or the text without its values."""
    if "template" in told:
        return str(told["template"])
    text, parts, at = str(told["text"]), [], 0
    for start, end, kind in sorted(told["spans"]):  # type: ignore[call-overload]
        parts += [text[at:start], f"<{kind}>"]
        at = end
    return re.sub(r"[0-9]+", "0", "".join([*parts, text[at:]]))


def held_out(example: Example) -> bool:
    """Whether the template is one of the twentieth that is measured on."""
    return zlib.crc32(example.template.encode()) % 20 == 0


def addresses() -> list[Example]:
    """Chinese addresses, of the lines that are one and nothing else: measured on, never trained on."""
    lines = (folder() / "zh_addresses.txt").read_text(encoding="utf-8").splitlines()
    whole = [line for line in map(str.strip, lines) if line and not re.search("[#🏙：，我请]", line)]
    return [Example(line, ((0, len(line), "ADDRESS"),), "") for line in whole]
