"""What a run writes is whole under its names, or not there; nothing that it wrote lies about."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

import pytest
from test_files import BROKEN, KEY, MASKER, mask

from masquerade.errors import BadInput, Blocked, OutputProblem
from masquerade.mask.policy import Policy
from masquerade.mask.span import Fate
from masquerade.mask.text import Masker
from masquerade.serve import landing as landing_module
from masquerade.serve.files import Options, mask_file, restore_file
from masquerade.serve.landing import Landing
from masquerade.serve.source import Source, Unreadable
from masquerade.serve.vault import Vault


def no_links(*_: Any, **__: Any) -> NoReturn:
    raise PermissionError


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(Unreadable, match="cannot read it"), Source.open(str(path)):
            pass


def test_an_existing_file_stays_without_force(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputProblem, match="exists"):
        Landing(str(tmp_path / "out"))
    with pytest.raises(OutputProblem, match="is the input"):
        Landing(str(tmp_path / "out"), source=str(tmp_path / "out"), force=True)
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with pytest.raises(OutputProblem, match="is the input"):
        Landing(str(tmp_path / "link"), source=str(tmp_path / "out"), force=True)
    with pytest.raises(OutputProblem, match="is a folder"):
        Landing(str(tmp_path), force=True)
    with pytest.raises(OutputProblem, match="exists"):
        Landing(str(tmp_path / "new"), vault=tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("links", [True, False])
def test_what_another_program_made_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(landing_module.os, "link", no_links)
    out, vault = tmp_path / "out", tmp_path / "v"
    with (
        pytest.raises(OutputProblem, match=r"meanwhile|exists"),
        Landing(str(out), vault=vault) as landing,
        landing.vault(KEY, "default") as book,
    ):
        mask_file(Source(io.BytesIO(b"ada@example.com"), "a"), landing, MASKER, Options(), book)
        out.write_text("mine")
        landing.land()
    assert out.read_text() == "mine"
    assert [*tmp_path.iterdir()] == [out]


def test_no_file_is_two_things_at_once(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for vault, rejected in ((out, None), (tmp_path / "." / "v", tmp_path / "x" / ".." / "v"), (None, out)):
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(OutputProblem, match="three names"):
            Landing(str(out), vault=vault, rejected=rejected, force=True)


def test_a_failing_run_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    (tmp_path / "out.vault").write_text("mine too")
    with pytest.raises(BadInput):
        mask(tmp_path, BROKEN)
    with pytest.raises(Blocked):
        mask(tmp_path, b"ada@example.com", masker=Masker(KEY, Policy(fates={"EMAIL": Fate.BLOCK})))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.vault"]
    assert (tmp_path / "out").read_text() == "mine"


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = landing_module.os.fsync

    def full(descriptor: int) -> None:
        real(descriptor)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(landing_module.os, "fsync", full)
    with pytest.raises(OutputProblem, match=r"cannot write .*: No space left on device") as caught:
        mask(tmp_path, b"ada@example.com")
    assert caught.value.made
    assert not [*tmp_path.iterdir()]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputProblem, match=r"cannot make .*: No such file") as caught:
        mask(tmp_path / "none", b"ada@example.com")
    assert not caught.value.made


# Runs that are killed, and runs at once -------------------------------------------------------------------

_HANGS = """
import sys
from pathlib import Path
from masquerade.keys import Key
from masquerade.serve import landing
from masquerade.serve.landing import Landing
if sys.argv[2] == "named":
    landing._ANONYMOUS = 0
with Landing(sys.argv[1], vault=Path(sys.argv[1] + ".vault"), private=True) as writing:
    writing.vault(Key.generate(), "default")
    writing.write(b"ada@example.com" * 10000)
    print("ready", flush=True)
    sys.stdin.read()
