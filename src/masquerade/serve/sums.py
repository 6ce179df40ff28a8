"""``masquerade sum``: a question about columns of files, answered with noise that a budget pays for.

    files are cut into parts, one a node          columns.py
    each node reads its part, adds its share of the noise, and seals the result to the aggregators
    the budget pays, or nothing is shown          books.py
    the answer, its error, what was paid, what is left

Nothing that depends on the data is shown without noise, no count of records either; only messages about
malformed input are, to who holds the files.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from masquerade.compute import questions
from masquerade.compute.engine import Engine, LocalEngine
from masquerade.compute.questions import Answer, Bounds, Figure, Histogram, Question
from masquerade.compute.split import Part
from masquerade.compute.sums import Hiding, Progress, total
from masquerade.dp.accountant import cost
from masquerade.dp.ledger import Account, Budget, Entries, Ledger, Receipt, charged, holding, named, paying
from masquerade.dp.mechanism import Ints, Mechanism, gaussian, laplace, quieter
from masquerade.errors import BadInput, PartFailed
from masquerade.serve import chart, columns
from masquerade.serve.books import FileStore, default_path
from masquerade.serve.columns import Options
from masquerade.serve.landing import Landing
from masquerade.serve.source import Unreadable, Usage

BUDGET, DELTA, UNIT = 3.0, 1e-6, "record"
"""Of an account that is opened without others being named."""
_MOST_NODES = 10_000
_BAR = 40
"""Characters of the longest bar of a histogram."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a command line asks for, checked."""

    question: Question
    columns: tuple[str, ...]
    options: Options


@dataclass(frozen=True, slots=True)
class _Told:
    """An answer, and what is shown beside it."""

    asked: _Asked
    noise: Mechanism
    answer: Answer
    receipt: Receipt
    accounts: tuple[str, ...]
    seconds: float


def run(args: argparse.Namespace) -> int:
    """Answer; the exit code is 0. Everything that can be wrong is checked before anything is paid."""
    if args.data_set == "" or args.unit == "":
        raise Usage("a data set and a unit have names: give --data-set and --unit one, or leave them out")
    if args.balance:
        return _balance(args)
    started = time.monotonic()
    asked = _asked(args)
    columns.check(args.files, asked.columns, asked.options)
    with contextlib.ExitStack() as stack:
        plot = stack.enter_context(Landing(args.plot, force=args.force)) if args.plot else None
        ledger, noise = _paying(args, asked.question)
        summed = _summed(args, asked, noise)
        receipt = ledger.spend(
            noise.event, f"{asked.question.name} of {', '.join(asked.columns) or 'records'}"
        )
        answer = asked.question.answer(noise.decode(summed), noise)
        try:
            if plot is not None:
                plot.write(_drawn(asked, answer).encode())
                plot.land()
        finally:  # it is paid for: what can be shown is
            seconds = time.monotonic() - started
            _show(args, _Told(asked, noise, answer, receipt, ledger.accounts, seconds))
    return 0


# What is asked ------------------------------------------------------------------------------------------


def _asked(args: argparse.Namespace) -> _Asked:
    name = args.question
    if name is None or args.epsilon is None:
        raise Usage("say what to ask with --question, and what it may cost with --epsilon")
    for given, option, only in (
        (args.on, "--on", "regression"),
        (args.bins, "--bins", "histogram"),
        (args.plot, "--plot", "histogram"),
        (args.at, "--at", "quantiles"),
    ):
        if given and name != only:
            raise Usage(f"{option} is for --question {only}")
    if args.plot and Path(args.plot).suffix.lower() != ".svg":
        raise Usage("a plot is drawn as SVG: give it a name that ends with .svg")
    if not 1 <= args.nodes <= _MOST_NODES:
        raise Usage(f"--nodes is 1 to {_MOST_NODES:,}")
    if not (0 < args.epsilon < math.inf):
        raise Usage("--epsilon is above 0")
    if args.delimiter is not None and (len(args.delimiter) != 1 or args.delimiter in '"\r\n'):
        raise Usage("--delimiter is one character, and no quotation mark or line end")
    options = Options(args.encoding, args.delimiter, args.skip_missing)
    used = ((args.column,) if args.column else ()) + tuple(column for column, _, _ in args.on)
    if len(set(used)) < len(used):
        raise Usage("a column is named twice")
    try:
        return _Asked(_question(args), used, options)
    except BadInput as problem:
        raise Usage(str(problem)) from None


