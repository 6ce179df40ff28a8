"""The engine for a Ray cluster: parts and actors on its nodes. Needs the extra ``masquerade[ray]``.

    with RayEngine() as engine: ...                            # a cluster of this machine alone, for this run
    with RayEngine("ray://head.example.com:10001") as engine   # a cluster of yours

Results stay in the memory of the node that made them until they are asked for; what one actor is told goes
from there to it. Ray itself computes again what a dead process or node took away.

**Trust.** Ray isolates nobody. Any process that reaches a cluster can run code on every node of it and read
every object in its stores, and its administrator is trusted with all that is there. So a part of the data
that is given to this engine, and every result, can be read by all of the cluster; what
:mod:`masquerade.compute.aggregators` hides, it hides by sealing it to one process. Use a cluster inside one
organisation, and never between organisations: there, membership is remote code execution. A cluster that is
started here listens on 127.0.0.1 only, asks for a fresh token, has no dashboard, and sends no usage
statistics.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from typing import Any

from masquerade import crypto
from masquerade.compute.engine import PATIENCE, TICK, Actor, Event, sent
from masquerade.compute.worker import asked, attempt
from masquerade.errors import BadInput, EngineProblem, MissingPackage, ProtocolProblem

_ATTEMPTS = 3
_REACH = 10.0
"""Seconds in which the head of a cluster must take a connection."""
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Makes Ray take 127.0.0.1 for its own address; it has no other switch for that."""


class RayEngine:
    """Nodes of a Ray cluster. Each of them has Masquerade of the same version installed.

    Args:
        address: None: a new cluster of this machine, which ends with :meth:`close`. ``"host:port"`` or
            ``"ray://host:port"``: yours, of which the processes started here end with :meth:`close`. Where
            this process is connected to Ray already, that connection is used and left open.
        processes: how many parts are computed at a time; None: one for each core that the cluster has.

    Raises:
        MissingPackage: Ray is not installed.
        EngineProblem: there is no cluster at ``address``, or none can be started.
    """

    def __init__(self, address: str | None = None, processes: int | None = None) -> None:
        if processes is not None and processes < 1:
            raise BadInput("an engine needs at least one process")
        self._ray = _connected(address)
        self._owned = self._ray is not None
        self._ray = self._ray or _ray()
        self._limit = processes
        self._actors: set[_RayActor] = set()
        self._compute = self._ray.remote(_compute)
        self._host = self._ray.remote(_Host)

    def run(
        self,
        function: Callable[..., Any],
        calls: Sequence[tuple[Any, ...]],
        *,
        timeout: float | None = None,
        retries: int = 2,
    ) -> Iterator[Event]:
        """See :meth:`masquerade.compute.engine.Engine.run`. Time counts from when a part was given to Ray."""
        self._check()
        compute = self._compute.options(max_retries=retries, num_returns=2, scheduling_strategy="SPREAD")
        limit = self._limit or max(int(self._ray.cluster_resources().get("CPU", 1)), 1)
        shared = sent("the function", lambda: self._ray.put(function))
        waiting = deque(range(len(calls)))
        busy: dict[Any, tuple[int, float, Any]] = {}
        try:
            while waiting or busy:
                while waiting and len(busy) < limit:
                    index = waiting.popleft()
                    try:
                        status, result = sent("the part", partial(compute.remote, shared, *calls[index]))
                    except BadInput as problem:
                        yield Event("failed", index, time.monotonic(), reason=str(problem))
                        continue
                    busy[status] = index, time.monotonic(), result
                    yield Event("started", index, time.monotonic())
                yield self._next(busy, timeout, retries)
        finally:
            for status in busy:
                self._cancel(status)

    def value(self, result: Any) -> Any:
        """See :meth:`masquerade.compute.engine.Engine.value`."""
        self._check()
        try:
            return self._ray.get(result)
        except self._ray.exceptions.RayError as error:
            raise EngineProblem(f"a result is gone with its node ({type(error).__name__})") from None

    def actor(self, make: type, *arguments: Any) -> Actor:
        """See :meth:`masquerade.compute.engine.Engine.actor`. A dead actor is not started again: its keys are
        gone."""
        self._check()
        affinity = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        for node in self._emptiest_first():
            # Not soft: a soft wish for a node is now and then not heard.
            place = affinity(node, soft=False)
            host = self._host.options(
                max_restarts=0, max_task_retries=0, num_cpus=0, scheduling_strategy=place
            )
            actor = _RayActor(self, host.remote(make, arguments), node)
            self._actors.add(actor)
            try:
                actor.ask("__class__")
            except EngineProblem:
                actor.stop()  # its node has died meanwhile
            else:
                return actor
        raise EngineProblem("no node of the cluster takes an actor")

    def close(self) -> None:
        """See :meth:`masquerade.compute.engine.Engine.close`."""
        for actor in list(self._actors):
            actor.stop()
        if self._owned:
            self._owned = False
            self._ray.shutdown()

    def __enter__(self) -> RayEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _emptiest_first(self) -> list[str]:
        """The nodes, those with the fewest actors of this engine first."""
        taken = [actor.node for actor in self._actors]
        nodes = [str(node["NodeID"]) for node in self._ray.nodes() if node["Alive"]]
        return sorted(nodes, key=taken.count)

    def _next(self, busy: dict[Any, tuple[int, float, Any]], timeout: float | None, retries: int) -> Event:
        if not busy:
            return Event("waiting", -1, time.monotonic())
        ready, _ = self._ray.wait(list(busy), num_returns=1, timeout=TICK)
        now = time.monotonic()
        if ready:
            index, _, result = busy.pop(ready[0])
            try:
                reason = self._ray.get(ready[0])
            except self._ray.exceptions.RayError as error:
                why = f"its process or node died {retries + 1} times, by {type(error).__name__}"
                return Event("failed", index, now, reason=why)
            return Event("failed", index, now, reason=reason) if reason else Event("done", index, now, result)
        for status, (index, since, _) in busy.items():
            if timeout is not None and now - since >= timeout:
                del busy[status]
                self._cancel(status)
                return Event("failed", index, now, reason=f"no result in {timeout:g} s, so it was ended")
        return Event("waiting", -1, now)

    def _cancel(self, status: Any) -> None:
        if self._ray.is_initialized():
            with contextlib.suppress(self._ray.exceptions.RayError, ValueError):
                self._ray.cancel(status, force=True)

    def _check(self) -> None:
        """Ray starts a cluster of its own accord for whoever calls it without one."""
        if not self._ray.is_initialized():
            raise EngineProblem("this engine is closed, or its cluster was left: make another")


