"""Ray: a cluster of this machine, and one of several nodes, of which workers and nodes are killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis  # noqa: F401 - its plugin imports it at the end, which fails after Ray on CPython 3.11
import numpy as np
import pytest

from masquerade.compute import LocalEngine, Progress, on_ray, split_data, total
from masquerade.errors import BadInput, EngineProblem, MissingPackage, PartFailed, ProtocolProblem
from tests.compute import jobs, memory
from tests.compute.jobs import CANARY, Cell, results

pytest.importorskip("ray", reason="Ray is not installed: masquerade[ray]")
heavy = pytest.mark.heavy
ROOT = Path(__file__).parents[2]
TOKEN = "5" * 64
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # all of it on 127.0.0.1
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": TOKEN,
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "PYTHONPATH": str(ROOT),
}


def python(program: str, *arguments: str, **environment: str) -> list[Any]:
    """What a fresh interpreter prints, a line of JSON each."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True, text=True, timeout=240, cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line[:1] in "[{"]


LOCAL = """
import json, os, sys
if sys.argv[1] == "2":
    import ray  # has read its settings before we come
import numpy as np
from masquerade.compute import split_data, total
from masquerade.compute.on_ray import RayEngine
from masquerade.errors import EngineProblem
from tests.compute import jobs
data = np.arange(999.0)
before = dict(os.environ)
for again in range(int(sys.argv[1])):
    with RayEngine(processes=2) as engine:
        parts = total(np.sum, split_data(data, 6), engine=engine)
        hidden = total(np.sum, split_data(data, 6), engine=engine, reveal="sum")
        pids = total(jobs.pid, range(4), engine=engine).parts
        listening = set()
        for family in ("tcp", "tcp6"):
            for line in open(f"/proc/net/{family}").readlines()[1:]:
                fields = line.split()
                if fields[3] == "0A":
                    listening.add((fields[1].split(":")[0], fields[9]))
        own = set()
        for process in os.listdir("/proc"):
            try:
                command = open(f"/proc/{process}/cmdline").read()
                if "ray" in command or int(process) == os.getpid():
                    for name in os.listdir(f"/proc/{process}/fd"):
                        target = os.readlink(f"/proc/{process}/fd/{name}")
                        if target.startswith("socket:["):
                            own.add(target[8:-1])
            except (OSError, ValueError):
                pass
        addresses = sorted({address for address, inode in listening if inode in own})
        unfinished = engine.run(jobs.slow, [(60.0,)])
        next(unfinished)
        actor = engine.actor(jobs.Cell, 0)
    unfinished.close()
    actor.stop()
    late = [lambda: actor.ask("add"), lambda: engine.actor(jobs.Cell, 0), lambda: next(engine.run(abs, []))]
    for call in late:
        try:
            call()
        except EngineProblem:
            continue
        raise SystemExit("a closed engine was used")
    import ray
    assert not ray.is_initialized()
    print(json.dumps([parts.value, hidden.value, list(pids), os.getpid(), addresses]))
after = {name for name in os.environ if name.startswith("RAY_AUTH")}
print(json.dumps([sorted(after), bool(pids)]))
"""
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


@pytest.mark.parametrize("times", [1, pytest.param(2, marks=heavy)])
def test_a_cluster_of_this_machine_comes_and_goes_and_listens_to_nobody_else(times: int) -> None:
    *runs, (left, _) = python(LOCAL, str(times))
    assert len(runs) == times
    for seen, hidden, pids, own, addresses in runs:
        assert seen == hidden == 999 * 998 / 2
        assert own not in pids
        assert addresses
        assert set(addresses) <= LOOPBACK
    assert left == []
    left_over = [Path(f"/proc/{pid}") for pid in runs[-1][2]]
    end = time.monotonic() + 60  # a busy machine takes its time to end what was told to
    while any(one.exists() for one in left_over) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(one.exists() for one in left_over)


def test_an_address_where_nobody_is() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = """
import json, sys
from masquerade.compute.on_ray import RayEngine
from masquerade.errors import MasqueradeError
try:
    RayEngine(sys.argv[1])
except MasqueradeError as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}", "nowhere"):
        ((name, said),) = python(program, address)
        assert name == "EngineProblem"
        assert "no Ray cluster at this address" in said


def test_a_connection_that_fails_is_named_and_leaves_no_mode_behind() -> None:
    """Ray's client stays in its mode when a cluster hangs up; and Ray raises the plain Exception, too."""
    program = """
import json, socket, sys
import ray
from ray._private import client_mode_hook
from masquerade.compute.on_ray import RayEngine
from masquerade.errors import EngineProblem
times = 0
def init(**options):
    global times
    times += 1
    client_mode_hook._set_client_hook_status(True)
    client_mode_hook._explicitly_enable_client_mode()
    raise {"hang": ConnectionAbortedError, "plain": Exception}[sys.argv[1]]("canary")
ray.init = init
with socket.create_server(("127.0.0.1", 0)) as there:
    try:
        RayEngine(f"ray://127.0.0.1:{there.getsockname()[1]}")
    except EngineProblem as error:
        print(json.dumps([str(error), times, client_mode_hook.client_mode_should_convert()]))
"""
    for how, tries in (("hang", 3), ("plain", 1)):
        ((said, times, left),) = python(program, how)
        assert "no Ray cluster at this address" in said
        assert "canary" not in said
        assert (times, left) == (tries, False)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingPackage, match=r"pip install 'masquerade\[ray\]'"):
        total(jobs.square, [1, 2, 3], engine="ray")


# -- several nodes ---------------------------------------------------------------------------------------


class Nodes:
    """A head and further nodes, each a set of processes of its own."""

    def __init__(self, others: int) -> None:
        from ray.cluster_utils import Cluster

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        quick = {
            "health_check_initial_delay_ms": 1000,
            "health_check_period_ms": 1000,  # a dead node is known after five of them,
            "health_check_timeout_ms": 20_000,  # and a busy one is given its time
        }
        self.cluster = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 1, "include_dashboard": False, "ray_client_server_port": self.port,
                "_system_config": quick,
            },
        )  # fmt: skip
        self.others = [self.add() for _ in range(others)]

    def add(self) -> Any:
        return self.cluster.add_node(num_cpus=1, include_dashboard=False)

    def kill(self, node: Any) -> None:
        """Kill it, and wait until the cluster knows."""
        import ray

        self.others.remove(node)
        self.cluster.remove_node(node, allow_graceful=False)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if not any(each["Alive"] and each["NodeID"] == node.node_id for each in ray.nodes()):
                return
            time.sleep(0.2)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        import ray

        assert not ray.is_initialized()
        on_ray._read_settings_again()
        started = Nodes(2)
        yield started
        ray.shutdown()
        started.cluster.shutdown()


