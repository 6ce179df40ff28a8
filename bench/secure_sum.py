"""CPU seconds of a secure sum, for the aggregator and for one client, beside Flower's SecAgg+ as shipped.

Every actor runs in this process, one after the other, and is charged the time of its own calls. What the
network would cost is left out for both; Flower's figures hold no gRPC, ours no HTTPS.
"""

from __future__ import annotations

import copy
import gc
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

import common
from masquerade import crypto
from masquerade.compute.field import FixedPoint
from masquerade.compute.messages import Kind
from masquerade.compute.protocol import Aggregator, Client, Round


@dataclass
class Cost:
    """What one round cost."""

    server: float = 0.0
    """CPU seconds of the aggregator."""
    clients: dict[int, float] = field(default_factory=dict)
    """CPU seconds of each client that stayed."""
    upload: int = 0
    """Bytes of the largest message of one client."""
    memory: float = float("nan")
    """How much the process's largest resident size rose during the round, in MB; all clients are in it."""
    error: float = float("nan")
    """Largest difference between the mean that came out and the true one."""

    @property
    def client(self) -> float:
        return median(self.clients.values())

    def row(self) -> dict[str, float]:
        return {
            "server_s": self.server, "client_s": self.client, "upload_mb": self.upload / 1e6,
            "memory_mb": self.memory, "error": self.error,
        }  # fmt: skip


class Clock:
    """Charges CPU time to actors."""

    def __init__(self) -> None:
        self.spent: dict[Any, float] = {}

    def run(self, actor: Any, call: Callable[..., Any], *args: Any) -> Any:
        start = time.process_time()
        try:
            return call(*args)
        finally:
            self.spent[actor] = self.spent.get(actor, 0.0) + time.process_time() - start


@contextmanager
def high_water(cost: Cost) -> Iterator[None]:
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    cost.memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / 1e6


# -- Masquerade ------------------------------------------------------------------------------------------


def masquerade(clients: int, length: int, dropped: int, semi_honest: bool = False) -> tuple[Cost, int]:
    """One round in which ``dropped`` clients share their keys and fall silent; and the graph's degree."""
    signers = [crypto.Signer(crypto.sha256(i.to_bytes(4, "little"))) for i in range(clients)]
    round = Round(
        crypto.random_bytes(32), tuple(s.public for s in signers), bytes(32), length, corrupt=0.1,
        semi_honest=semi_honest,
    )  # fmt: skip
    generator = np.random.default_rng(1)
    # Beyond a hundred they repeat: their sum is no secret here.
    values = [generator.uniform(-1, 1, length).astype(np.float32) for _ in range(min(clients, 100))]
    fixed = FixedPoint(32, 21 if clients <= 100 else 14, 8.0)

    def join(i: int) -> Client:
        return Client(round, i, signers[i], fixed.encode(values[i % len(values)], clients=clients).words)

    cost, clock = Cost(), Clock()
    with high_water(cost):
        aggregator = clock.run("server", Aggregator, round)
        actors = [clock.run(i, join, i) for i in range(clients)]

        def arrive(i: int, message: bytes) -> None:
            cost.upload = max(cost.upload, len(message))
            if aggregator.stage < Kind.UPLOAD or i >= dropped:
                clock.run("server", aggregator.receive, message)

        for i, actor in enumerate(actors):
            arrive(i, clock.run(i, actor.start))
        while aggregator.stage != Kind.OPENING:
            given = clock.run("server", aggregator.close)
            while given:
                i, message = given.popitem()
                arrive(i, clock.run(i, actors[i].receive, message))
        out = clock.run("server", aggregator.finish)
        mean = clock.run("server", fixed.decode, out.words) / len(out.survivors)
    assert out.survivors == tuple(range(dropped, clients))
    true = sum(values[i % len(values)].astype(np.float64) for i in out.survivors) / len(out.survivors)
    cost.error = float(np.abs(mean - true).max())
    cost.server = clock.spent.pop("server")
    cost.clients = {i: clock.spent[i] for i in out.survivors}
    return cost, round.plan.degree


