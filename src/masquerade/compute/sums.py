"""The sum of a function over parts, computed in many places: the whole way of it.

    total(f, parts)                                  every part's result is seen: plain map and reduce
    total(f, parts, reveal="sum")                    only the sum is
    total(f, parts, reveal="noisy", noise=...)       only the sum with noise, paid for beforehand

Parts that fail cost nothing else: what the others gave is kept for another try.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any, Literal, Protocol

from masquerade import crypto
from masquerade.compute import sharing, tree
from masquerade.compute.aggregators import Session, ShareAggregator, check_cohort, contribute, decode
from masquerade.compute.engine import Actor, Engine, LocalEngine, pack
from masquerade.compute.noise import Noise, NoiseRule, Noisy
from masquerade.compute.split import Part, named_parts
from masquerade.errors import BadInput, EngineProblem, PartFailed, ProtocolProblem

Reveal = Literal["parts", "sum", "noisy"]

_SLOW = 3.0
"""A part is slow when it takes so many times as long as the middle one of those that are done."""
_ENOUGH = 3
"""How many must be done before any is called slow."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sum is, for a bar or a log: numbers and the names of parts, nothing of the data."""

    done: int
    failed: int
    total: int
    running: tuple[tuple[str, float], ...]
    """Name and seconds since the start, of each part that is being computed; the longest first."""
    slow: tuple[str, ...]
    """Those of them that take more than three times as long as the median of the finished ones, at least
    three."""


@dataclass(frozen=True, slots=True)
class Hiding:
    """How a hidden sum is hidden."""

    aggregators: int = 2
    """How many hold shares, each in a process of its own; all of them together could open single results."""
    minimum: int = 3
    """The least number of parts whose sum is opened."""
    fraction_bits: int = 24
    """Bits after the point of numbers that are not whole: a sum of n parts is right to n * 2**-(bits + 1). A
    single result may be as large as 2**(62 - bits) / n, n rounded up to a power of two; a larger one is
    refused."""

    def __post_init__(self) -> None:
        if any(type(value) is not int for value in (self.aggregators, self.minimum, self.fraction_bits)):
            raise BadInput("aggregators, minimum and fraction_bits are whole numbers")


@dataclass(frozen=True, slots=True, repr=False)
class Total:
    """A sum, and whose."""

    value: Any
    """The sum, in the form of one result: whole numbers as int or int64, others as float or float64."""
    names: tuple[str, ...]
    """The parts that are in it, in order."""
    missing: tuple[str, ...] = ()
    """The parts that failed, where the sum of the rest was asked for."""
    parts: tuple[Any, ...] = ()
    """The result of each of ``names``, if ``reveal`` is "parts"."""
    noise: Noisy | None = None
    """What noise the sum has and what it cost, if ``reveal`` is "noisy"."""

    def __repr__(self) -> str:
        return f"Total({len(self.names)} parts, {len(self.missing)} missing)"


def total(
    f: Callable[..., Any],
    parts: Iterable[Any],
    *,
    engine: str | Engine = "local",
    reveal: Reveal = "parts",
    hiding: Hiding | None = None,
    noise: Noise | None = None,
    timeout: float | None = None,
    retries: int = 2,
    progress: Callable[[Progress], None] | None = None,
) -> Total:
    """``f(*part.arguments)`` in the place of each part, added up.

    Args:
        f: returns a number, or an array, or dicts, lists, tuples, named tuples or dataclasses of them, in the
            same form for every part.
        parts: what :mod:`masquerade.compute.split` cut, or any values, each of which ``f`` then gets as its
            argument.
        engine: ``"local"`` (processes of this machine), ``"ray"`` (a Ray cluster of this machine, or the one
            that ``RAY_ADDRESS`` names), or an :class:`~masquerade.compute.engine.Engine`, which stays open.
        reveal: ``"parts"``: each result is seen here. ``"sum"``: no process but the one that computed it sees
            a result; see :mod:`masquerade.compute.aggregators` for what that means and against whom.
            ``"noisy"``: nor does anybody see the sum itself; see :mod:`masquerade.compute.noise`.
        hiding: for ``"sum"`` and ``"noisy"``, if the defaults do not fit.
        noise: for ``"noisy"``: how much, and who pays.
        timeout: seconds that one part may take.
        retries: how often a part is tried again whose process or node died. One that raised is not.
        progress: is called with a :class:`Progress` when something happens, and some times a second.

    Raises:
        PartFailed: parts raised, ran out of time, died, or gave results of another form; names them. The
            others are kept: see :meth:`~masquerade.errors.PartFailed.resume`.
        BadInput: the arguments are impossible, or the sum leaves 64 bits.
        BudgetExceeded: the ledger does not pay for the noisy sum, and nothing of it was opened.
        EngineProblem: a process, node or aggregator that is needed is gone.
        ProtocolProblem: the aggregators refuse to open.

    >>> from masquerade.compute import split_data
    >>> total(sum, split_data(range(1, 101), 4)).value
    5050
    """
    if reveal not in ("parts", "sum", "noisy"):
        raise BadInput("reveal is one of: parts, sum, noisy")
    if hiding is not None and reveal == "parts":
        raise BadInput("hiding is for a hidden sum: with reveal='parts' every result is seen")
    if retries < 0 or (timeout is not None and not timeout > 0):
        raise BadInput("retries is 0 or more, and timeout is a number of seconds above 0")
    if (noise is None) == (reveal == "noisy"):
        raise BadInput("reveal='noisy' and noise=Noise(...) go together")
    run = _Run(f, named_parts(parts), *_engine(engine), timeout, retries, progress)
    try:
        run.gather = _Seen(run) if reveal == "parts" else _Hidden(run, hiding or Hiding(), noise)
        return run.finish()
    except PartFailed:
        raise
    except BaseException:
        run.close()
        raise