def _question(args: argparse.Namespace) -> Question:
    name = args.question
    if name == "count":
        if args.bounds:
            raise Usage("a count needs no bounds")
        return questions.Count(columns=1 if args.column else 0)
    if args.column is None:
        raise Usage(f"--question {name} needs a --column")
    if args.bounds is None:
        raise Usage(
            "bounds are missing: say with --bounds LOW HIGH where values may lie, from what is known about "
            "the column and not from the data"
        )
    bounds = Bounds(*args.bounds)
    match name:
        case "sum":
            return questions.Sum(bounds)
        case "mean":
            return questions.Mean(bounds)
        case "variance":
            return questions.Variance(bounds)
        case "histogram":
            return Histogram(bounds, args.bins if args.bins is not None else 10)
        case "quantiles":
            return questions.Quantiles(bounds, tuple(args.at or (0.25, 0.5, 0.75)))
        case _:
            return _regression(args, bounds)


def _regression(args: argparse.Namespace, bounds: Bounds) -> Question:
    if not args.on:
        raise Usage("a regression needs columns that explain: --on NAME LOW HIGH")
    try:
        others = [Bounds(float(low), float(high)) for _, low, high in args.on]
    except ValueError:
        raise Usage("--on takes a column's name and two numbers") from None
    return questions.LinearRegression((bounds, *others), tuple(column for column, _, _ in args.on))


# Who pays -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Data:
    """A data set of a question: what it is called, and what else an account may know it by."""

    name: str
    marks: tuple[bytes, ...]


def _data(args: argparse.Namespace, digests: Iterable[Sequence[bytes]]) -> list[_Data]:
    """Each file by its path and its digests; or all together, under a name that was given."""
    files = []
    for file, found in zip(args.files, digests, strict=True):
        name = os.fsencode(Path(file).resolve()).decode("utf-8", "backslashreplace")
        files.append(_Data(name, (named(name), *map(holding, found))))
    if args.data_set is None:
        return files
    return [_Data(args.data_set, tuple(mark for file in files for mark in file.marks))]


def _paying(args: argparse.Namespace, question: Question) -> tuple[Ledger, Mechanism]:
    """The accounts that pay, and the noise that they can pay for; if they cannot, nothing is kept of this.

    An account is opened together with all that it will know its data by: of two that ask for copies of one
    file at the same time, the second finds the account of the first.
    """
    store = FileStore(args.ledger or default_path())
    try:
        default = Budget(
            BUDGET if args.budget is None else args.budget, DELTA if args.delta is None else args.delta
        )
    except BadInput as problem:
        raise Usage(str(problem)) from None
    data = _data(args, ([digest] for digest in columns.fingerprints(args.files)))
    with store.locked() as entries:
        known: dict[str, Account] = {}
        for each in data:
            for name in paying(entries, each.name, each.marks, unit=args.unit or UNIT, budget=default):
                known[name] = _kept(args, entries, name)
                if name != each.name:
                    print(f"masquerade: the budget of {name} pays, which has this data too", file=sys.stderr)
        units = {account.unit for account in known.values()}
        if len(units) > 1:
            raise Usage(
                f"these files keep their budgets by several units ({', '.join(sorted(units))}), and an "
                "answer has one: say --unit if some are new, or ask about those of one unit at a time"
            )
        noise = _mechanism(args, question, min(account.budget.delta for account in known.values()))
        for name, account in known.items():
            charged(account, noise.event, name)
    return Ledger(None, tuple(known), unit=units.pop(), store=store), noise


