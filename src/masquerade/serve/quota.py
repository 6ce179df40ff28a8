"""How much one tenant may ask: requests and bytes a minute, requests at a time, and the size of a body.

Requests and bytes are counted by token buckets, two numbers a tenant: a bucket holds a minute's worth and is
filled evenly, so who was quiet may ask a minute's worth at once. A request is let in while its tenant has
something left, and its bytes are taken off then: a body larger than what is left makes the tenant wait
longer afterwards, and is not refused for ever.

Limits hold for all workers of one gateway together: each is given its part, because none knows of the others,
and a limit that could be passed would be none. A client that stays on one connection, and so with one worker,
has that worker's part only.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from masquerade.errors import BadInput
from masquerade.serve.refusal import Refusal

_MOST_TENANTS = 4096
_MINUTE = 60.0
_SOON = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one tenant may ask; None: as much as it likes.

    Raises:
        BadInput: a limit is no whole number above 0.
    """

    requests_per_minute: int | None = None
    bytes_per_minute: int | None = None
    """Of bodies that it sends."""
    max_body: int | None = None
    """Of one request, in bytes."""
    max_concurrent: int | None = None
    """Requests at a time."""

    def __post_init__(self) -> None:
        for name in LIMITS:
            limit = getattr(self, name)
            if limit is not None and (type(limit) is not int or limit <= 0):
                raise BadInput(f"{name} is a whole number above 0")

    @classmethod
    def of(cls, told: Any) -> Limits:
        """Those among the attributes of ``told``."""
        return cls(**{name: getattr(told, name, None) for name in LIMITS})

    def over(self, defaults: Limits) -> Limits:
        """These, and where they say nothing the ``defaults``; a body may not be larger than both say."""
        told = {
            name: own if (own := getattr(self, name)) is not None else getattr(defaults, name)
            for name in LIMITS
        }
        bodies = [size for size in (self.max_body, defaults.max_body) if size is not None]
        return Limits(**told | {"max_body": min(bodies, default=None)})


LIMITS = tuple(field.name for field in fields(Limits))
"""The names of the limits, as in the file of client keys."""


class Quotas:
    """What the tenants of one process have used. Belongs to one event loop; bounded.

    ``clock`` tells seconds that only grow, ``workers`` how many processes share the limits, ``refused`` is
    told why somebody was.
    """

    def __init__(
        self,
        defaults: Limits,
        workers: int,
        clock: Callable[[], float],
        refused: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._defaults, self._workers, self._clock, self._refused = defaults, workers, clock, refused
        self._used: OrderedDict[str, _Used] = OrderedDict()
        self._of: Mapping[str, Limits] = {}

    def use(self, limits: Mapping[str, Limits]) -> None:
        """From now on these tenants have limits of their own; what was used stays used."""
        self._of = {tenant: own.over(self._defaults) for tenant, own in limits.items()}

    def enter(self, tenant: str, announced: int = 0, *, file: bool = False) -> Ticket:
        """Let in a request, whose body is said to have so many bytes, and is a ``file`` or not: files have a
        limit of their own.

        Raises:
            Refusal: not now (429), or no such body (413).
        """
        limits = self._of.get(tenant, self._defaults)
        if file:
            limits = replace(limits, max_body=None)
        if limits.max_body is not None and announced > limits.max_body:
            raise too_large(limits.max_body)
        if limits == Limits(max_body=limits.max_body):
            return Ticket(None, limits.max_body, 0)
        used = self._found(tenant)
        self._admit(used, limits)
        used.running += 1
        used.requests.take(1)
        used.bytes.take(announced)
        return Ticket(used, limits.max_body, announced)

    def _admit(self, used: _Used, limits: Limits) -> None:
        now, part = self._clock(), 1 / self._workers
        most = limits.max_concurrent
        if most is not None and used.running >= max(1, math.floor(most * part)):
            raise self._refusal("concurrent", _SOON)
        for reason, bucket, limit in (
            ("requests", used.requests, limits.requests_per_minute),
            ("bytes", used.bytes, limits.bytes_per_minute),
        ):
            if limit is not None and (wait := bucket.wait(now, limit * part)) > 0:
                raise self._refusal(reason, wait)

    def _found(self, tenant: str) -> _Used:
        used = self._used.get(tenant)
        if used is None:
            if len(self._used) >= _MOST_TENANTS:
                self._forget()
            used = self._used[tenant] = _Used(self._clock())
        else:
            self._used.move_to_end(tenant)
        return used

    def _forget(self) -> None:
        """Make room: who was quiet for longest, and asks nothing now."""
        quiet = next((name for name, used in self._used.items() if not used.running), None)
        if quiet is None:
            raise self._refusal("concurrent", _SOON)
        del self._used[quiet]

    def _refusal(self, reason: str, wait: float) -> Refusal:
        self._refused(reason)
        told = {
            "requests": "requests a minute",
            "bytes": "bytes a minute",
            "concurrent": "requests at a time",
        }
        after = str(math.ceil(wait)).encode()
        return Refusal(
            429,
            "rate_limited",
            f"these are more {told[reason]} than this gateway gives you: try again later",
            headers=[(b"retry-after", after)],
        )


class Ticket:
    """One request that was let in; :meth:`close` must be called, early or late."""

    __slots__ = ("_announced", "_used", "max_body")

    def __init__(self, used: _Used | None, max_body: int | None, announced: int) -> None:
        self._used, self.max_body, self._announced = used, max_body, announced

    def close(self, sent: int) -> None:
        """It is over, and its body had ``sent`` bytes."""
        if self._used is not None:
            self._used.running -= 1
            self._used.bytes.take(sent - self._announced)
            self._used = None


class _Used:
    __slots__ = ("bytes", "requests", "running")

    def __init__(self, now: float) -> None:
        self.running = 0
        self.requests, self.bytes = _Bucket(now), _Bucket(now)


class _Bucket:
    """What was taken and has not been filled in again."""

    __slots__ = ("_at", "_lacks")

    def __init__(self, now: float) -> None:
        self._at, self._lacks = now, 0.0

    def take(self, amount: float) -> None:
        self._lacks += amount

    def wait(self, now: float, minutely: float) -> float:
        """Seconds until there is something in it, which is filled with so much a minute; 0: there is."""
        self._lacks = max(0.0, self._lacks - (now - self._at) * minutely / _MINUTE)
        self._at = now
        over = self._lacks - max(1.0, minutely) + 1
        return over * _MINUTE / minutely if over > 1e-9 else 0.0


def too_large(limit: int) -> Refusal:
    """The refusal of a body."""
    return Refusal(
        413, "request_too_large", f"the body is larger than {limit} bytes, which is the limit here"
    )
