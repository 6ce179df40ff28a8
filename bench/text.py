"""Masking text, side by side with peers: speed, what is found, start-up, memory, and texts made to be slow.

    python bench/text.py [--quick] [--json]

Times are CPU time of this process (``time.process_time``). Contestants take turns, round by round, on texts
that are new in every round; each works through the round's texts until its share of CPU time is spent. A
figure is the median over rounds, a ratio the median of the ratios within a round.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import corpus
import peers
from common import console, dump, machine, middle, number, options, resident_mb, table, version
from corpus import Planted
from peers import Contestant

SIZES = (200, 1024, 4096, 65536)
SHARE = 0.08
"""CPU seconds that a contestant gets in a round, or one text if that takes longer."""
BATCH = 1 << 20
SLOW = 30.0
"""CPU seconds above which an adversarial text is not run at full size, but estimated."""


# -- speed ---------------------------------------------------------------------------------------------


def rate(work: Callable[[str], object], texts: Sequence[str], share: float = SHARE) -> float:
    """MB (10^6 bytes of UTF-8) a CPU second over as many of ``texts`` as the share allows."""
    gc.collect()
    clock, done = time.process_time, 0
    sizes = [len(text.encode()) for text in texts]
    begin = now = clock()
    for text, size in zip(texts, sizes, strict=True):
        work(text)
        done += size
        now = clock()
        if now - begin > share:
            break
    return done / (now - begin) / 1e6


def speeds(
    there: dict[str, Contestant], seed: int, sizes: Sequence[int], rounds: int, languages: Sequence[str]
) -> list[dict[str, Any]]:
    """A row for each size, language and kind of text: the rates of all, and Masquerade's ratio to each."""
    tasks = {name: contestant.mask for name, contestant in there.items()}
    for name, contestant in there.items():
        if contestant.can_restore:
            tasks[name + ", and back"] = contestant.mask_and_restore
    cells = [("dense", language, size) for language in languages for size in sizes]
    cells += [("clean", language, 4096) for language in languages]
    rows = []
    for what, language, size in cells:
        rates: dict[str, list[float]] = {name: [] for name in tasks}
        make = corpus.dense if what == "dense" else corpus.clean
        for turn in range(rounds + 1):
            r = random.Random(f"{seed} {what} {language} {size} {turn}")
            texts = corpus.texts(r, language, size, BATCH, make)
            order = list(tasks)
            r.shuffle(order)
            for name in order:
                figure = rate(tasks[name], texts[:2] if turn == 0 else texts)
                if turn:  # the first round warms up
                    rates[name].append(figure)
        ours = rates[peers.Masquerade.name]
        rows.append(
            {
                "text": what,
                "language": language,
                "bytes": size,
                "mb_per_s": {name: middle(figures) for name, figures in rates.items()},
                "spread": {name: [min(figures), max(figures)] for name, figures in rates.items()},
                "ratio": {
                    name: middle(a / b for a, b in zip(ours, figures, strict=True))
                    for name, figures in rates.items()
                    if name in there
                },
            }
        )
    return rows


# -- what is found -------------------------------------------------------------------------------------


def gone(value: str, masked: str) -> bool:
    """Whether nothing of ``value`` is left that is half of it or more."""
    half = (len(value) + 1) // 2
    return not any(value[i : i + half] in masked for i in range(len(value) - half + 1))