def _kept(args: argparse.Namespace, entries: Entries, name: str) -> Account:
    """The account, if it is as the command line says."""
    account = entries.account(name)
    assert account is not None  # noqa: S101 - its name is the ledger's
    budget = account.budget
    for given, kept in ((args.budget, budget.epsilon), (args.delta, budget.delta), (args.unit, account.unit)):
        if given not in (None, kept):
            raise Usage(
                f"{name} has a budget of epsilon {budget.epsilon:g} at delta {budget.delta:g} by the unit "
                f"{account.unit} since it was first asked, and keeps it: leave --budget, --delta and --unit "
                "out"
            )
    return account


def _mechanism(args: argparse.Namespace, question: Question, delta: float) -> Mechanism:
    common: dict[str, Any] = {"epsilon": args.epsilon, "survivors": args.nodes, "step": questions.STEP}
    sensitivity = question.sensitivity
    if args.noise == "laplace":
        return laplace(sensitivity, **common)
    if args.noise == "gaussian":
        if delta == 0:
            raise Usage("with a delta of 0 in the budget noise is Laplace: leave --noise out")
        return gaussian(sensitivity, delta=delta, **common)
    return quieter(sensitivity, delta=delta, **common)


# What nodes do ------------------------------------------------------------------------------------------


def node(part: columns.Part, asked: _Asked, noise: Mechanism) -> Ints:
    """What one node computes: the vector of its part and its share of the noise, in grid units."""
    vector = np.zeros(questions.size(asked.question))
    records = 0
    for rows in columns.read(part, asked.columns, asked.options):
        records += len(rows)
        if records > questions.MOST_RECORDS:
            raise BadInput(f"a part has over {questions.MOST_RECORDS:,} records: take more nodes")
        vector += asked.question.part(rows)
    return noise.encode(vector) + noise.share(len(vector))


def _summed(args: argparse.Namespace, asked: _Asked, noise: Mechanism) -> Ints:
    # Other machines have other working folders.
    files = [str(Path(file).resolve()) for file in args.files] if args.engine == "ray" else args.files
    pieces = columns.cut(files, args.nodes, asked.options)
    parts = [Part(f"part {i} of {args.nodes}", (piece,)) for i, piece in enumerate(pieces, 1)]
    work = partial(node, asked=asked, noise=noise)
    # The sum of one part is that part: there is nobody to hide it from.
    hidden: dict[str, Any] = {"reveal": "sum", "hiding": Hiding(minimum=args.nodes)} if args.nodes > 1 else {}
    with _engine(args.engine) as engine, _progress(args) as progress:
        try:
            summed = total(work, parts, engine=engine, progress=progress, **hidden)
        except PartFailed as failed:
            failed.close()
            raise BadInput(next(iter(failed.failures.values()))) from None
    return np.asarray(summed.value, dtype=np.int64)


@contextlib.contextmanager
def _engine(name: str) -> Iterator[Engine]:
    if name == "ray":
        from masquerade.compute.on_ray import RayEngine

        engine: Engine = RayEngine()
    else:
        engine = LocalEngine()
    try:
        yield engine
    finally:
        engine.close()


@contextlib.contextmanager
def _progress(args: argparse.Namespace) -> Iterator[Callable[[Progress], None] | None]:
    """A bar on standard error, if a person is looking at it."""
    if args.quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    shown = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*shown, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("summing", total=args.nodes)

        def tell(progress: Progress) -> None:
            slow = f", slow: {', '.join(progress.slow)}" if progress.slow else ""
            bar.update(task, completed=progress.done, description=f"summing{slow}")

        yield tell


def _readable(file: str) -> list[bytes]:
    """Its digest; none if it is gone: its name is enough to ask what was paid."""
    try:
        return columns.fingerprints([file])
    except Unreadable:
        return []