@pytest.fixture
def engine(nodes: Nodes) -> Iterator[Any]:
    from masquerade.compute.on_ray import RayEngine

    with RayEngine(nodes.cluster.address) as started:
        yield started


def node_of(_: Any) -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())


def actors() -> list[dict[str, Any]]:
    import ray

    table = ray._private.state.actors().values()
    return [each for each in table if each["State"] == "ALIVE"]


@heavy
def test_parts_are_computed_on_all_nodes(engine: Any) -> None:
    assert results(engine, jobs.square, list(range(9))) == [x * x for x in range(9)]
    found = results(engine, lambda x: (time.sleep(0.5), node_of(x))[1], list(range(9)))
    assert len(set(found)) == 3
    assert jobs.CANARY not in str(results(engine, jobs.complain, list(range(5))))


@heavy
def test_actors_live_on_nodes_of_their_own(engine: Any) -> None:
    made = [engine.actor(Cell, 0), engine.actor(Cell, 10)]
    assert len({actor.ask("node") for actor in made}) == 2
    done = [event.result for event in engine.run(jobs.square, [(2,), (3,)]) if event.kind == "done"]
    assert [actor.ask("add", 1, *done) for actor in made] == [14, 24]
    with pytest.raises(ProtocolProblem, match="KeyError in fail") as caught:
        made[0].ask("fail")
    assert CANARY not in str(caught.value)
    os.kill(made[0].ask("where"), signal.SIGKILL)
    with pytest.raises(EngineProblem, match="gone"):
        made[0].ask("add")
    for actor in made:
        actor.stop()


