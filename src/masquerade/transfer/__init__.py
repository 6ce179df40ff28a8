"""The model goes to the data: private training, and three recipes by which a model is handed over.

    light, zero_shot, one_stage    each has an ``owner`` and a ``receiver``; ``offsite.py`` is for text

They load PyTorch (the extra ``transfer``) when they are first asked for.
"""

from __future__ import annotations

from typing import Any

__all__ = ["light", "one_stage", "zero_shot"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(name)
    from masquerade.transfer import recipes

    return getattr(recipes, name)