def recall(contestant: Contestant, seed: int, language: str, lines: int) -> float:
    """Share of planted values that are fully masked, in prompts of twenty lines."""
    source = corpus.dense_lines(random.Random(f"{seed} recall {language}"), language)
    hits = total = 0
    for _ in range(lines // 20):
        planted = [next(source) for _ in range(20)]
        masked = contestant.mask("\n".join(line for line, _ in planted)).split("\n")
        for index, (_, (_, _, value)) in enumerate(planted):
            where = masked[index] if len(masked) == len(planted) else "\n".join(masked)
            hits += gone(value, where)
            total += 1
    return hits / total


def kinds(contestant: Contestant, seed: int, times: int) -> dict[str, dict[str, Any]]:
    """For each form, how often its value was fully masked, and how often it was also called by its kind."""
    result: dict[str, dict[str, Any]] = {}
    for form in corpus.FORMS:
        masked = named = 0
        missed = ""
        for turn in range(times):
            language = ("en", "zh")[turn % 2]
            r = random.Random(f"{seed} kinds {form.kind} {form.name} {turn}")
            line, planted = corpus.sentence(r, form, language)
            hidden = gone(planted.value, contestant.mask(line))
            masked += hidden
            named += hidden and _called(contestant, line, planted)
            missed = missed or ("" if hidden else line)
        result[f"{form.kind}: {form.name}"] = {
            "kind": form.kind,
            "masked": masked,
            "named": named,
            "of": times,
            "missed": missed,
        }
    return result


def _called(contestant: Contestant, line: str, planted: Planted) -> bool:
    start = line.index(planted.value)
    end = start + len(planted.value)
    return any(
        planted.kind in contestant.labels.get(label, (label,))
        for begin, stop, label in contestant.find(line)
        if begin < end and stop > start
    )


def kinds_found(forms: dict[str, dict[str, Any]], which: str) -> list[str]:
    """The kinds of which at least half of all planted values were ``masked`` or ``named``."""
    hits: dict[str, int] = defaultdict(int)
    total: dict[str, int] = defaultdict(int)
    for form in forms.values():
        hits[form["kind"]] += form[which]
        total[form["kind"]] += form["of"]
    return [kind for kind in total if 2 * hits[kind] >= total[kind]]


def false_alarms(contestant: Contestant, seed: int, language: str) -> float:
    """Findings in 100 KB of text in which nothing is private."""
    r = random.Random(f"{seed} clean {language}")
    texts = corpus.texts(r, language, 2048, 100_000, corpus.clean)
    return sum(len(contestant.find(text)) for text in texts)


# -- start-up ------------------------------------------------------------------------------------------


def start_up(name: str) -> None:
    """In a fresh process: make one contestant, mask one text, print CPU seconds and resident MB."""
    contestant = next(c for c in peers.CONTESTANTS if c.__name__ == name)()
    contestant.mask("Write to ada@example.com, card 4111 1111 1111 1111.")
    print(time.process_time(), resident_mb(os.getpid()))


def fresh(contestant: type[Contestant], times: int) -> dict[str, float]:
    """Start-up CPU seconds (the interpreter's own included) and memory in MB: medians of fresh processes."""
    runs = []
    for _ in range(times):
        done = subprocess.run(
            [sys.executable, __file__, "--start-up", contestant.__name__],
            capture_output=True,
            text=True,
            timeout=120,
        )
        runs.append([float(word) for word in done.stdout.split()[-2:]])
    return {"cpu_s": middle(r[0] for r in runs), "rss_mb": middle(r[1] for r in runs)}


# -- texts made to be slow -----------------------------------------------------------------------------


def cost(work: Callable[[str], object], text: str) -> float:
    """CPU seconds."""
    gc.collect()
    begin = time.process_time()
    work(text)
    return time.process_time() - begin


def adversarial(masker: Contestant, seed: int, size: int) -> dict[str, Any]:
    """Cost of each repeated seed against dense text of the same size; and whether cost grows as size does."""
    r = random.Random(f"{seed} plain")
    plain = {n: [corpus.dense(r, "mixed", n * size) for _ in range(3)] for n in (1, 2)}
    base = min(cost(masker.mask, text) for text in plain[1])
    double = min(cost(masker.mask, text) for text in plain[2])
    rows: dict[str, dict[str, Any]] = {}
    for name, seed_text in corpus.ADVERSARIAL.items():
        small = cost(masker.mask, corpus.repeated(seed_text, size // 8))
        if small * 64 > SLOW:  # if it were quadratic
            quarter = cost(masker.mask, corpus.repeated(seed_text, size // 4))
            growth = quarter / small
            if quarter * growth**2 > SLOW:
                rows[name] = {
                    "s": quarter * growth**2,
                    "ratio": quarter * growth**2 / base,
                    "estimated": True,
                }
                continue
        seconds = cost(masker.mask, corpus.repeated(seed_text, size))
        rows[name] = {
            "s": seconds,
            "ratio": seconds / base,
            "growth": seconds / small / 8,
            "estimated": False,
        }
    return {
        "bytes": size,
        "plain_s": base,
        "plain_double_s": double,
        "doubling": double / base,
        "texts": rows,
    }


# -- the whole -----------------------------------------------------------------------------------------


def main() -> None:
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--start-up", help=argparse.SUPPRESS)
    parser.add_argument(
        "--rounds", type=int, default=0, help="rounds of each measurement (default 7, quick 3)"
    )
    args = parser.parse_args()
    if args.start_up:
        return start_up(args.start_up)
    quick = args.quick
    rounds = args.rounds or (3 if quick else 7)
    missing = [c.name for c in peers.CONTESTANTS if not peers.installed(c)]
    there = {c.name: c() for c in peers.CONTESTANTS if c.name not in missing}
    at_best = {c.name: c() for c in peers.AT_THEIR_BEST if peers.installed(c)}
    gc.freeze()

    result: dict[str, Any] = {
        "machine": machine(),
        "versions": {c.name: version(c.package) or "not installed" for c in peers.CONTESTANTS},
    }
    ours = there[peers.Masquerade.name]
    result["start"] = {c.name: fresh(c, 1 if quick else 5) for c in peers.CONTESTANTS if c.name in there}
    result["speed"] = speeds(
        there, args.seed, SIZES[1:3] if quick else SIZES, rounds, ("mixed",) if quick else corpus.LANGUAGES
    )
    lines = 400 if quick else 3000
    result["recall"] = {
        name: {lang: recall(c, args.seed, lang, lines) for lang in corpus.LANGUAGES}
        for name, c in there.items()
    }
    result["recall"] |= {
        name: {lang: recall(c, args.seed, lang, lines // 2) for lang in corpus.LANGUAGES}
        for name, c in at_best.items()
        if name not in there and not quick
    }
    result["false_alarms"] = {
        name: {lang: false_alarms(c, args.seed, lang) for lang in ("en", "zh")}
        for name, c in (there | ({} if quick else at_best)).items()
    }
    result["kinds"] = {name: kinds(c, args.seed, 2 if quick else 10) for name, c in at_best.items()}
    result["adversarial"] = adversarial(ours, args.seed, (1 << 18) if quick else (1 << 20))
    result["peak_rss_mb_of_this_process"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000

    if args.json:
        return dump(result)
    return show(result, missing)


def show(result: dict[str, Any], missing: list[str]) -> None:
    """The same as tables."""
    console.print(" · ".join(f"{k} {v}" for k, v in result["machine"].items()))
    console.print(" · ".join(f"{k} {v}" for k, v in result["versions"].items()) + "\n")
    absent = lambda columns: [[name, "not installed", *[""] * (columns - 2)] for name in missing]  # noqa: E731

    names = list(result["speed"][0]["mb_per_s"])
    table(
        "Speed: MB of UTF-8 a CPU second",
        ["text", *names, *missing],
        [
            [f"{row['text']}, {row['language']}, {row['bytes']:,} B"]
            + [number(row["mb_per_s"][n]) for n in names]
            + ["not installed"] * len(missing)
            for row in result["speed"]
        ],
    )
    others = [name for name in result["speed"][0]["ratio"] if name != peers.Masquerade.name]
    table(
        "Masquerade's speed, times that of",
        ["text", *others, *missing],
        [
            [f"{row['text']}, {row['language']}, {row['bytes']:,} B"]
            + [number(row["ratio"][n]) for n in others]
            + ["not installed"] * len(missing)
            for row in result["speed"]
        ],
        "mask against mask and replace; the median of the ratios within each round",
    )
    table(
        "Start-up",
        ["", "CPU s", "RSS MB"],
        [[n, number(f["cpu_s"], 2), number(f["rss_mb"], 2)] for n, f in result["start"].items()] + absent(3),
        "a fresh process that masks one line; the interpreter included",
    )
    table(
        "Values fully masked, and findings in 100 KB where nothing is private",
        ["", "en", "zh", "mixed", "false alarms en", "zh"],
        [
            [
                n,
                *(f"{f[lang]:.3f}" for lang in corpus.LANGUAGES),
                *(result["false_alarms"][n][x] for x in ("en", "zh")),
            ]
            for n, f in result["recall"].items()
        ]
        + absent(6),
        "fully masked: no half of the value is left",
    )
    show_kinds(result["kinds"])
    hard = result["adversarial"]
    worst = sorted(hard["texts"].items(), key=lambda item: -item[1]["ratio"])
    table(
        f"Texts of {hard['bytes']:,} bytes made to be slow, against dense text ({hard['plain_s']:.3f} s)",
        ["repeated", "CPU s", "times plain", "growth to linear"],
        [
            [
                name + (" (estimated)" if f["estimated"] else ""),
                number(f["s"]),
                number(f["ratio"]),
                number(f.get("growth")),
            ]
            for name, f in worst[:12]
        ],
        f"The 12 costliest of {len(worst)}; median {number(middle(f['ratio'] for _, f in worst))}. "
        f"Plain text twice as long costs {hard['doubling']:.2f} times as much.",
    )


def show_kinds(found: dict[str, dict[str, dict[str, Any]]]) -> None:
    """One row a form, then how many kinds each found."""
    names = list(found)
    rows: list[list[object]] = [
        [form, *(_share(found[name][form]) for name in names)] for form in next(iter(found.values()))
    ]
    for which in ("masked", "named"):
        rows.append(
            [
                f"kinds {which}",
                *(f"{len(kinds_found(found[n], which))} of {len(corpus.KINDS)}" for n in names),
            ]
        )
    table(
        "Kinds: of the values planted in each form, fully masked / and called by their kind",
        ["form", *names],
        rows,
        "a kind counts when at least half of its values do; half of the sentences are English, half Chinese",
    )


def _share(form: dict[str, Any]) -> str:
    return f"{form['masked']}/{form['named']}" if form["masked"] else "-"


if __name__ == "__main__":
    main()