class _RayActor:
    def __init__(self, engine: RayEngine, handle: Any, node: str) -> None:
        self._engine, self._handle, self.node = engine, handle, node

    def ask(self, method: str, *arguments: Any) -> Any:
        """See :meth:`masquerade.compute.engine.Actor.ask`."""
        self._engine._check()
        ray = self._engine._ray
        try:
            done, result = ray.get(self._handle.ask.remote(method, *arguments), timeout=PATIENCE)
        except ray.exceptions.GetTimeoutError:
            self.stop()
            raise EngineProblem(f"an actor gave no answer in {PATIENCE:g} s") from None
        except ray.exceptions.RayError:
            raise EngineProblem(
                "the process of an actor is gone, and what it held with it; or what it was to be told was "
                "lost with its node: start again"
            ) from None
        if not done:
            raise ProtocolProblem(result)
        return result

    def stop(self) -> None:
        """See :meth:`masquerade.compute.engine.Actor.stop`."""
        self._engine._actors.discard(self)
        if self._engine._ray.is_initialized():
            self._engine._ray.kill(self._handle)


class _Host:
    """What Ray runs as an actor: it holds the object, and lets no message of an error out."""

    def __init__(self, make: Any, arguments: tuple[Any, ...]) -> None:
        self._made = attempt(lambda: make(*arguments))

    def ask(self, method: str, *arguments: Any) -> tuple[bool, Any]:
        done, actor = self._made
        if not done or method == "__class__":
            return done, None if done else actor
        return attempt(lambda: asked(actor, method)(*arguments))


def _compute(function: Callable[..., Any], *arguments: Any) -> tuple[str, Any]:
    """What Ray runs for one part: the reason why it failed, or none, and its result."""
    done, result = attempt(lambda: function(*arguments))
    return ("", result) if done else (result, None)


def _ray() -> Any:
    os.environ.update({name: value for name, value in _QUIET.items() if name not in os.environ})
    try:
        import ray
        import ray.util.scheduling_strategies
    except ModuleNotFoundError:
        raise MissingPackage("the engine 'ray'", "ray") from None
    return ray


def _read_settings_again() -> None:
    """Ray reads settings once in a process, perhaps before these were set."""
    constants: Any = import_module("ray._private.ray_constants")
    constants.ENABLE_RAY_CLUSTER = os.environ.get("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER") != "0"
    _raylet: Any = import_module("ray._raylet")
    _raylet.Config.initialize("")
    _raylet.AuthenticationTokenLoader.instance().reset_cache()


def _reach(address: str) -> None:
    """Ray itself tries for minutes, and then ends the process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), _REACH):
        pass


def _init(ray: Any, options: dict[str, Any]) -> None:
    """A busy cluster does not always start a client's server in time, and hangs up: asked again, it does."""
    for left in reversed(range(_ATTEMPTS)):
        try:
            ray.init(**options, log_to_driver=False, logging_level="error", configure_logging=False)
            return
        except ConnectionAbortedError:
            if not left:
                raise


def _connected(address: str | None) -> Any:
    """Ray, newly connected; None where it was connected before."""
    address = address or os.environ.get("RAY_ADDRESS")
    fresh = address is None
    settings = dict(_QUIET)
    if fresh:
        settings |= {**_LOOPBACK, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": crypto.random_bytes(32).hex()}
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        ray = _ray()
        if ray.is_initialized():
            return None
        _read_settings_again()
        if address is not None:
            _reach(address)
        options = (
            {"include_dashboard": False, "_node_ip_address": "127.0.0.1"} if fresh else {"address": address}
        )
        try:
            _init(ray, options)
        except BaseException:
            ray.shutdown()  # else what it had begun, a client's mode say, would stand in the way of the next
            raise
    except MissingPackage:
        raise
    except Exception as error:  # Ray raises the plain one, too
        where = "on this machine" if fresh else "at this address"
        raise EngineProblem(f"no Ray cluster {where} ({type(error).__name__}): is it running?") from None
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    return ray
