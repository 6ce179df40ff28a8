"""What tests of the shell share: a home and a command of their own, and a service behind a gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from gateway_rig import Gateway, Service, gateway, service
from openai import OpenAI
from redis_rig import Redis

from masquerade.serve import cli


class Ran(NamedTuple):
    """What became of a command."""

    code: int
    out: str
    err: str


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Masquerade's own folder, in an empty working folder."""
    monkeypatch.setenv("MASQUERADE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MASQUERADE_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """The command, in this process; no message of it holds a canary."""

    def ran(*argv: str) -> Ran:
        code = cli.main(argv)
        out, err = capsys.readouterr()
        assert "canary" not in err, "a protected value in a message"
        assert "Traceback" not in err
        return Ran(code, out, err)

    return ran


@pytest.fixture(scope="module")
def upstream() -> Iterator[Service]:
    """A service that records what it gets."""
    with service() as running:
        yield running


@pytest.fixture(scope="module")
def shared(upstream: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway before that service, for all tests of a module."""
    with gateway(tmp_path_factory.mktemp("home"), upstream=upstream.url) as running:
        yield running


@pytest.fixture(scope="module")
def client(shared: Gateway) -> Iterator[OpenAI]:
    """The official client, pointed at that gateway."""
    with OpenAI(base_url=shared.base, api_key="sk-test", max_retries=0) as made:
        yield made


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis of this module's own; skipped where there is no server."""
    running = Redis(tmp_path_factory.mktemp("redis"))
    try:
        yield running
    finally:
        running.stop()