@heavy
@pytest.mark.parametrize("reveal", ["parts", "sum"])
def test_the_sum_is_that_of_the_local_engine(engine: Any, reveal: Any) -> None:
    data = np.arange(3000.0).reshape(1000, 3)

    def f(rows: Any) -> Any:
        return {"sum": rows.sum(axis=0), "count": len(rows)}

    with LocalEngine(2) as local:
        found = [total(f, split_data(data, 7), engine=each, reveal=reveal).value for each in (engine, local)]
    assert found[0]["count"] == found[1]["count"] == 1000
    assert np.array_equal(found[0]["sum"], found[1]["sum"])


@heavy
def test_parts_that_are_in_the_cluster_already(engine: Any) -> None:
    import ray

    parts = [ray.put(np.arange(10) + i) for i in range(4)]
    assert total(lambda rows: int(rows.sum()), parts, engine=engine, reveal="sum").value == 4 * 45 + 60


@heavy
@pytest.mark.parametrize("reveal", ["parts", "sum"])
def test_a_worker_that_is_killed(engine: Any, reveal: Any, tmp_path: Path) -> None:
    def f(x: int) -> int:
        if x % 3 == 0:
            jobs.die_once(str(tmp_path / str(x)))
        return x

    assert total(f, range(7), engine=engine, reveal=reveal).value == 21
    assert len(list(tmp_path.iterdir())) == 3


@heavy
def test_failures_are_named_and_the_rest_is_kept(engine: Any) -> None:
    with pytest.raises(PartFailed, match=r"part 4 of 6: ValueError in complain, jobs\.py line") as caught:
        total(jobs.complain, range(6), engine=engine, reveal="sum")
    assert caught.value.resume(jobs.square).value == 0 + 1 + 2 + 9 + 4 + 5
    with pytest.raises(PartFailed, match=r"part 2 of 3: its process or node died 2 times") as caught:
        total(lambda x: jobs.die(x) if x == 1 else x, range(3), engine=engine, retries=1)
    assert caught.value.rest().value == 2
    seen: list[Progress] = []
    with pytest.raises(PartFailed, match=r"part 6 of 6: no result in 8 s") as caught:
        total(jobs.slow, [0.1] * 5 + [60.0], engine=engine, timeout=8.0, progress=seen.append)
    assert any("part 6 of 6" in progress.slow for progress in seen)
    caught.value.close()


@heavy
@pytest.mark.parametrize("reveal", ["parts", "sum"])
def test_a_node_that_is_killed_in_the_middle(nodes: Nodes, engine: Any, reveal: Any) -> None:
    """Results that lay on it, and parts that ran on it, are computed again."""
    killed: list[str] = []

    def f(x: int) -> Any:
        time.sleep(0.5)
        return np.full(50_000, x)

    def kill(progress: Progress) -> None:
        if progress.done >= 3 and not killed:
            holders = {each["Address"]["NodeID"] for each in actors()}
            victim = next(node for node in nodes.others if node.node_id not in holders)
            killed.append(victim.node_id)
            nodes.kill(victim)

    nodes.others += [nodes.add() for _ in range(3 - len(nodes.others))]
    found = total(f, range(12), engine=engine, reveal=reveal, progress=kill)
    assert killed
    assert np.array_equal(found.value, np.full(50_000, 66))