def floor(expansions: int, length: int) -> float:
    """CPU seconds of so many keystreams of ``length`` uint32, and nothing else."""
    room = memoryview(bytearray(crypto.STREAM_PIECE))
    start = time.process_time()
    for _ in range(expansions):
        stream = crypto.Keystream(bytes(16))
        for at in range(0, 4 * length, crypto.STREAM_PIECE):
            stream.into(room[: 4 * length - at])
    return time.process_time() - start


def alone(call: Callable[..., Any], *args: Any) -> Any:
    """The result of ``call`` in a process of its own, whose memory nobody else has grown."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(call, *args).result()


# -- Flower ----------------------------------------------------------------------------------------------


def flower(clients: int, length: int, dropped: int, neighbours: int | None = None) -> Cost:
    """The same with Flower's workflow and its client's mod, joined by a grid that only calls functions.

    Raises:
        ImportError: it is not installed.
    """
    import logging

    from flwr.app import ConfigRecord, Context, Message, RecordDict
    from flwr.client.mod import secaggplus_mod
    from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays
    from flwr.compat.common import recorddict_compat as compat
    from flwr.server import ServerConfig, SimpleClientManager
    from flwr.server.client_proxy import ClientProxy
    from flwr.server.compat.legacy_context import LegacyContext
    from flwr.server.strategy import FedAvg
    from flwr.server.workflow import SecAggPlusWorkflow
    from flwr.server.workflow.constant import MAIN_CONFIGS_RECORD, MAIN_PARAMS_RECORD, Key
    from flwr.supercore.task_identity import TaskIdentity

    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 0, 1
    logging.getLogger("flwr").setLevel(logging.CRITICAL)
    generator = np.random.default_rng(1)
    values = [generator.uniform(-1, 1, length).astype(np.float32) for _ in range(clients)]
    cost, clock = Cost(), Clock()

    class Proxy(ClientProxy):
        def __init__(self, node_id: int) -> None:
            super().__init__(str(node_id))
            self.node_id = node_id

        get_properties = get_parameters = fit = evaluate = reconnect = None  # type: ignore[assignment]

    Proxy.__abstractmethods__ = frozenset()
    contexts = [
        Context(run_id=1, node_id=i + 1, node_config={}, state=RecordDict(), run_config={})
        for i in range(clients)
    ]

    def train(message: Message, context: Context) -> Message:
        fitted = FitRes(
            Status(Code.OK, ""),
            ndarrays_to_parameters([values[context.node_id - 1]]),
            num_examples=1,
            metrics={},
        )
        return Message(compat.fitres_to_recorddict(fitted, False), reply_to=message)

    class Grid:
        stage, inside = 0, 0.0

        def send_and_receive(self, sent: Any, *, timeout: float | None = None) -> list[Message]:
            start = time.process_time()
            replies = []
            for message in map(copy.deepcopy, sent):  # as a network would: clients take theirs apart
                i = message.metadata.dst_node_id - 1
                if self.stage < 2 or i >= dropped:
                    reply = clock.run(i, secaggplus_mod, message, contexts[i], train)
                    if self.stage == 2:
                        cost.upload = max(cost.upload, _flower_size(reply))
                    replies.append(reply)
            self.stage += 1
            self.inside += time.process_time() - start
            return replies

    manager = SimpleClientManager()
    for i in range(clients):
        manager.register(Proxy(i + 1))
    strategy = FedAvg(fraction_fit=1.0, min_fit_clients=clients, min_available_clients=clients)
    base = Context(run_id=1, node_id=0, node_config={}, state=RecordDict(), run_config={})
    context = LegacyContext(base, ServerConfig(num_rounds=1), strategy, manager)
    context.state.config_records[MAIN_CONFIGS_RECORD] = ConfigRecord({Key.CURRENT_ROUND: 1})
    start_values = ndarrays_to_parameters([np.zeros(length, np.float32)])
    context.state.array_records[MAIN_PARAMS_RECORD] = compat.parameters_to_arrayrecord(start_values, False)
    held = clients if neighbours is None else neighbours + 1
    workflow, grid = SecAggPlusWorkflow(held, held // 2 + 1), Grid()
    with high_water(cost):
        start = time.process_time()
        workflow(grid, context)
        cost.server = time.process_time() - start - grid.inside
    if grid.stage != 4:
        raise RuntimeError("Flower's workflow halted")
    cost.clients = {i: s for i, s in clock.spent.items() if i >= dropped}
    mean = parameters_to_ndarrays(
        compat.arrayrecord_to_parameters(context.state.array_records[MAIN_PARAMS_RECORD], True)
    )[0]
    cost.error = float(np.abs(mean - np.mean(values[dropped:], axis=0)).max())
    return cost


def _flower_size(reply: Any) -> int:
    """Bytes of the masked vector in a reply."""
    values = [value for record in reply.content.config_records.values() for value in record.values()]
    return sum(len(v) for value in values if isinstance(value, list) for v in value if isinstance(v, bytes))


# -- the run ---------------------------------------------------------------------------------------------


def main() -> None:
    parser = common.options(__doc__ or "")
    parser.add_argument(
        "--no-flower", action="store_true", help="leave the peer out (its full row takes minutes)"
    )
    told = parser.parse_args()
    shapes = (
        [(10, 1_000_000, 1)] if told.quick else [(10, 1_000_000, 1), (50, 1_000_000, 5), (100, 1_000_000, 10)]
    )
    result: dict[str, Any] = {"machine": common.machine(), "flower": common.version("flwr"), "rows": []}
    rows = []
    for clients, length, dropped in shapes:
        ours, _ = alone(masquerade, clients, length, dropped)
        result["rows"].append({"tool": "masquerade", "clients": clients, "length": length} | ours.row())
        rows.append(_row("Masquerade", clients, length, dropped, ours))
        masks = dropped * (clients - dropped) + clients - dropped
        bare = floor(masks, length), floor(clients, length)
        rows.append(
            (f"  {masks} and {clients} keystreams alone", "", "", "", *map(common.number, bare), "", "", "")
        )
        result["rows"].append(
            {"tool": "floor", "clients": clients, "length": length, "server_s": bare[0], "client_s": bare[1]}
        )
        if told.no_flower:
            continue
        try:
            theirs = alone(flower, clients, length, dropped)
        except ImportError:
            rows.append(("Flower SecAgg+: not installed", clients, f"{length:,}", dropped, *"-----"))
            continue
        result["rows"].append({"tool": "flower", "clients": clients, "length": length} | theirs.row())
        rows.append(_row(f"Flower {common.version('flwr')} SecAgg+", clients, length, dropped, theirs))
        times = theirs.server / ours.server, theirs.client / ours.client
        rows.append(("  times Masquerade", "", "", "", *map(common.number, times), "", "", ""))
    sparse = (1_000, 1_000, 100) if told.quick else (10_000, 1_000, 1_000)
    for semi_honest in (True, False):
        many, degree = alone(masquerade, *sparse, semi_honest)
        told_of = {"tool": "masquerade", "clients": sparse[0], "length": sparse[1], "neighbours": degree}
        result["rows"].append(told_of | {"semi_honest": semi_honest} | many.row())
        rows.append(_row(f"Masquerade, {degree} neighbours", *sparse, many))
    if told.json:
        common.dump(result)
        return
    common.table(
        "A secure sum: CPU seconds of one round",
        ("", "clients", "numbers", "dropped", "server", "client", "upload MB", "memory MB", "error"),
        rows,
        "client: median over those that stayed. memory: rise of the process, all clients in it. error: "
        "largest, of the mean; both clip to 8 and send 32 bits a number, or what each makes of that.",
    )


def _row(name: str, clients: int, length: int, dropped: int, cost: Cost) -> tuple[Any, ...]:
    return (
        name, f"{clients:,}", f"{length:,}", dropped, common.number(cost.server), common.number(cost.client),
        common.number(cost.upload / 1e6), common.number(cost.memory), common.number(cost.error),
    )  # fmt: skip


if __name__ == "__main__":
    main()