def _engine(engine: str | Engine) -> tuple[Engine, bool]:
    """The engine, and whether it ends with the sum."""
    if engine == "local":
        return LocalEngine(), True
    if engine == "ray":
        from masquerade.compute.on_ray import RayEngine

        return RayEngine(), True
    if isinstance(engine, str):
        raise BadInput("engine is 'local', 'ray', or an object that computes")
    return engine, False


class _Gather(Protocol):
    """What becomes of results."""

    fewest: int
    """Another function takes over from the first where none of its results is in, or so many are."""

    def function(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """What is computed in the place of a part: it gets the part's number and its arguments."""

    def take(self, part: int, result: Any) -> str:
        """Keep the result of a part; the reason why it cannot be added, or nothing."""

    def finish(self) -> Total:
        """The sum of what was kept."""

    def close(self) -> None:
        """End what it started."""


class _Run:
    """One sum on its way: what is done, what failed, and what to do again."""

    gather: _Gather

    def __init__(
        self,
        f: Callable[..., Any],
        parts: list[Part],
        engine: Engine,
        owned: bool,
        timeout: float | None,
        retries: int,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.f, self.parts, self.engine = f, parts, engine
        self._owned, self._timeout, self._retries, self._progress = owned, timeout, retries, progress
        self._done: set[int] = set()
        self._failures: dict[int, str] = {}
        self._started: dict[int, float] = {}
        self._took: list[float] = []
        self._over = False

    def finish(self) -> Total:
        """Compute what is not done; the sum, or :class:`PartFailed`."""
        self._still_going()
        self._failures.clear()
        self._compute([i for i in range(len(self.parts)) if i not in self._done])
        if self._failures:
            failures = {self.parts[i].name: why for i, why in sorted(self._failures.items())}
            raise PartFailed(failures, len(self.parts), self._resume, self._rest, self.close)
        return self._sum()

    def close(self) -> None:
        """End what this sum started. It gives no other total: two that differ in a part would show the
        part."""
        self._over = True
        gather = getattr(self, "gather", None)
        if gather is not None:
            gather.close()
        if self._owned:
            self.engine.close()

    def _still_going(self) -> None:
        if self._over:
            raise BadInput("this sum has ended, and nothing of it is kept: start another")

    def names(self, which: Iterable[int]) -> tuple[str, ...]:
        return tuple(self.parts[i].name for i in sorted(which))

    def _sum(self) -> Total:
        try:
            found = self.gather.finish()
        finally:
            self.close()
        return replace(found, missing=self.names(self._failures))

    def _resume(self, f: Callable[..., Any] | None) -> Total:
        self._still_going()
        if f is not None and 0 < len(self._done) < self.gather.fewest:
            raise BadInput(
                f"{len(self._done)} parts are in, fewer than the least cohort of {self.gather.fewest}: what "
                "another function gives for the others would show them; resume with the same one"
            )
        self.f = f or self.f
        try:
            return self.finish()
        except PartFailed:
            raise
        except BaseException:
            self.close()
            raise

    def _rest(self) -> Total:
        self._still_going()
        if not self._done:
            self.close()
            raise BadInput("no part is done: there is nothing to add up")
        return self._sum()

    def _compute(self, todo: list[int]) -> None:
        calls = [(i, *self.parts[i].arguments) for i in todo]
        function = self.gather.function(self.f)
        events = self.engine.run(function, calls, timeout=self._timeout, retries=self._retries)
        for event in events:
            part = todo[event.index] if event.index >= 0 else -1
            if event.kind == "started":
                self._started[part] = event.at
            elif event.kind == "failed":
                self._started.pop(part, None)
                self._failures[part] = event.reason
            elif event.kind == "done":
                self._took.append(event.at - self._started.pop(part, event.at))
                problem = self.gather.take(part, event.result)
                if problem:
                    self._failures[part] = problem
                else:
                    self._done.add(part)
            if self._progress is not None:
                self._progress(self._report(event.at))

    def _report(self, now: float) -> Progress:
        running = sorted(((now - since, part) for part, since in self._started.items()), reverse=True)
        limit = _SLOW * median(self._took) if len(self._took) >= _ENOUGH else float("inf")
        return Progress(
            len(self._done),
            len(self._failures),
            len(self.parts),
            tuple((self.parts[part].name, seconds) for seconds, part in running),
            tuple(self.parts[part].name for seconds, part in running if seconds > limit),
        )


def _plainly(f: Callable[..., Any], _: int, *arguments: Any) -> tuple[tree.Form, list[tree.Leaf]]:
    """What a node computes of a part that may be seen."""
    return tree.take_apart(f(*arguments))


class _Seen:
    """Every result comes here, and is added in the order of the parts, whatever order they came in."""

    fewest = 0

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._form: tuple[str, tree.Form] | None = None
        self._kept: dict[int, list[tree.Leaf]] = {}

    def function(self, f: Callable[..., Any]) -> Callable[..., Any]:
        return partial(_plainly, f)

    def take(self, part: int, result: Any) -> str:
        try:
            form, leaves = self._run.engine.value(result)
        except EngineProblem as problem:
            return str(problem)
        name = self._run.parts[part].name
        if self._form is None:
            self._form = name, form
        first, expected = self._form
        differs = tree.difference(expected, form)
        if differs:
            return f"its result has another form than that of {first}: {differs}"
        self._kept[part] = leaves
        return ""

    def finish(self) -> Total:
        assert self._form is not None  # noqa: S101 - there is at least one part
        form, sums = self._form[1], None
        for part in sorted(self._kept):
            sums = tree.add(sums, self._kept[part])
        results = tuple(tree.put_together(form, self._kept[part]) for part in sorted(self._kept))
        assert sums is not None  # noqa: S101
        return Total(tree.put_together(form, sums), self._run.names(self._kept), parts=results)

    def close(self) -> None:
        pass


class _Hidden:
    """Results go from where they are computed to the aggregators, sealed; here their sum arrives."""

    def __init__(self, run: _Run, hiding: Hiding, noise: Noise | None) -> None:
        check_cohort(hiding.minimum, len(run.parts))
        self._run, self._noise = run, noise
        self.fewest = hiding.minimum if noise is None else 0
        rule = None
        if noise is not None:
            rule = noise.rule()
            noise.ledger.check(rule.mechanism(1).event)  # better now than after the work
        self._actors: list[Actor] = []
        try:
            for _ in range(hiding.aggregators):
                self._actors.append(run.engine.actor(ShareAggregator))
            self._session = self._begin(run, hiding, rule)
        except BaseException:
            self.close()
            raise

    def _begin(self, run: _Run, hiding: Hiding, rule: NoiseRule | None) -> Session:
        session = Session(
            crypto.random_bytes(16),
            tuple(self._all("key")),
            tuple(part.name for part in run.parts),
            hiding.minimum,
            crypto.sha256(pack(run.f, "the function")),
            hiding.fraction_bits,
            rule,
        )
        session.formats()
        self._all("begin", session)
        return session

    def _all(self, method: str, *arguments: Any) -> list[Any]:
        return [actor.ask(method, *arguments) for actor in self._actors]

    def function(self, f: Callable[..., Any]) -> Callable[..., Any]:
        return partial(contribute, f, self._session)

    def take(self, part: int, result: Any) -> str:
        for _ in range(3):
            try:
                answers = self._all("take", result)
            except ProtocolProblem as problem:
                return str(problem)
            others = {other for _, other in answers if other is not None}
            if others:
                return f"its result has another form than that of {self._run.parts[min(others)].name}"
            if len({attempt for attempt, _ in answers}) == 1:
                self._all("settle", part, answers[0][0])
                return ""
        return "its shares were made anew each time that they were asked for"

    def finish(self) -> Total:
        import cloudpickle

        statements: Sequence[Sequence[bytes]] = self._all("statement")
        noisy = self._pay()
        opened = [
            actor.ask("open", tuple(each[place] for each in statements))
            for place, actor in enumerate(self._actors)
        ]
        form: tree.Form = cloudpickle.loads(opened[0].form)
        words = sharing.join(each.words for each in opened)
        value = tree.put_together(form, decode(self._session, form, words))
        return Total(value, self._run.names(opened[0].parts), noise=noisy)

    def _pay(self) -> Noisy | None:
        if self._noise is None or self._session.noise is None:
            return None
        mechanism = self._session.noise.mechanism(self._actors[0].ask("size"))
        receipt = self._noise.ledger.spend(mechanism.event, self._noise.note)
        return Noisy(mechanism.std * len(self._actors) ** 0.5, receipt)

    def close(self) -> None:
        for actor in self._actors:
            actor.stop()
        self._actors.clear()