def _balance(args: argparse.Namespace) -> int:
    """What was paid for the data, and what is left."""
    store = FileStore(args.ledger or default_path())
    data, found = _data(args, map(_readable, args.files)), dict[str, Account | None]()
    with store.locked() as entries:
        for each in data:
            names = entries.known((named(each.name), *each.marks))
            found |= {name: _kept(args, entries, name) for name in names}
            if not names:
                found[each.name] = None
    paid = store.entries()
    for name, account in found.items():
        asked = [(entry.paid, entry.note) for entry in paid if entry.account == name]
        if args.json:
            unit = (args.unit or UNIT) if account is None else account.unit
            shown: dict[str, Any] = {"account": name, "unit": unit, "paid": asked}
            if account is not None:
                kept = account.budget
                shown |= {
                    "epsilon": kept.epsilon,
                    "delta": kept.delta,
                    "spent": account.spent,
                    "left": account.left,
                }
            print(json.dumps(shown, ensure_ascii=False))
        elif account is None:
            print(f"{name}: nothing was asked yet")
        else:
            kept = account.budget
            print(
                f"{name}: spent {account.spent:.4g} of {kept.epsilon:g} at delta {kept.delta:g}, "
                f"left {account.left:.4g}"
            )
            for when, note in asked:
                print(f"  {when}  {note}")
    return 0


# What is shown ------------------------------------------------------------------------------------------


def _show(args: argparse.Namespace, told: _Told) -> None:
    if args.json:
        print(json.dumps(_as_json(args, told)))
        return
    for line in _lines(told.answer):
        print(line)
    kind, receipt = "Gaussian" if told.noise.noise == "gaussian" else "Laplace", told.receipt
    print(
        f"paid epsilon {args.epsilon:g} at delta {receipt.delta:g}, {kind} noise; "
        f"spent {receipt.spent:.4g} of {receipt.budget:g}, left {receipt.left:.4g}"
    )


def _lines(answer: Answer) -> Iterator[str]:
    """Names, values and errors, each in its column; bars behind a histogram."""
    rows = [_words(figure) for figure in answer.figures]
    names = max(len(figure.name) for figure in answer.figures)
    values, errors = (max(len(row[i]) for row in rows) for i in range(2))
    most = max((figure.value for figure in answer.figures), default=0)
    for figure, (value, error) in zip(answer.figures, rows, strict=True):
        bar = ""
        if answer.question == "histogram" and most > 0:
            bar = "  " + "█" * round(_BAR * max(figure.value, 0) / most)
        yield f"{figure.name:{names}}  {value:>{values}}  {error:{errors}}{bar}".rstrip()
    if answer.outside is not None:
        figure = answer.outside
        yield (
            f"outside the bounds: {figure.low:,.0f} to {figure.high:,.0f} records, "
            "counted as if they lay on them"
        )


def _words(figure: Figure) -> tuple[str, str]:
    """A value to two digits of its error, and the error: half the width of what holds in 95 of 100 runs."""
    if math.isnan(figure.value):
        return "no answer", "too few records for so much noise"
    error = (figure.high - figure.low) / 2
    digits = min(max(1 - math.floor(math.log10(error)), 0), 12) if 0 < error < math.inf else 2
    return f"{figure.value:,.{digits}f}", f"± {error:,.{digits}f}"


def _as_json(args: argparse.Namespace, told: _Told) -> dict[str, Any]:
    noise, answer, receipt = told.noise, told.answer, told.receipt
    alone = cost(noise.event, receipt.delta)
    return {
        "command": "sum",
        "question": answer.question,
        "columns": list(told.asked.columns),
        "figures": [_figure(figure) for figure in answer.figures],
        "outside": _figure(answer.outside) if answer.outside else None,
        "noise": {"kind": noise.noise, "std": noise.std, "shares": noise.survivors},
        "paid": {"epsilon": alone.epsilon, "delta": receipt.delta, "epsilon_rdp": _finite(alone.epsilon_rdp)},
        "budget": {"epsilon": receipt.budget, "spent": receipt.spent, "left": receipt.left},
        "accounts": list(told.accounts),
        "files": len(args.files),
        "nodes": args.nodes,
        "seconds": round(told.seconds, 3),
    }


def _figure(figure: Figure) -> dict[str, Any]:
    return {"name": figure.name} | {
        key: _finite(value) for key, value in zip(("value", "low", "high"), figure[1:], strict=True)
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _drawn(asked: _Asked, answer: Answer) -> str:
    assert isinstance(asked.question, Histogram)  # noqa: S101 - checked with the command line
    return chart.histogram(asked.question.edges.tolist(), answer.figures, asked.columns[0])