@heavy
def test_a_node_with_an_aggregator_that_is_killed_opens_nothing(nodes: Nodes, engine: Any) -> None:
    killed: list[str] = []

    def kill(progress: Progress) -> None:
        """Kill the node, and wait until the processes on it have noticed."""
        if progress.done >= 2 and not killed:
            holders = {each["Address"]["NodeID"] for each in actors()}
            victim = next(node for node in nodes.others if node.node_id in holders)
            pids = [each["Pid"] for each in actors() if each["Address"]["NodeID"] == victim.node_id]
            killed.append(victim.node_id)
            nodes.kill(victim)
            deadline = time.monotonic() + 60
            while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
                time.sleep(0.1)

    nodes.others += [nodes.add() for _ in range(3 - len(nodes.others))]
    with pytest.raises(EngineProblem, match="gone"):
        total(jobs.square, range(12), engine=engine, reveal="sum", progress=kill)
    assert killed


DRIVER = """
import json, sys
from masquerade.compute import total
from masquerade.compute.on_ray import RayEngine
from tests.compute import jobs
with RayEngine(sys.argv[1]) as engine:
    def wait(progress):
        if progress.done == progress.total:
            import ray
            alive = [each for each in ray._private.state.actors().values() if each["State"] == "ALIVE"]
            print(json.dumps([each["Pid"] for each in alive]), flush=True)
            sys.stdin.readline()
    parts = range(int(sys.argv[3]), int(sys.argv[3]) + 4)
    found = total(jobs.many_canaries, parts, engine=engine, reveal=sys.argv[2], progress=wait)
    print(json.dumps([float(found.value[0])]), flush=True)
    sys.stdin.readline()
"""


@heavy
@pytest.mark.parametrize("reveal", ["parts", "sum"])
def test_no_result_lies_in_a_store_or_passes_through_who_asks(nodes: Nodes, reveal: str) -> None:
    """As for local processes; and the stores of all nodes, which any process of the cluster can read."""
    memory.need()
    first = {"parts": 100, "sum": 200}[reveal]  # a store keeps traces of what it held
    parts = range(first, first + 4)
    raylets = [
        info.process.pid
        for node in (nodes.cluster.head_node, *nodes.others)
        for info in node.all_processes["raylet"]
    ]
    with memory.watched(DRIVER, nodes.cluster.address, reveal, str(first)) as driver:
        traces = {trace for part in parts for trace in jobs.traces(part)}
        aggregators = driver.answer()
        asking = memory.held(driver.pid, traces)
        stores = set().union(*(memory.held(pid, traces) for pid in raylets))
        holders = set().union(*(memory.held(pid, traces) for pid in aggregators))
        driver.go_on()
        (value,) = driver.answer()
        asking |= memory.held(driver.pid, traces)
        assert value == pytest.approx(sum(map(jobs.canary, parts)))
    if reveal == "parts":
        assert len(stores) >= 4
        assert len(asking) >= 4
    else:
        assert len(aggregators) == 2
        assert asking == set()
        assert stores == set()
        assert holders == set()


CLIENT = """
import json, sys
import numpy as np
from masquerade.compute import split_data, total
from masquerade.compute.on_ray import RayEngine
from masquerade.errors import PartFailed
from tests.compute import jobs
with RayEngine(sys.argv[1]) as engine:
    data = np.arange(1000)
    found = [total(np.sum, split_data(data, 5), engine=engine, reveal=how).value for how in ("parts", "sum")]
    try:
        total(jobs.complain, range(6), engine=engine, reveal="sum")
    except PartFailed as error:
        found += [str(error), error.resume(jobs.square).value]
    print(json.dumps(found))
"""


@heavy
def test_a_client_of_a_cluster_elsewhere(nodes: Nodes) -> None:
    (found,) = python(CLIENT, f"ray://127.0.0.1:{nodes.port}", **ENVIRONMENT)
    assert found[0] == found[1] == 499500
    assert "part 4 of 6: ValueError in complain, jobs.py line" in found[2]
    assert found[3] == 0 + 1 + 2 + 9 + 4 + 5


def test_impossible_engines() -> None:
    from masquerade.compute.on_ray import RayEngine

    with pytest.raises(BadInput, match="at least one process"):
        RayEngine(processes=0)