"""


def killed(out: Path, how: str) -> None:
    """A run for ``out`` that is killed while it writes."""
    command = [sys.executable, "-c", _HANGS, str(out), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGKILL)


@pytest.mark.skipif(not landing_module._ANONYMOUS, reason="only Linux makes files without a name (O_TMPFILE)")
def test_a_killed_run_leaves_no_text(tmp_path: Path) -> None:
    killed(tmp_path / "out", "anonymous")
    assert all(path.name.startswith(".out.vault.") for path in tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows locks no open file in this way")
def test_what_a_killed_run_left_goes_with_the_next(tmp_path: Path) -> None:
    killed(tmp_path / "out", "named")
    assert len([*tmp_path.iterdir()]) == 2
    other = tmp_path / ".out2.12345678.part"
    other.write_text("another output's")
    with Landing(str(tmp_path / "out"), vault=tmp_path / "out.vault"):
        assert [*tmp_path.iterdir()] == [other]


def test_a_part_that_is_being_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing_module, "_ANONYMOUS", 0)
    with Landing(str(tmp_path / "out"), vault=tmp_path / "v") as one:
        book = one.vault(KEY, "default")
        one.write(b"one")
        with Landing(str(tmp_path / "out"), vault=tmp_path / "v") as two:
            two.write(b"two")
        book.finish()
        one.land()
    assert (tmp_path / "out").read_bytes() == b"one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "v"]


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("named", [True, False])
def test_modes_and_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool, named: bool) -> None:
    if not links:
        monkeypatch.setattr(landing_module.os, "link", no_links)
    if named:
        monkeypatch.setattr(landing_module, "_ANONYMOUS", 0)
    umask = os.umask(0o022)
    try:
        for private, mode in ((True, 0o600), (False, 0o644)):
            out, rejected = tmp_path / f"out{mode:o}", tmp_path / f"rejected{mode:o}"
            for force, text in ((False, b"one" * 100_000), (True, b"two")):
                with Landing(str(out), rejected=rejected, private=private, force=force) as landing:
                    landing.write(text)
                    landing.reject(text)
                    landing.land()
                assert out.read_bytes() == text
                assert rejected.read_bytes() == text + b"\n"
                assert out.stat().st_mode & 0o777 == mode
                assert rejected.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(umask)
    assert len([*tmp_path.iterdir()]) == 4


def test_nothing_is_lost_where_the_output_cannot_be_placed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask(tmp_path, b"ada@example.com")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    replace = Path.replace

    def fails(self: Path, target: Path) -> Path:
        if target.name == "out":
            raise OSError(errno.EIO, "Input/output error")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OutputProblem, match="Input/output error"):
        mask(tmp_path, b"bob@example.com")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_file_that_could_not_be_replaced_has_one_name_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, rejected, replace = tmp_path / "out", tmp_path / "rejected", Path.replace
    out.write_text("old")
    rejected.write_text("old, and private")

    def refuse(path: Path, target: Path) -> Path:
        if target == rejected and path.suffix == ".part":
            raise OSError(errno.EIO, "no")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OutputProblem), Landing(str(out), rejected=rejected, force=True) as landing:
        landing.write(b"new")
        landing.reject(b"bad")
        landing.land()
    assert sorted(tmp_path.iterdir()) == [out, rejected]
    assert (out.read_text(), rejected.read_text()) == ("old", "old, and private")


def test_two_runs_at_once_never_pair_one_vault_with_the_other_output(tmp_path: Path) -> None:
    out, vault = tmp_path / "out", tmp_path / "out.vault"
    meet = threading.Barrier(2, timeout=20)
    faults: list[BaseException] = []

    def run(tenant: str) -> None:
        masker = Masker(KEY, tenant=tenant)
        try:
            for _ in range(20):
                with (
                    Landing(str(out), vault=vault, force=True) as landing,
                    landing.vault(KEY, tenant) as book,
                ):
                    text = f"{tenant} {tenant}@example.com"
                    mask_file(Source(io.BytesIO(text.encode()), "in"), landing, masker, Options(), book)
                    meet.wait()
                    landing.land()
                meet.wait()
                if tenant == "one":
                    with (
                        Vault.open(vault, KEY) as sealed,
                        Landing(str(tmp_path / "back"), force=True) as back,
                    ):
                        restore_file(Source(io.BytesIO(out.read_bytes()), "out"), back, sealed, Options())
                        back.land()
                    told = (tmp_path / "back").read_text()
                    assert told in ("one one@example.com", "two two@example.com")
                meet.wait()
        except BaseException as fault:
            faults.append(fault)
            meet.abort()

    threads = [threading.Thread(target=run, args=(tenant,)) for tenant in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not [fault for fault in faults if not isinstance(fault, threading.BrokenBarrierError)]
    assert not faults
