"""What tests of all folders share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


class _Nobody:
    def find(self, plain: Any, mentions: bool = True, least: Any = None) -> list[Any]:
        return []


@pytest.fixture(scope="module")
def rules_alone() -> Iterator[None]:
    """The rules by themselves, for tests that are about them."""
    from masquerade.mask import names

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(names, "shipped", _Nobody)
        yield
