"""``total``: the sum is the sum, failures are named and cost nothing else, and what is hidden stays where it
was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade.compute import (
    Hiding,
    LocalEngine,
    Part,
    Progress,
    Total,
    split_both,
    split_data,
    split_tasks,
    total,
)
from masquerade.compute.aggregators import ShareAggregator
from masquerade.compute.engine import Event
from masquerade.errors import BadInput, EngineProblem, PartFailed, ProtocolProblem
from tests.compute import jobs, memory
from tests.compute.jobs import CANARY, Here, Moments, Pair

HIDDEN: list[Any] = ["parts", "sum"]
quick = settings(max_examples=40, deadline=None)


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    with LocalEngine(2) as started:
        yield started


def moments(rows: Any) -> dict[str, Any]:
    rows = np.asarray(rows, float)
    return {
        "moments": Moments(len(rows), np.stack([rows, rows**2]).sum(axis=1)),
        "nested": [Pair(0.5, 1.5), (len(rows), {"one": 1})],
    }


# -- the sum ---------------------------------------------------------------------------------------------


@quick
@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=40), st.data())
def test_both_ways_give_the_sum(values: list[float], data: st.DataObject) -> None:
    n = data.draw(st.integers(3, len(values)))
    for reveal in HIDDEN:
        found = total(moments, split_data(np.array(values), n), engine=Here(), reveal=reveal)
        assert found.value["moments"].count == len(values)
        exact = [np.sum(values), np.sum(np.square(values))]
        assert np.all(np.abs(found.value["moments"].sums - exact) <= n * 2.0**-25 + 1e-7)
        assert found.value["nested"] == [Pair(n * 0.5, n * 1.5), (len(values), {"one": n})]
        assert found.names == tuple(f"part {i} of {n}" for i in range(1, n + 1))
        assert len(found.parts) == (n if reveal == "parts" else 0)


@quick
@given(st.lists(st.integers(-(2**50), 2**50), min_size=3, max_size=30))
def test_whole_numbers_are_exact(values: list[int]) -> None:
    for reveal in HIDDEN:
        assert total(lambda x: x, values, engine=Here(), reveal=reveal).value == sum(values)


def test_seen_results_are_added_in_order_whatever_order_they_come_in() -> None:
    class Shuffled(Here):
        def run(self, function: Any, calls: Any, **options: Any) -> Any:
            events = list(super().run(function, calls))
            yield from (event for event in events if event.kind == "started")
            yield from (event for event in events[::-1] if event.kind == "done")

    values = [1e16, 1.0, -1e16, 1.0, 0.1]
    found = [total(float, values, engine=engine) for engine in (Here(), Shuffled())]
    assert found[0].value == found[1].value == sum(values)
    assert found[0].parts == found[1].parts == tuple(values)


def test_on_processes(engine: LocalEngine) -> None:
    data = np.arange(1000.0).reshape(500, 2)
    for reveal in HIDDEN:
        found = total(lambda rows: rows.sum(axis=0), split_data(data, 7), engine=engine, reveal=reveal)
        assert np.allclose(found.value, data.sum(axis=0), rtol=0, atol=7 * 2.0**-25)
    assert total(sum, split_tasks(range(100), 9), engine=engine).value == 4950
    grid = split_both(np.arange(6), [10, 20, 30], (2, 3))
    assert total(lambda d, t: int(np.outer(d, t).sum()), grid, engine=engine, reveal="sum").value == 15 * 60
    pairs = split_both(np.arange(6), [10, 20, 30], 3)
    assert total(lambda d, t: int(d.sum()) * t[0], pairs, engine=engine, reveal="sum").value == 10 + 100 + 270


def test_the_default_engine_starts_and_ends_by_itself() -> None:
    pids = total(jobs.pid, [1, 2, 3]).parts
    assert os.getpid() not in pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_more_aggregators_and_bits(engine: LocalEngine) -> None:
    hiding = Hiding(aggregators=4, minimum=2, fraction_bits=40)
    found = total(lambda x: x / 3, [0.1, 0.2], engine=engine, reveal="sum", hiding=hiding)
    assert abs(found.value - 0.1) <= 2 * 2.0**-41


# -- failures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reveal", HIDDEN)
def test_a_part_that_raises_is_named_and_the_rest_is_kept(
    engine: LocalEngine, reveal: Any, tmp_path: Path
) -> None:
    def f(x: int) -> int:
        with (tmp_path / str(x)).open("a") as log:
            log.write("x")
        if x == 3 and not (tmp_path / "repaired").exists():
            raise ValueError(f"{CANARY} {x}")
        return x

    with pytest.raises(PartFailed) as caught:
        total(f, range(6), engine=engine, reveal=reveal)
    error = caught.value
    assert str(error).startswith("1 of 6 parts failed: part 4 of 6: ValueError in f, ")
    assert list(error.failures) == ["part 4 of 6"]
    assert CANARY not in f"{error} {error!r} {vars(error)}"
    assert error.__cause__ is None
    with pytest.raises(PartFailed):
        error.resume()
    (tmp_path / "repaired").touch()
    assert error.resume().value == 15
    counts = {x: len((tmp_path / str(x)).read_text()) for x in range(6)}
    assert counts == {0: 1, 1: 1, 2: 1, 3: 3, 4: 1, 5: 1}
    for again in (error.resume, error.rest):
        with pytest.raises(BadInput, match="has ended"):
            again()


@pytest.mark.parametrize("reveal", HIDDEN)
def test_the_rest_can_be_had_without_the_part_that_failed(engine: LocalEngine, reveal: Any) -> None:
    with pytest.raises(PartFailed) as caught:
        total(jobs.complain, range(6), engine=engine, reveal=reveal)
    rest = caught.value.rest()
    assert rest.value == 12
    assert rest.missing == ("part 4 of 6",)
    assert len(rest.names) == 5
    with pytest.raises(BadInput, match="has ended"):  # or the two sums would show the part
        caught.value.resume(jobs.square)


def test_another_function_for_the_parts_that_failed(engine: LocalEngine) -> None:
    with pytest.raises(PartFailed) as caught:
        total(jobs.complain, range(6), engine=engine, reveal="sum")
    assert caught.value.resume(lambda x: 100).value == 112


def test_another_function_shows_no_part_that_is_alone(engine: LocalEngine) -> None:
    """Zeros for all parts but one would give that part away as the sum."""

    def some(x: int) -> int:
        if x > 1:
            raise ValueError
        return x + 1000

    with pytest.raises(PartFailed) as caught:
        total(some, range(4), engine=engine, reveal="sum")  # two are in, and the least cohort is 3
    for f in (lambda x: 0, some):
        with pytest.raises(BadInput, match="would show them"):
            caught.value.resume(f)
    with pytest.raises(PartFailed):
        caught.value.resume()  # by the same function it may go on
    with pytest.raises(PartFailed) as caught:
        total(jobs.complain, [3, 3, 3], engine=engine, reveal="sum")  # none is in: any will do
    assert caught.value.resume(lambda x: x + 1).value == 12
    with pytest.raises(PartFailed) as caught:
        total(some, range(4), engine=engine)  # where all is seen, there is nothing to show
    assert caught.value.resume(lambda x: 0).value == 2001


def test_a_contribution_that_is_broken_costs_its_part_only() -> None:
    class Breaks(Here):
        def run(self, function: Any, calls: Any, **options: Any) -> Any:
            for event in super().run(function, calls, **options):
                if event.kind == "done" and event.index == 1 and not broken:
                    broken.append(event.result)
                    boxes = tuple(box[:-1] + bytes([box[-1] ^ 1]) for box in event.result.boxes)
                    yield replace(event, result=replace(event.result, boxes=boxes))
                else:
                    yield event

    broken: list[Any] = []
    with pytest.raises(PartFailed, match=r"part 2 of 5: .*a share that was changed") as caught:
        total(jobs.square, range(5), engine=Breaks(), reveal="sum")
    assert caught.value.resume().value == 30


def test_too_few_are_left_for_a_hidden_sum(engine: LocalEngine) -> None:
    with pytest.raises(PartFailed) as caught:
        total(jobs.complain, [3, 1, 2], engine=engine, reveal="sum")
    with pytest.raises(ProtocolProblem, match="2 parts are in, and the least cohort is 3"):
        caught.value.rest()
    with pytest.raises(PartFailed) as caught:
        total(jobs.complain, [3, 3, 3], engine=engine)
    with pytest.raises(BadInput, match="no part is done"):
        caught.value.rest()
    with pytest.raises(BadInput, match="2 parts are fewer than the least cohort of 3"):
        total(jobs.square, [1, 2], engine=engine, reveal="sum")


def test_giving_up_ends_what_was_started() -> None:
    with LocalEngine(1) as engine:
        with pytest.raises(PartFailed) as caught:
            total(jobs.complain, range(5), engine=engine, reveal="sum")
        assert len(engine._all) == 3  # a worker and two aggregators, waiting
        caught.value.close()
        assert len(engine._all) == 1


@pytest.mark.parametrize("reveal", HIDDEN)
def test_a_result_of_another_form_is_named(engine: LocalEngine, reveal: Any) -> None:
    def f(x: int) -> Any:
        return {CANARY: np.zeros(3 if x == 2 else 4), "n": x}

    with pytest.raises(
        PartFailed, match=r"part 3 of 5: its result has another form than that of part \d"
    ) as caught:
        total(f, range(5), engine=LocalEngine(1) if reveal == "sum" else engine, reveal=reveal)
    if reveal == "parts":
        assert "leaf 1 of 2 has shape (3,), not (4,)" in str(caught.value)
    assert CANARY not in str(caught.value)
    assert list(caught.value.failures) == ["part 3 of 5"]
    caught.value.close()


@pytest.mark.parametrize("reveal", HIDDEN)
def test_a_result_that_is_no_number_is_named(engine: LocalEngine, reveal: Any) -> None:
    with pytest.raises(
        PartFailed, match="part 2 of 3: leaf 1 of a result is a str, not a real number"
    ) as caught:
        total(lambda x: CANARY if x == 1 else x, range(3), engine=engine, reveal=reveal)
    assert CANARY not in str(caught.value)


def test_a_value_outside_the_range_is_named_and_not_shown(engine: LocalEngine) -> None:
    with pytest.raises(PartFailed, match="part 3 of 4: 1 of 1 values lie outside the bound") as caught:
        total(lambda x: 123456789e30 if x == 2 else 1.0, range(4), engine=engine, reveal="sum")
    assert "123456789" not in str(caught.value)
    with pytest.raises(BadInput, match="does not fit 64 bits"):
        total(lambda x: 2**62, range(4), engine=engine)


@pytest.mark.parametrize("reveal", HIDDEN)
def test_killed_workers_cost_nothing(engine: LocalEngine, reveal: Any, tmp_path: Path) -> None:
    def f(x: int) -> int:
        if x % 2:
            jobs.die_once(str(tmp_path / str(x)))
        return x

    assert total(f, range(6), engine=engine, reveal=reveal).value == 15
    assert len(list(tmp_path.iterdir())) == 3


def test_a_worker_that_keeps_dying_is_named(engine: LocalEngine) -> None:
    with pytest.raises(
        PartFailed, match="part 1 of 4: its process died 2 times, by signal SIGKILL"
    ) as caught:
        total(lambda x: jobs.die(x) if x == 0 else x, range(4), engine=engine, reveal="sum", retries=1)
    assert caught.value.resume(jobs.square).value == 6


def test_a_killed_aggregator_opens_nothing() -> None:
    with LocalEngine(1) as engine:
        killed = []

        actors: list[Any] = []
        original = engine.actor

        def remember(make: type, *arguments: Any) -> Any:
            actors.append(original(make, *arguments))
            return actors[-1]

        engine.actor = remember  # type: ignore[method-assign]

        def kill_one(progress: Progress) -> None:
            if progress.done == 2 and not killed:
                killed.append(actors[1].pid)
                os.kill(actors[1].pid, signal.SIGKILL)

        with pytest.raises(EngineProblem, match="actor is gone"):
            total(jobs.square, range(6), engine=engine, reveal="sum", progress=kill_one)
        assert killed
        assert not [process for process in engine._all if process not in engine._idle]


def test_time_out_and_stragglers_are_named(engine: LocalEngine) -> None:
    seen: list[Progress] = []
    parts = [Part(f"node {i}", (seconds,)) for i, seconds in enumerate([0.1, 0.1, 0.1, 0.1, 60.0])]
    with pytest.raises(PartFailed, match=r"1 of 5 parts failed: node 4: no result in 3 s") as caught:
        total(jobs.slow, parts, engine=engine, timeout=3.0, progress=seen.append)
    assert any(progress.slow == ("node 4",) for progress in seen)
    assert seen[-1].failed == 1
    assert seen[-1].done == 4
    assert all(progress.total == 5 for progress in seen)
    assert caught.value.rest().value == pytest.approx(0.4)


def test_a_progress_that_raises_ends_the_sum() -> None:
    class Enough(Exception):
        pass

    def stop(progress: Progress) -> None:
        raise Enough

    with LocalEngine(2) as engine:
        with pytest.raises(Enough):
            total(jobs.slow, [60.0, 60.0, 60.0], engine=engine, reveal="sum", progress=stop)
        assert not engine._all


def test_shares_that_are_made_anew_between_two_aggregators() -> None:
    """What an engine does that computes a lost result again: it is noticed, and asked for once more."""

    class Forgetful(Here):
        def __init__(self, times: int) -> None:
            self.left = times

        def run(self, function: Any, calls: Any, **options: Any) -> Any:
            for index, arguments in enumerate(calls):
                yield Event("started", index, 0.0)
                yield Event("done", index, 0.0, (function, arguments, function(*arguments)))

        def actor(self, make: type, *arguments: Any) -> Any:
            engine, made = self, make(*arguments)

            class Lossy:
                def ask(self, method: str, *arguments: Any) -> Any:
                    if method == "take":
                        function, again, result = arguments[0]
                        if engine.left:
                            engine.left -= 1
                            result = function(*again)
                        return made.take(result)
                    return getattr(made, method)(*arguments)

                def stop(self) -> None:
                    pass

            return Lossy()

    assert total(jobs.square, range(4), engine=Forgetful(3), reveal="sum").value == 14
    with pytest.raises(PartFailed, match="made anew each time"):
        total(jobs.square, range(4), engine=Forgetful(1000), reveal="sum")


@pytest.mark.parametrize("reveal", HIDDEN)
def test_a_function_that_cannot_be_sent(engine: LocalEngine, reveal: Any) -> None:
    lock = threading.Lock()
    with pytest.raises(BadInput, match="the function cannot be sent"):
        total(lambda x: lock, range(3), engine=engine, reveal=reveal)
    with pytest.raises(PartFailed, match="part 2 of 3: the part cannot be sent") as caught:
        total(lambda x: 1, [1, lock, 2], engine=engine, reveal=reveal)
    caught.value.close()


def test_bad_hiding() -> None:
    for told in ({"minimum": 2.5}, {"aggregators": 2.0}, {"fraction_bits": True}):
        with pytest.raises(BadInput, match="whole numbers"):
            Hiding(**told)  # type: ignore[arg-type]


def test_bad_arguments() -> None:
    for bad in (
        {"reveal": "all"},
        {"engine": "spark"},
        {"hiding": Hiding()},
        {"retries": -1},
        {"timeout": 0.0},
    ):
        with pytest.raises(BadInput):
            total(jobs.square, [1, 2, 3], **bad)  # type: ignore[arg-type]
    for hiding in (
        Hiding(aggregators=1),
        Hiding(minimum=1),
        Hiding(fraction_bits=64),
        Hiding(fraction_bits=-1),
    ):
        with pytest.raises(BadInput):
            total(jobs.square, [1, 2, 3], engine=Here(), reveal="sum", hiding=hiding)
    with pytest.raises(BadInput, match="nothing to add up"):
        total(jobs.square, [], engine=Here())


def test_reprs_hold_no_result() -> None:
    found = total(lambda x: 424242, [1, 2, 3], engine=Here())
    assert isinstance(found, Total)
    assert "424242" not in repr(found)
    assert repr(found) == "Total(3 parts, 0 missing)"
    assert repr(ShareAggregator()) == "ShareAggregator(0 parts)"


# -- what is hidden --------------------------------------------------------------------------------------

DRIVER = """
import json, sys
from masquerade.compute import LocalEngine, engine as module, total
from tests.compute import jobs
passed, original = [], module.read_frame
def keep(stream):
    passed.append(original(stream))      # all that ever comes here stays in memory
    return passed[-1]
