"""Real processes: what runs where, what dies, what is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masquerade.compute.engine import Event, LocalEngine
from masquerade.errors import BadInput, EngineProblem, ProtocolProblem
from tests.compute import jobs
from tests.compute.jobs import CANARY, Cell, results


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    with LocalEngine(2) as started:
        yield started


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_every_call_is_computed_once_in_another_process(engine: LocalEngine) -> None:
    assert results(engine, jobs.square, range(20)) == [x * x for x in range(20)]
    pids = set(results(engine, jobs.pid, range(20)))
    assert 1 <= len(pids) <= 2
    assert os.getpid() not in pids


def test_closures_and_arrays_travel(engine: LocalEngine) -> None:
    factor = np.arange(100_000)
    assert np.array_equal(results(engine, lambda x: x * factor, [2, 3])[1], 3 * factor)


def test_a_call_that_raises_names_the_place_and_no_value(engine: LocalEngine) -> None:
    found = results(engine, jobs.complain, range(5))
    assert [found[i] for i in (0, 1, 2, 4)] == [0, 1, 2, 4]
    assert found[3].startswith("ValueError in complain, jobs.py line ")
    found += results(engine, jobs.leave, [1])
    assert found[5].startswith("SystemExit in leave, jobs.py line ")
    assert CANARY not in "".join(map(str, found))


def test_printing_and_reading_do_not_disturb(engine: LocalEngine) -> None:
    assert results(engine, jobs.talk, [1, 2, 3]) == [1, 2, 3]


def test_a_killed_process_is_replaced_and_its_call_tried_again(engine: LocalEngine, tmp_path: Path) -> None:
    found = results(engine, jobs.die_once, [str(tmp_path / name) for name in "abc"])
    assert all(isinstance(pid, int) and pid > 0 for pid in found)


def test_a_call_that_kills_every_process_fails_alone(engine: LocalEngine) -> None:
    def f(x: int) -> int:
        if x == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    assert results(engine, f, range(4), retries=1) == [0, "its process died 2 times, by signal SIGKILL", 2, 3]
    assert results(engine, os._exit, [7], retries=0) == ["its process died 1 times, by exit status 7"]


def test_a_process_that_is_killed_from_outside(engine: LocalEngine) -> None:
    killed: list[int] = []
    found: dict[int, Any] = {}
    for event in engine.run(jobs.slow, [(0.6,), (0.1,), (0.1,)]):
        if event.kind == "started" and event.index == 0 and not killed:
            time.sleep(0.2)
            victim = next(p for p in engine._all if p not in engine._idle)
            killed.append(victim.pid)
            os.kill(victim.pid, signal.SIGKILL)
        if event.kind == "done":
            found[event.index] = engine.value(event.result)
    assert found == {0: 0.6, 1: 0.1, 2: 0.1}
    assert killed


def test_time_out(engine: LocalEngine) -> None:
    found = results(engine, jobs.slow, [0.01, 30.0, 0.02], timeout=0.7)
    assert found == [0.01, "no result in 0.7 s, so it was ended", 0.02]
    assert results(engine, jobs.slow, [0.01]) == [0.01]


def test_a_run_that_is_left_early_leaves_no_work_behind() -> None:
    with LocalEngine(2) as engine:
        events = engine.run(jobs.slow, [(60.0,), (60.0,), (60.0,)])
        first: Event = next(events)
        assert first.kind == "started"
        pids = [process.pid for process in engine._all]
        events.close()  # type: ignore[attr-defined]
        assert not any(map(alive, pids))


def test_what_cannot_be_sent(engine: LocalEngine) -> None:
    lock = __import__("threading").Lock()
    with pytest.raises(BadInput, match="the function cannot be sent"):
        results(engine, lambda x: lock, [1])
    found = results(engine, jobs.square, [1, lock, 3])
    assert found[0] == 1
    assert found[2] == 9
    assert found[1].startswith("the part cannot be sent")
    assert results(engine, lambda x: (y for y in x), [[1]])[0].startswith("TypeError")


def test_a_function_that_cannot_be_read_is_not_replaced_by_the_one_before(engine: LocalEngine) -> None:
    assert results(engine, jobs.square, range(4)) == [0, 1, 4, 9]
    found = results(engine, jobs.Unreadable(), range(6))
    assert all(isinstance(reason, str) and CANARY not in reason for reason in found)
    assert any("could not be read in this process" in reason for reason in found)
    assert results(engine, jobs.square, range(4)) == [0, 1, 4, 9]


def test_actors_keep_what_they_are_told_in_their_own_process(engine: LocalEngine) -> None:
    actors = [engine.actor(Cell, 0), engine.actor(Cell, 10)]
    done = [event.result for event in engine.run(jobs.square, [(2,), (3,)]) if event.kind == "done"]
    assert sum(engine.value(each) for each in done) == 13
    assert [actor.ask("add", 1, *done) for actor in actors] == [14, 24]
    pids = {actor.ask("where") for actor in actors}
    assert len(pids | {os.getpid()}) == 3
    with pytest.raises(ProtocolProblem, match=r"KeyError in fail, jobs\.py line") as caught:
        actors[0].ask("fail")
    assert CANARY not in str(caught.value)
    assert actors[0].ask("add") == 14
    for name in ("__getattribute__", "__dict__", "_secret"):
        with pytest.raises(ProtocolProblem, match="public methods only"):
            actors[0].ask(name, "held")
    os.kill(actors[0].ask("where"), signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(EngineProblem, match="gone"):
            actors[0].ask("add")
    for actor in actors:
        actor.stop()
    assert not any(map(alive, pids))


def test_closing_ends_all_processes() -> None:
    engine = LocalEngine(1)
    pids = {*results(engine, jobs.pid, [1]), engine.actor(Cell, 0).ask("where")}
    assert all(map(alive, pids))
    engine.close()
    assert not any(map(alive, pids))
    assert results(engine, jobs.square, [3]) == [9]
    del engine


def test_processes_end_when_the_one_that_started_them_is_killed() -> None:
    program = """
import os, signal, time
from masquerade.compute.engine import LocalEngine
from tests.compute import jobs
engine = LocalEngine(1)
list(engine.run(jobs.square, [(1,)]))
print(*(process.pid for process in engine._all), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 1
    deadline = time.monotonic() + 20
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, pids))


def test_a_script_needs_no_guard_and_is_not_run_twice(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from masquerade.compute.engine import LocalEngine\n"
        "print('run')\n"
        "def f(x):\n    return x + 1\n"
        "with LocalEngine(2) as engine:\n"
        "    print(sorted(engine.value(e.result) for e in engine.run(f, [(1,), (2,)]) if e.kind == 'done'))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "run\n[2, 3]\n", done.stderr


def test_impossible_engines() -> None:
    with pytest.raises(BadInput, match="at least one process"):
        LocalEngine(0)
