"""A Redis of our own: on a free port of this machine, in a folder that goes with it."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest


class Redis:
    """A ``redis-server`` that keeps what it is given, until :meth:`stop`."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("redis-server") is None:
            pytest.skip("there is no redis-server here: apt-get install redis-server")
        self.client = pytest.importorskip("redis", reason="pip install 'masquerade[redis]'")
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self, *more: str) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += [
            "--repl-diskless-sync-delay",
            "0",
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            *more,
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        with self.raw() as redis:
            while True:
                try:
                    redis.ping()
                    return
                except self.client.ConnectionError:
                    assert self._process.poll() is None, "redis-server ended"
                    assert time.monotonic() < deadline, "redis-server does not answer"
                    time.sleep(0.05)

    def raw(self):  # type: ignore[no-untyped-def]
        """A client of its own, to see and change what lies there."""
        return self.client.Redis(port=self.port, socket_timeout=10)

    def kill(self) -> None:
        """As a power cut would."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """Asks more than once: while it writes a file anew it does not listen."""
        for _ in range(20):
            if self._process.poll() is not None:
                return
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=0.5)
        self.kill()
