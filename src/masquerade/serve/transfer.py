"""``masquerade train``: one side of a transfer, in its own process and folder.

    owner       private pictures -> a hand-over, sealed for the receiver; the ledger file pays
    receiver    a sealed hand-over, and public pictures -> the full model, sealed for whom it is for

and with ``--recipe offsite``, for a language model and a file of texts, a line each:

    receiver    public lines -> a full model, sealed for the receiver
    receiver    public lines, full model -> an emulator, sealed for the owner
    owner       private lines, emulator -> an adapter, sealed for the receiver; the ledger file pays
    receiver    full model, adapter -> the full model with the adapter in it

What passes between the two is a sealed package and nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from masquerade import seal
from masquerade.dp.ledger import Budget, Ledger, holding, paying
from masquerade.errors import BadInput
from masquerade.seal import Paid
from masquerade.serve import chart, keyfile, pictures, sealing
from masquerade.serve.books import FileStore, default_path
from masquerade.serve.landing import Landing
from masquerade.serve.limits import MachineLimits, most_memory
from masquerade.serve.source import Unreadable, Usage
from masquerade.transfer import described, offsite
from masquerade.transfer.datafree import Distilling, distilled
from masquerade.transfer.described import Described, Descriptions
from masquerade.transfer.features import Features
from masquerade.transfer.handover import Handover, Pictures
from masquerade.transfer.models import Decoder
from masquerade.transfer.recipes import RECIPES, Fitting, Owning, Receiving
from masquerade.transfer.train import Progress

UNIT = "picture"
_LARGEST_HANDOVER = 1 << 30
_PRICED = 20
"""Steps from one price to the next, which takes a moment to compute."""


def run(args: argparse.Namespace) -> int:
    """One side; the exit code is 0."""
    _check(args)
    logging.getLogger("absl").setLevel(logging.ERROR)  # the accountant tells of orders it can do without
    sealed = _sealing(args)
    with contextlib.ExitStack() as stack:
        package, plot, report = _outputs(args, stack)
        curves = _Curves(stack.enter_context(_shown(args)))
        made, paid, result, page = _SIDES[args.recipe == "offsite", args.role](args, curves)
        package.write(sealed(made, paid))
        if plot is not None:
            plot.write(curves.drawn(f"{args.recipe} transfer, the {args.role}'s side").encode())
        if report is not None:
            report.write(page.encode())
        for landing in filter(None, (package, plot, report)):
            landing.land()
    if args.json:
        _told(result)
    elif not args.quiet:
        print("  ".join(f"{name} {_short(value)}" for name, value in result.items()))
    return 0


_TRAINED = "ledger budget batch rate steps plot cpu_seconds memory"
_STEPS = {  # what each needs, and what it may be told beside that and what all may
    "owner": ("data examples epsilon", f"{_TRAINED} classifier features descriptions"),
    "definition": ("data examples", "classifier features descriptions"),
    "receiver": ("package signer public", "key older features labels steps plot test report"),
    "synthetic": ("package signer synthetic", "key older steps plot test report"),
    "described": ("package signer descriptions", "key older public test report"),
    "tuning": ("data examples package signer epsilon", f"{_TRAINED} key older"),
    "fitting": ("public", "blocks width length steps plot test"),
    "emulating": ("public model", "key kept steps plot test"),
    "plugging": ("model package signer", "key older test"),
}


def _step(args: argparse.Namespace) -> str:
    if args.recipe == "offsite":
        if args.role == "owner":
            return "tuning"
        return "plugging" if args.package else "emulating" if args.model else "fitting"
    if args.role == "owner":
        free = args.recipe == "zero-shot" and not (args.descriptions and args.epsilon is not None)
        return "definition" if free else "owner"
    return "synthetic" if args.synthetic else "described" if args.descriptions else "receiver"


def _check(args: argparse.Namespace) -> None:
    """Refuse what is missing, and what would not be looked at."""
    if args.synthetic and (args.public or (args.role, args.recipe) != ("receiver", "light")):
        raise Usage("--synthetic is of the receiver's side of light, and in place of --public")
    if args.descriptions and args.recipe != "zero-shot":
        raise Usage("--descriptions are of the recipe zero-shot")
    if args.report and (args.recipe == "offsite" or not args.test):
        raise Usage("a report is on pictures with labels: give --test")
    if args.plot and Path(args.plot).suffix.lower() != ".svg":
        raise Usage("curves are drawn as SVG: give --plot a name that ends with .svg")
    side, (needed, taken) = f"the {args.role}'s side of {args.recipe}", _STEPS[_step(args)]
    for name in needed.split():
        if getattr(args, name) is None:
            raise Usage(f"{side} needs {_option(name)}")
    known = {name for told in _STEPS.values() for name in " ".join(told).split()}
    for name in sorted(known.difference(needed.split(), taken.split())):
        if getattr(args, name) is not None and getattr(args, name) is not False:  # 0 was said
            raise Usage(f"{side} does not look at {_option(name)}, as it is asked here: leave it out")


def _option(name: str) -> str:
    return {"signer": "--from"}.get(name, f"--{name.replace('_', '-')}")


def _told(result: dict[str, Any]) -> None:
    """As JSON, which has no word for what is no number."""
    of_numbers = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in result.items()
    }
    print(json.dumps(of_numbers))


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


class _Done(NamedTuple):
    """What a side comes to."""

    made: Handover | Described | offsite.Handover
    paid: list[Paid]
    result: dict[str, Any]
    page: str = ""


def _outputs(
    args: argparse.Namespace, stack: contextlib.ExitStack
) -> tuple[Landing, Landing | None, Landing | None]:
    """The package, the curves and the report, made before anything is read or paid, out of sight until all
    is done."""
    paths = (args.output, args.plot, args.report)
    given = [os.path.realpath(path) for path in paths if path]
    if len(set(given)) < len(given):
        raise Usage("the package, the curves and the report need names of their own")

    def at(path: str) -> Landing:
        private = path == args.plot and args.role == "owner"
        landing = stack.enter_context(Landing(path, force=args.force, private=private))
        landing.file()
        return landing

    plot, report = (at(path) if path else None for path in (args.plot, args.report))
    return at(args.output), plot, report


def _sealing(
    args: argparse.Namespace,
) -> Callable[[Handover | Described | offsite.Handover, list[Paid]], bytes]:
    """What seals for whom it is for; a name or a recipient that it refuses is refused now, before anything
    is paid."""
    recipients = [keyfile.load_recipient(Path(path)) for path in args.to]
    identity = keyfile.load_identity(Path(args.sign))

    def sealed(files: dict[str, bytes], **texts: Any) -> bytes:
        out = io.BytesIO()
        entries = [seal.Entry(name, len(data), partial(io.BytesIO, data)) for name, data in files.items()]
        series = args.name or f"{args.recipe}, {args.role}"
        number = time.time_ns() // 1_000_000
        seal.seal(out, entries, recipients, identity, sequence=number, series=series, **texts)
        return out.getvalue()

    def handed(made: Handover | Described | offsite.Handover, paid: list[Paid]) -> bytes:
        handover = made.handover if isinstance(made, Described) else made
        return sealed(
            made.files(),
            title=f"{handover.recipe} transfer, {handover.stage}",
            card=handover.card,
            configuration=json.dumps(handover.about(), sort_keys=True),
            ledger=paid,
        )

    sealed({"nothing": b""})
    return handed


# -- the two sides ---------------------------------------------------------------------------------------


def _owner(args: argparse.Namespace, told: Callable[[Any], None]) -> _Done:
    folder, descriptions = Path(args.data), _descriptions(args)
    if args.classifier == "cnn" and (args.features or descriptions):
        raise Usage("a cnn sees pixels: --features and --descriptions are for a linear classifier")
    made_for = Owning.cnn if args.classifier == "cnn" else Owning
    how = made_for(
        1.0 if args.epsilon is None else args.epsilon, args.delta, args.examples, _classes(folder),
        features=Features(args.features or "hog"), **_given(args, "batch", "steps", "rate"),
    )  # fmt: skip
    ledger = (
        None
        if _step(args) == "definition"
        else _ledger(args, folder, pictures.files_of(folder, "train"), UNIT)
    )
    limits = MachineLimits(args.cpu_seconds, args.memory)

    def read() -> Pictures:
        return pictures.load(folder)[0]

    made: Handover | Described
    if descriptions:
        made = described.owner(read, how, descriptions, ledger, told, limits)
        privacy = made.handover.privacy
    else:
        made = RECIPES[args.recipe].owner(read, how, ledger, told, limits)
        privacy = made.privacy
    result: dict[str, Any] = {"recipe": args.recipe, "epsilon": privacy["epsilon"]}
    if ledger is None:
        return _Done(made, [], result)
    return _Done(made, _paid(ledger, "pictures"), {**result, **_spent(ledger, args.delta)})


def _spent(ledger: Ledger, delta: float) -> dict[str, Any]:
    """What a private training took: of the ledger, and of the machine."""
    return {
        "delta": delta,
        "left": ledger.left,
        "cpu_seconds": time.process_time(),
        "megabytes": most_memory(),
    }


def _given(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """What was said of these; for the rest there are defaults."""
    told = {name: getattr(args, name) for name in names}
    return {name: value for name, value in told.items() if value is not None}


def _paid(ledger: Ledger, name: str) -> list[Paid]:
    # An account is called by where the data lie, which the other side needs not know.
    return [Paid.of(name, ledger.unit, account) for account in ledger.balance().values()]


def _classes(folder: Path) -> tuple[str, ...]:
    return pictures.classes_of(folder, pictures.files_of(folder, "train"))


def _ledger(args: argparse.Namespace, place: Path, files: list[Path], unit: str) -> Ledger:
    """The accounts that know these data, by their place or by what they hold; a new one if none does."""
    store, name = FileStore(Path(args.ledger) if args.ledger else default_path()), str(place.resolve())
    marks = [holding(pictures.digest_of(files))]
    budget = Budget(args.epsilon if args.budget is None else args.budget, args.delta)
    with store.locked() as entries:
        names = paying(entries, name, marks, unit=unit, budget=budget)
        units = {account.unit for each in names if (account := entries.account(each)) is not None}
    if len(units) > 1:
        raise Usage(f"these data keep their budgets by several units: {', '.join(sorted(units))}")
    return Ledger(None, tuple(names), unit=units.pop(), store=store)


def _receiver(args: argparse.Namespace, told: Callable[[Any], None]) -> _Done:
    files, paid = _came(args)
    came = Handover.of(files)
    if args.descriptions:
        full = _by_description(args, Described.of(files))
    elif args.synthetic:
        if came.recipe != args.recipe:
            raise BadInput(f"what came is for the recipe {came.recipe}, and this is {args.recipe}")
        full = distilled(came, Distilling() if args.steps is None else Distilling(rounds=args.steps), told)
    else:
        public = _labelled(Path(args.public), "train", came.classes)
        if args.labels is not None:
            public = _partly(public, args.labels)
        how = Receiving(Features(args.features or "all"), **_given(args, "steps"))
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
            return _Done(full, paid, result, _report(full, test))
    return _Done(full, paid, result)


def _partly(public: Pictures, labels: int) -> Pictures:
    """Pictures of which so many have labels, evenly from first to last: a folder's come class by class."""
    count = len(public.labels)
    if labels < 0:
        raise BadInput("the labels that are used are 0 or more")
    known = np.diff(np.arange(count + 1) * min(labels, count) // max(1, count)) > 0
    return Pictures(public.images, np.where(known, public.labels, -1))


def _came(args: argparse.Namespace) -> tuple[dict[str, bytes], list[Paid]]:
    """What the other side sealed; an older one than was opened here before is refused."""
    seen = sealing.Seen(keyfile.home() / "seen.db")
    return _opened(args, args.package, sealing.signer_of(args.signer), partial(seen.record, older=args.older))


def _opened(
    args: argparse.Namespace, path: str, signer: str, known: Callable[[seal.Package], None] = lambda _: None
) -> tuple[dict[str, bytes], list[Paid]]:
    """The files of a package that is for us, and what was paid for them; ``known`` is told of it, whole."""
    key = keyfile.load_identity(Path(args.key or args.sign))
    with sealing.opened(path) as file:
        package = seal.open(file, key, signer)
        if package.manifest.size > _LARGEST_HANDOVER:
            raise BadInput("this package is larger than any hand-over")
        files = {member.name: package.read(member.name) for member in package.manifest.members}
        package.finish()
        known(package)
    return files, list(package.manifest.ledger)


def _by_description(args: argparse.Namespace, came: Described) -> Handover:
    public = _labelled(Path(args.public), "train", came.handover.classes, some=True) if args.public else None
    return described.receiver(came, _descriptions(args), public)


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


def _report(full: Handover, test: Pictures) -> str:
    from masquerade.transfer.report import Measured, page

    scores = full.logits(test.images).softmax(1).numpy()
    told = {"recipe": full.recipe, "model": full.model.kind, "epsilon": _short(full.privacy.get("epsilon"))}
    return page(Measured.of(scores, test.labels, full.classes), test.images, scores, test.labels, told)


def _has_test(folder: Path) -> bool:
    return any(folder.glob("t10k-images-idx3-ubyte*"))


# -- offsite tuning --------------------------------------------------------------------------------------


def _tuning(args: argparse.Namespace, told: Callable[[Any], None]) -> _Done:
    path = Path(args.data)
    files, before = _came(args)
    came = offsite.Handover.of(files)
    how = offsite.Owning(args.epsilon, args.delta, args.examples, **_given(args, "batch", "steps", "rate"))
    ledger = _ledger(args, path, [path], "line")
    limits = MachineLimits(args.cpu_seconds, args.memory)
    back = offsite.tune(came, lambda: _lines(args.data, came.model.length), how, ledger, told, limits)
    result = {"recipe": args.recipe, "stage": back.stage, "epsilon": back.privacy["epsilon"]}
    return _Done(back, [*before, *_paid(ledger, "lines")], {**result, **_spent(ledger, args.delta)})


def _making(args: argparse.Namespace, told: Callable[[Any], None]) -> _Done:
    """The full model of public lines, its emulator, or it with an adapter: by what is given."""
    paid: list[Paid] = []
    how = offsite.Receiving() if args.steps is None else offsite.Receiving(epochs=args.steps)
    if args.model is None:
        shape = Decoder(**_given(args, "length", "width", "blocks"))
        made = offsite.fit(shape, _lines(args.public, shape.length), how, told)
    else:
        own = keyfile.load_identity(Path(args.sign)).public
        files, paid = _opened(args, args.model, own)
        full = offsite.Handover.of(files)
        if args.package is None:
            public = _lines(args.public, full.model.length)
            made = offsite.emulate(full, offsite.Cut(**_given(args, "kept")), public, how, told)
        else:
            files, more = _came(args)
            paid += (
                more  # one that both name stands twice: alike is not the same, and more is never too little
            )
            made = offsite.plug(full, offsite.Handover.of(files))
    result: dict[str, Any] = {"recipe": args.recipe, "stage": made.stage}
    if args.test:
        result["perplexity"] = offsite.perplexity(made.module(), _lines(args.test, made.model.length))
    return _Done(made, paid, result)


def _lines(path: str, length: int) -> Tensor:
    """The lines of a file of UTF-8 that hold something, each cut off at ``length`` bytes.

    A line ends with LF or CR LF alone: the promise is for a line, and what else may cut text stands in one.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8")
    except OSError as problem:
        raise Unreadable(f"cannot read {path}: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path} is no text in UTF-8") from None
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    return offsite.encoded((line for line in lines if line.strip()), length)


_SIDES: dict[tuple[bool, str], Callable[[argparse.Namespace, Callable[[Any], None]], _Done]] = {
    (False, "owner"): _owner,
    (False, "receiver"): _receiver,
    (True, "owner"): _tuning,
    (True, "receiver"): _making,
}


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
        fields: dict[str, Any] = {"stage": told.stage, "step": told.step, "loss": told.loss}
    else:
        fields = {"step": told.step, "loss": told.loss, "accuracy": told.accuracy}
        if told.step % _PRICED == 0 or told.step in (1, told.steps):
            fields["epsilon"] = told.epsilon
    return {name: value for name, value in fields.items() if isinstance(value, str) or math.isfinite(value)}
