"""Measure the model on texts it never saw: ``python -m training.evaluate``.

    covered     of the names in the text, those of which no letter or digit is left: what privacy needs
    new         the same of the names that no text trained on has, in any case; nothing if there are none
    exact       of the names in the text, those found with the very same ends and kind
    precision   of what was found as a kind, that which touches a name of one of ours; and that which is exact
    F1, F2      of covered and precision; F2 counts covering four times as much

Names of a kind that a corpus does not mark count as wrong there, though they may be right.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from masquerade.mask.names import FILES, Model, Names
from masquerade.mask.span import Span
from training.corpora import KINDS
from training.example import Example
from training.examples import measured_on, names_trained_on

ALL = "all of these"
Finder = Callable[[str], Sequence[Span]]


def measured(
    find: Finder, examples: Sequence[Example], known: frozenset[str] = frozenset()
) -> dict[str, dict[str, float]]:
    """Figures by kind, of all that the examples have; ``known`` are names, in small, that are not new."""
    figures: dict[str, dict[str, float]] = {}
    found = [find(example.text) for example in examples]
    for kind in (*KINDS, ALL):
        covered: list[bool] = []
        new: list[bool] = []
        exact = told = right = 0
        for (text, marked, _), spans in zip(examples, found, strict=True):
            names = [span for span in marked if span[2] in KINDS]
            own = [span for span in names if kind in (span[2], ALL)]
            mine = [span[:3] for span in spans if kind in (span[2], ALL)]
            told += len(mine)
            exact += len(set(own) & set(mine))
            covered += [_is_covered(text, start, end, spans) for start, end, _ in own]
            new += [text[start:end].lower() not in known for start, end, _ in own]
            right += sum(any(a < end and start < b for a, b, _ in names) for start, end, _ in mine)
        if covered:
            figures[kind] = _figures(covered, new, exact, told, right)
    return figures


def _is_covered(text: str, start: int, end: int, spans: Sequence[Span]) -> bool:
    left = set(range(start, end)).difference(*(range(span[0], span[1]) for span in spans))
    return not any(text[i].isalnum() for i in left)


def _figures(
    covered: Sequence[bool], new: Sequence[bool], exact: int, told: int, right: int
) -> dict[str, float]:
    names, unseen = len(covered), sum(new)
    recall, precision = sum(covered) / names, right / told if told else 1.0
    return {
        "names": names,
        "covered": recall,
        "new": sum(a and b for a, b in zip(covered, new, strict=True)) / unseen if unseen else math.nan,
        "exact": exact / names,
        "precision": precision,
        "exact precision": exact / told if told else 1.0,
        "F1": _f(precision, recall, 1),
        "F2": _f(precision, recall, 2),
    }


def _f(precision: float, recall: float, beta: float) -> float:
    below = beta**2 * precision + recall
    return (1 + beta**2) * precision * recall / below if below else 0.0


def main() -> None:
    """As the module says."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path(__file__).parents[1] / "src/masquerade/mask/data")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    names = Names(Model.of({name: (args.model / name).read_bytes() for name in FILES}))
    known = names_trained_on()
    whole = {name: measured(names, examples, known) for name, examples in measured_on()}
    if args.json:
        print(json.dumps(whole))
        return
    print("| corpus | kind | names | covered | new | exact | precision | exact precision | F1 | F2 |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for corpus, kinds in whole.items():
        for kind, told in kinds.items():
            shown = {name: "" if math.isnan(value) else f"{value:.3f}" for name, value in told.items()}
            rest = " | ".join(figure for name, figure in shown.items() if name != "names")
            print(f"| {corpus} | {kind} | {told['names']:.0f} | {rest} |")


if __name__ == "__main__":
    main()
