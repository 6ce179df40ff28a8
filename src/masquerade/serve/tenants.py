"""What masks for each tenant, under the policy in force."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from masquerade.keys import Key
from masquerade.mask.detections import Detections
from masquerade.mask.policy import Policy
from masquerade.mask.span import Fate
from masquerade.mask.text import Masker
from masquerade.serve.finders import finders
from masquerade.serve.settings import Settings, read
from masquerade.wire.exchange import alias_under

_MOST_TENANTS = 1024
_FOUND_BYTES = 32 << 20


class Tenant(NamedTuple):
    """What masks for one tenant."""

    masker: Masker
    alias: Callable[[str], str]
    files: Masker
    """The same for files, which hold more stand-ins than can be searched for at once: plausible values are
    tokens there."""


class Tenants:
    """The tenants under one policy. What a tenant needs is made when it first asks, and kept for the latest.

    Raises:
        BadInput, PolicyProblem: the policy that the settings name is missing or impossible.
        MissingPackage: what reads the policy's models is not installed.
    """

    def __init__(self, settings: Settings, key: Key) -> None:
        self._key = key
        self.policy = _policy(settings)
        self.finders = finders(self.policy, str(settings.policy))
        self._tokens = _tokens_only(self.policy)
        self._found = Detections(_FOUND_BYTES)
        self._made: OrderedDict[str, Tenant] = OrderedDict()
        self.of("default").masker.mask("")  # compiles rules, loads models, so that no request waits for that

    def of(self, name: str) -> Tenant:
        """The tenant of this name."""
        found = self._made.get(name)
        if found is None:
            masker = Masker(self._key, self.policy, name, self.finders, cache=self._found)
            files = masker
            if self._tokens is not self.policy:
                files = Masker(self._key, self._tokens, name, self.finders)
            found = self._made[name] = Tenant(masker, alias_under(self._key.tenant(name)), files)
            if len(self._made) > _MOST_TENANTS:
                self._made.popitem(last=False)
        else:
            self._made.move_to_end(name)
        return found


def _tokens_only(policy: Policy) -> Policy:
    plausible = [kind for kind, fate in policy.fates.items() if fate is Fate.PLAUSIBLE]
    return (
        replace(policy, fates={**policy.fates, **dict.fromkeys(plausible, Fate.TOKEN)})
        if plausible
        else policy
    )


def _policy(settings: Settings) -> Policy:
    if settings.policy is None:
        return Policy()
    return Policy.parse(read(settings.policy), source=str(settings.policy), finders=False)
