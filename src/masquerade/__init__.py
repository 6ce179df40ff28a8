"""Masquerade: a privacy layer for large-model services.

    masker = Masker(Key.generate())
    masked = masker.mask("mail ada@example.org")     # masked.text holds a token where the address stood
    masked.restore(reply)                            # the reply with the address back in its place

What these names do may be relied on; everything else is for the package itself.
"""

from masquerade.errors import (
    BadInput,
    Blocked,
    KeyProblem,
    MasqueradeError,
    PolicyProblem,
    Tampered,
    UpstreamProblem,
)
from masquerade.keys import Key, TenantKey
from masquerade.mask.policy import Pattern, Policy, Words
from masquerade.mask.restore import Restorer
from masquerade.mask.span import KINDS, Fate, Finder, Span
from masquerade.mask.text import Masked, Masker

__version__ = "0.1.0"

__all__ = [
    "KINDS",  # every built-in kind, with its Chinese name
    "BadInput",  # a file or request that cannot be read
    "Blocked",  # the policy forbids sending this text
    "Fate",  # what becomes of a kind: keep, token, plausible, redact, block
    "Finder",  # any callable text -> spans
    "Key",  # the root key; tenants' keys come from it
    "KeyProblem",  # a key is missing, malformed, badly kept, or the wrong one
    "Masked",  # masked text, and the way back
    "Masker",  # masks texts for one tenant under one policy
    "MasqueradeError",  # the root of every error
    "Pattern",  # a policy's own expression
    "Policy",  # fates, thresholds, lists and patterns
    "PolicyProblem",  # a policy says something impossible
    "Restorer",  # restores one reply that comes in chunks
    "Span",  # where something was found, its kind and score
    "Tampered",  # sealed bytes were changed, or this is the wrong key
    "TenantKey",  # one tenant's key
    "UpstreamProblem",  # the model service did not answer as it should
    "Words",  # a deny or allow list
]
