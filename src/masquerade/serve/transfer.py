"""``masquerade train``: one side of a transfer, in its own process and folder.

    owner       private pictures -> a hand-over, sealed for the receiver; the ledger file pays
    receiver    a sealed hand-over, and public pictures -> the full model, sealed for whom it is for

What passes between the two is a sealed package and nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from masquerade import seal
from masquerade.dp.ledger import Budget, Ledger, holding, paying
from masquerade.errors import BadInput
from masquerade.keys import Identity
from masquerade.seal import Paid, Recipient
from masquerade.serve import chart, keyfile, pictures, sealing
from masquerade.serve.books import FileStore, default_path
from masquerade.serve.landing import Landing
from masquerade.serve.source import Unreadable, Usage
from masquerade.transfer import described
from masquerade.transfer.datafree import Distilling, distilled
from masquerade.transfer.described import Described, Descriptions
from masquerade.transfer.features import Features
from masquerade.transfer.recipes import RECIPES, Fitting, Handover, Owning, Pictures, Receiving
from masquerade.transfer.train import Progress

UNIT = "picture"
_LARGEST_HANDOVER = 1 << 30
_PRICED = 20
"""Steps from one price to the next, which takes a moment to compute."""


def run(args: argparse.Namespace) -> int:
    """One side; the exit code is 0."""
    needed: tuple[str, ...] = ("data", "examples") if args.role == "owner" else ("package", "signer")
    if args.role == "owner" and args.recipe != "zero-shot":
        needed = (*needed, "epsilon")
    if args.role == "receiver" and not (args.synthetic or args.descriptions):
        needed = (*needed, "public")
    if args.synthetic and (args.public or (args.role, args.recipe) != ("receiver", "light")):
        raise Usage("--synthetic is of the receiver's side of light, and in place of --public")
    if args.descriptions and args.recipe != "zero-shot":
        raise Usage("--descriptions are of the recipe zero-shot")
    for name in needed:
        if getattr(args, name) is None:
            option = {"signer": "from"}.get(name, name)
            raise Usage(f"the {args.role}'s side of {args.recipe} needs --{option}")
    if args.report and not args.test:
        raise Usage("a report is on pictures with labels: give --test")
    if args.plot and Path(args.plot).suffix.lower() != ".svg":
        raise Usage("curves are drawn as SVG: give --plot a name that ends with .svg")
    recipients = [keyfile.load_recipient(Path(path)) for path in args.to]
    identity = keyfile.load_identity(Path(args.sign))
    descriptions = _descriptions(args)
    with contextlib.ExitStack() as stack:
        landing = stack.enter_context(Landing(args.output, force=args.force))
        plot = stack.enter_context(Landing(args.plot, force=args.force)) if args.plot else None
        told = stack.enter_context(_shown(args))
        curves = _Curves(told)
        side = _owner if args.role == "owner" else _receiver
        handover, paid, result = side(args, descriptions, curves)
        if plot is not None:
            plot.write(curves.drawn(f"{args.recipe} transfer, the {args.role}'s side").encode())
            plot.land()
        files = handover.files()
        if args.role == "owner" and descriptions:
            files = Described(handover, descriptions).files()
        landing.write(_sealed(handover, files, paid, recipients, args, identity))
        landing.land()
    if args.json:
        print(json.dumps(result))
    elif not args.quiet:
        print("  ".join(f"{name} {_short(value)}" for name, value in result.items()))
    return 0


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _descriptions(args: argparse.Namespace) -> Descriptions:
    """None are none."""
    if not args.descriptions:
        return {}
    try:
        return described.parse(Path(args.descriptions).read_bytes())
    except OSError as problem:
        raise Unreadable(f"cannot read {args.descriptions}: {problem.strerror}") from None


def _sealed(
    handover: Handover,
    files: Mapping[str, bytes],
    paid: list[Paid],
    to: list[Recipient],
    args: argparse.Namespace,
    identity: Identity,
) -> bytes:
    entries = [seal.Entry(name, len(data), partial(io.BytesIO, data)) for name, data in files.items()]
    out = io.BytesIO()
    seal.seal(
        out,
        entries,
        to,
        identity,
        sequence=time.time_ns() // 1_000_000,
        series=args.name or f"{args.recipe}, {args.role}",
        title=f"{handover.recipe} transfer, {handover.stage}",
        card=handover.card,
        configuration=json.dumps(handover.about(), sort_keys=True),
        ledger=paid,
    )
    return out.getvalue()


# -- the two sides ---------------------------------------------------------------------------------------


def _owner(
    args: argparse.Namespace, descriptions: Descriptions, told: Callable[[Any], None]
) -> tuple[Handover, list[Paid], dict[str, Any]]:
    folder = Path(args.data)
    recipe = RECIPES[args.recipe]
    how = Owning(
        1.0 if args.epsilon is None else args.epsilon, args.delta, args.examples, _classes(folder),
        Features(args.features or "hog"), batch=args.batch, rate=args.rate,
        steps=Owning.steps if args.steps is None else args.steps,
    )  # fmt: skip
    free = args.recipe == "zero-shot" and not (descriptions and args.epsilon)
    ledger = None if free else _ledger(args, folder)

    def read() -> Pictures:
        return pictures.load(folder)[0]

    if descriptions:
        handover = described.owner(read, how, descriptions, ledger, told).handover
    else:
        handover = recipe.owner(read, how, ledger, told)
    result: dict[str, Any] = {"recipe": args.recipe, "epsilon": handover.privacy["epsilon"]}
    if ledger is None:
        return handover, [], result
    # An account is called by where the data lie, which the other side needs not know.
    paid = [Paid.of("pictures", ledger.unit, account) for account in ledger.balance().values()]
    return handover, paid, {**result, "delta": args.delta, "left": ledger.left}


def _classes(folder: Path) -> tuple[str, ...]:
    return pictures.classes_of(folder, pictures.files_of(folder, "train"))


def _ledger(args: argparse.Namespace, folder: Path) -> Ledger:
    """The accounts that know these pictures, by their place or by what they hold; a new one if none does."""
    store, name = FileStore(Path(args.ledger) if args.ledger else default_path()), str(folder.resolve())
    marks = [holding(pictures.digest_of(pictures.files_of(folder, "train")))]
    budget = Budget(args.epsilon if args.budget is None else args.budget, args.delta)
    with store.locked() as entries:
        names = paying(entries, name, marks, unit=UNIT, budget=budget)
        units = {account.unit for each in names if (account := entries.account(each)) is not None}
    if len(units) > 1:
        raise Usage(f"these pictures keep their budgets by several units: {', '.join(sorted(units))}")
    return Ledger(None, tuple(names), unit=units.pop(), store=store)


def _receiver(
    args: argparse.Namespace, descriptions: Descriptions, told: Callable[[Any], None]
) -> tuple[Handover, list[Paid], dict[str, Any]]:
    key = keyfile.load_identity(Path(args.key or args.sign))
    with sealing.opened(args.package) as file:
        package = seal.open(file, key, sealing.signer_of(args.signer))
        if package.manifest.size > _LARGEST_HANDOVER:
            raise BadInput("this package is larger than any hand-over")
        files = {member.name: package.read(member.name) for member in package.manifest.members}
        package.finish()
    came = Handover.of(files)
    if args.descriptions:
        full = _by_description(args, Described.of(files), descriptions)
    elif args.synthetic:
        if came.recipe != args.recipe:
            raise BadInput(f"what came is for the recipe {came.recipe}, and this is {args.recipe}")
        full = distilled(came, Distilling() if args.steps is None else Distilling(rounds=args.steps), told)
    else:
        public = _labelled(Path(args.public), "train", came.classes)
        if args.labels is not None:
            known = np.arange(len(public.labels)) < args.labels
            public = Pictures(public.images, np.where(known, public.labels, -1))
        how = Receiving(Features(args.features or "all"), steps=args.steps or Receiving.steps)
        full = RECIPES[args.recipe].receiver(came, public, how, told)
    result: dict[str, Any] = {"recipe": args.recipe, "epsilon": full.privacy.get("epsilon")}
    if args.test:
        part = "t10k" if _has_test(Path(args.test)) else "train"
        test = _labelled(Path(args.test), part, full.classes)
        result |= {
            "accuracy_came": came.accuracy(test) if came.weights else None,
            "accuracy": full.accuracy(test),
        }
        if args.report:
            _report(args, full, test)
    return full, list(package.manifest.ledger), result


def _by_description(args: argparse.Namespace, came: Described, more: Descriptions) -> Handover:
    public = _labelled(Path(args.public), "train", came.handover.classes, some=True) if args.public else None
    return described.receiver(came, more, public)


def _labelled(folder: Path, part: str, classes: tuple[str, ...], *, some: bool = False) -> Pictures:
    """Pictures whose labels count ``classes``, whatever order or part of them a folder has.

    With ``some``, pictures of other classes have no label; without, they are refused.
    """
    told, names = pictures.load(folder, part)
    if names == pictures.UNNAMED or names == classes:
        return told
    if not some and not set(names) <= set(classes):
        raise BadInput("has classes that what came does not know, by these names", source=str(folder))
    places = np.array([classes.index(name) if name in classes else -1 for name in names], np.int64)
    return Pictures(told.images, places[told.labels])


def _report(args: argparse.Namespace, full: Handover, test: Pictures) -> None:
    from masquerade.transfer.report import Measured, page

    scores = full.logits(test.images).softmax(1).numpy()
    told = {"recipe": full.recipe, "model": full.model.kind, "epsilon": _short(full.privacy.get("epsilon"))}
    html = page(Measured.of(scores, test.labels, full.classes), test.images, scores, test.labels, told)
    with Landing(args.report, force=args.force) as landing:
        landing.write(html.encode())
        landing.land()


def _has_test(folder: Path) -> bool:
    return any(folder.glob("t10k-images-idx3-ubyte*"))


# -- what is shown ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def _shown(args: argparse.Namespace) -> Iterator[Callable[[Any], None]]:
    """Progress on standard error for a person, or as JSON lines; losses stay with whose data they are of."""
    last = 0.0

    def line(told: Progress | Fitting) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > 1 or told.step == told.steps:
            last = now
            print(json.dumps(_fields(told)), flush=True)

    if args.json:
        yield line
        return
    if args.quiet or not sys.stderr.isatty():
        yield lambda told: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def moved(told: Progress | Fitting) -> None:
            words = "  ".join(f"{name} {_short(value)}" for name, value in _fields(told).items())
            bar.update(task, completed=told.step, total=told.steps, description=words)

        yield moved


class _Curves:
    """Passes on what is told, and remembers it for a plot."""

    def __init__(self, told: Callable[[Any], None]) -> None:
        self._told = told
        self._panels: dict[str, list[tuple[float, float]]] = {}

    def __call__(self, told: Progress | Fitting) -> None:
        stage = f" ({told.stage})" if isinstance(told, Fitting) else ""
        for name, value in _fields(told).items():
            if name not in ("stage", "step"):
                self._panels.setdefault(f"{name}{stage}", []).append((told.step, value))
        self._told(told)

    def drawn(self, title: str) -> str:
        return chart.curves(self._panels, title, "step")


def _fields(told: Progress | Fitting) -> dict[str, Any]:
    """What a person or a plot is shown of it; of numbers, those that are some."""
    if isinstance(told, Fitting):
        return {"stage": told.stage, "step": told.step, "loss": told.loss}
    fields = {"step": told.step, "loss": told.loss, "accuracy": told.accuracy}
    if told.step % _PRICED == 0 or told.step in (1, told.steps):
        fields["epsilon"] = told.epsilon
    return {name: value for name, value in fields.items() if math.isfinite(value)}
