"""Finding names, side by side with peers: speed in both languages, start, memory.

    python bench/names.py [--quick] [--json]

Rules and names together, one thread, CPU time; contestants take turns, round by round, on texts that are new
in every round. Peers do not all do the same, and a column says what they do. What is found, and what missed,
is measured by ``python -m training.evaluate`` on corpora.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import corpus
from common import console, dump, machine, middle, number, options, table, version

SIZES = (200, 1024, 4096, 65536)
BATCH = 1 << 18
SHARE = 0.15
"""CPU seconds that a contestant gets in a round, or one text if that takes longer."""

START = """
import os, sys, time
began = time.process_time()
from masquerade import Key, Masker
Masker(Key.generate()).mask("Ada Lovelace, ada@example.org")
spent = time.process_time() - began
sys.path.insert(0, "bench")
from common import resident_mb
print(spent, resident_mb(os.getpid()))
"""


def masquerade() -> Callable[[str], object]:
    from masquerade import Key, Masker

    return Masker(Key.generate()).mask


def rules() -> Callable[[str], object]:
    from masquerade import Key, Masker, Policy

    return Masker(Key.generate(), Policy.parse('version = 1\n[finder]\nuse = "rules"\n')).mask


def presidio() -> Callable[[str], object]:
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry

    from peers import keep_tldextract_offline

    keep_tldextract_offline()
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

    blank = spacy.blank("en")

    class Blank(NlpEngine):  # type: ignore[misc]
        def load(self) -> None: ...

        def is_loaded(self) -> bool:
            return True

        def process_text(self, text: str, language: str) -> Any:
            words = blank(text)
            return NlpArtifacts([], words, [w.idx for w in words], [w.lower_ for w in words], self, language)

        def process_batch(self, texts: Any, language: str, **more: Any) -> Any:
            return ((text, self.process_text(text, language)) for text in texts)

        def is_stopword(self, word: str, language: str) -> bool:
            return False

        def is_punct(self, word: str, language: str) -> bool:
            return False

        def get_supported_entities(self) -> list[str]:
            return []

        def get_supported_languages(self) -> list[str]:
            return ["en"]

    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    registry.remove_recognizer("SpacyRecognizer")
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=Blank(), supported_languages=["en"])
    return lambda text: analyzer.analyze(text, language="en")


def argus() -> Callable[[str], object]:
    import argus_redact

    warnings.simplefilter("ignore")  # it tells of every collision
    return lambda text: argus_redact.redact(text, lang=["zh", "en"], mode="fast")


def spacy_untrained() -> Callable[[str], object]:
    import spacy

    pipeline = spacy.blank("en")
    tagger = pipeline.add_pipe("ner")
    for label in ("PERSON", "LOC", "ORG", "ADDRESS"):
        tagger.add_label(label)
    pipeline.initialize()
    return pipeline


def crfsuite() -> Callable[[str], object]:
    import tempfile
    from pathlib import Path

    import pycrfsuite

    def seen(text: str) -> list[list[str]]:
        words = text.split()
        return [[word.lower(), word[:3], word[-3:], str(word.istitle())] for word in words]

    trainer = pycrfsuite.Trainer(verbose=False)
    for text in corpus.texts(random.Random(0), "en", 1024, 1 << 16, corpus.dense):
        features = seen(text)
        if features:
            trainer.append(features, ["B" if "True" in own else "O" for own in features])
    trainer.set_params({"max_iterations": 5})
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model")
        trainer.train(path)
        tagger = pycrfsuite.Tagger()
        tagger.open(path)
    return lambda text: tagger.tag(seen(text)) if text.split() else None


def rjieba() -> Callable[[str], object]:
    import rjieba as cutter

    return cutter.tag


CONTESTANTS: dict[str, tuple[str, str, Callable[[], Callable[[str], object]]]] = {
    "Masquerade": ("masquerade", "rules and names, masked", masquerade),
    "Masquerade, rules": ("masquerade", "rules alone, masked", rules),
    "Presidio": ("presidio-analyzer", "rules, a blank pipeline: no names", presidio),
    "argus-redact": ("argus-redact", "its fast mode", argus),
    "spaCy": ("spacy", "an untrained pipeline: names, for speed", spacy_untrained),
    "python-crfsuite": ("python-crfsuite", "four features a word, for speed", crfsuite),
    "rjieba": ("rjieba", "words and their parts of speech", rjieba),
}


def speed(work: Callable[[str], object], texts: list[str]) -> float:
    """MB (10^6 bytes of UTF-8) a CPU second, over as many texts as the share allows."""
    done, began = 0, time.process_time()
    for text in texts:
        work(text)
        done += len(text.encode())
        if time.process_time() - began > SHARE:
            break
    return done / (time.process_time() - began) / 1e6


def main() -> None:
    """As the module says."""
    args = options(__doc__ or "").parse_args()
    there, lacking = {}, []
    for name, (package, what, make) in CONTESTANTS.items():
        if version(package) is None:
            lacking.append(name)
            continue
        there[name] = (what, make())
    rows = []
    for language in ("en", "zh"):
        for size in SIZES[1:2] if args.quick else SIZES:
            figures: dict[str, list[float]] = {name: [] for name in there}
            for turn in range(3 if args.quick else 6):
                draw = random.Random(f"{args.seed} {language} {size} {turn}")
                texts = corpus.texts(draw, language, size, BATCH, corpus.dense)
                order = list(there)
                draw.shuffle(order)
                for name in order:
                    figure = speed(there[name][1], texts)
                    if turn:  # the first round warms up
                        figures[name].append(figure)
            rows.append({"language": language, "size": size, **{n: middle(f) for n, f in figures.items()}})
    told = subprocess.run(
        [sys.executable, "-c", START], capture_output=True, text=True, check=True, timeout=60
    )
    start, memory = map(float, told.stdout.split())
    if args.json:
        dump({"machine": machine(), "speed": rows, "start": start, "memory": memory, "lacking": lacking})
        return
    title = "MB a CPU second"
    columns = ["", "does", *(f"{row['language']} {row['size']:,}" for row in rows)]
    lines = [[name, there[name][0], *(number(row[name]) for row in rows)] for name in there]
    table(title, columns, lines)
    console.print(f"start to the first masked text: {start:.2f} CPU s, {memory:.0f} MB")
    if lacking:
        console.print(f"not installed: {', '.join(lacking)}")


if __name__ == "__main__":
    main()