module.read_frame = keep
with LocalEngine(2) as engine:
    actors, make = [], engine.actor
    def remember(*arguments):
        actors.append(make(*arguments))
        return actors[-1]
    engine.actor = remember
    def wait(progress):
        if progress.done == progress.total:
            print(json.dumps([actor.pid for actor in actors]), flush=True)
            sys.stdin.readline()
    found = total(jobs.canaries, range(4), engine=engine, reveal=sys.argv[1], progress=wait)
    print(json.dumps([float(found.value[0]), sum(map(len, filter(None, passed)))]), flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("reveal", HIDDEN)
def test_no_result_passes_through_who_asks_or_an_aggregator(reveal: str) -> None:
    """Canaries that only workers compute are looked for in the memory of all other processes.

    That everything is seen where it may be shows that looking finds what is there.
    """
    memory.need()
    with memory.watched(DRIVER, reveal) as driver:
        traces = {trace for part in range(4) for trace in jobs.traces(part)}
        aggregators = driver.answer()
        during = [memory.held(pid, traces) for pid in (driver.pid, *aggregators)]
        driver.go_on()
        value, passed = driver.answer()
        after = memory.held(driver.pid, traces)
        assert value == pytest.approx(sum(map(jobs.canary, range(4))))
        assert passed > 4 * 4096 * 8  # the results did pass, in one shape or another
    if reveal == "parts":
        assert len(during[0] | after) >= 4
    else:
        assert len(aggregators) == 2
        assert during == [set(), set(), set()]
        assert after == set()


def test_processes_that_are_asked_do_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    from masquerade.compute import engine as module

    with LocalEngine(1) as engine:
        actor = engine.actor(jobs.Cell, 0)
        monkeypatch.setattr(module, "PATIENCE", 0.5)
        with pytest.raises(EngineProblem, match=r"no answer in 0\.5 s"):
            actor.ask("doze", 30.0)


def test_the_example_chooses_what_all_rows_in_one_place_would_choose() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, root / "examples" / "hybrid.py"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert len(lines) == 6
    assert all(line.split()[-1] == line.split()[-5].rstrip(",") for line in lines)
    assert last == "chosen over 4 nodes: 100; in one place: 100"
