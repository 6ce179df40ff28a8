"""Masked files of arrays: there and back byte for byte, all or nothing, every fault told without a value."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade.errors import MasqueradeError
from masquerade.keys import Key
from masquerade.mask.array import MAGIC, RandomMask
from masquerade.serve import arrays, cli, keyfile
from masquerade.serve.landing import Landing
from masquerade.serve.source import Source

pytestmark = pytest.mark.usefixtures("home")

ARRAYS: dict[str, Any] = {
    "floats": np.arange(30.0).reshape(5, 6),
    "fortran": np.asfortranarray(np.arange(30.0).reshape(5, 6)),
    "big end": np.arange(4, dtype=">i4"),
    "empty": np.zeros((0, 3)),
    "one": np.array(7),
    "dates": np.array(["2020-01-01", "NaT"], "M8[D]"),
    "fields": np.zeros(3, [("名", "u1"), ("b", "<f8", (2,)), ("c", [("d", "S3")])]),
    "text": np.array(["canary", "名"]),
    "bools": np.array([True, False]),
    "large": np.arange(400_000),
}


@pytest.mark.filterwarnings("ignore:Stored array in format 3.0")
@pytest.mark.parametrize("name", ARRAYS)
def test_npy_there_and_back(run: Any, name: str) -> None:
    np.save("a.npy", ARRAYS[name])
    data = Path("a.npy").read_bytes()
    assert run("mask", "--array", "a.npy", "-o", "m").code == 0
    masked = Path("m").read_bytes()
    assert ARRAYS[name].tobytes() not in masked or len(ARRAYS[name].tobytes()) < 4
    assert run("restore", "m", "-o", "back.npy").code == 0
    assert Path("back.npy").read_bytes() == data
    assert Path("back.npy").stat().st_mode & 0o777 == 0o600
    found = RandomMask(keyfile.load()).unmask(masked)
    assert found.dtype == ARRAYS[name].dtype and found.tobytes("A") == ARRAYS[name].tobytes("A")


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_versions_and_hand_written_heads(run: Any, version: tuple[int, int]) -> None:
    head = repr({"shape": (2,), "descr": "<u2", "fortran_order": False}).encode() + b" " * 5 + b"\n"
    size = len(head).to_bytes(2 if version[0] == 1 else 4, "little")
    data = b"\x93NUMPY" + bytes(version) + size + head + b"\1\2\3\4"
    Path("a.npy").write_bytes(data)
    assert run("mask", "--array", "a.npy", "-o", "m").code == 0
    assert run("restore", "--array", "m", "-o", "b").code == 0
    assert Path("b").read_bytes() == data


@pytest.mark.filterwarnings("ignore:Stored array in format 3.0")
def test_npz_there_and_back(run: Any) -> None:
    for save in (np.savez, np.savez_compressed):
        save("a.npz", **{name.replace(" ", "_"): value for name, value in ARRAYS.items()})
        with zipfile.ZipFile("a.npz", "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("notes.txt", "canary" * 1000)
            archive.writestr("empty.txt", "")
            archive.writestr("folder/", "")
        assert run("mask", "--array", "a.npz", "-o", "m", "--force").code == 0
        assert b"canary" not in Path("m").read_bytes() and b"notes" not in Path("m").read_bytes()
        assert run("restore", "m", "-o", "b.npz", "--force").code == 0
        before, after = zipfile.ZipFile("a.npz"), zipfile.ZipFile("b.npz")
        assert before.namelist() == after.namelist()
        for name in before.namelist():
            assert before.read(name) == after.read(name)
            assert before.getinfo(name).compress_type == after.getinfo(name).compress_type
        with np.load("b.npz", allow_pickle=False) as back:
            assert all(
                np.array_equal(back[name.replace(" ", "_")], ARRAYS[name]) for name in ("floats", "text")
            )


@pytest.mark.parametrize("data", [b"", b"canary", bytes(range(256)) * 20_000])
def test_raw_there_and_back(run: Any, data: bytes) -> None:
    Path("a.bin").write_bytes(data)
    told = run("mask", "--array", "a.bin", "-o", "m")
    assert told.code == 0 and keyfile.load().id in told.err
    assert run("restore", "m", "-o", "b").code == 0
    assert Path("b").read_bytes() == data
    assert RandomMask(keyfile.load()).unmask(Path("m").read_bytes()) == data


def test_pipes() -> None:
    data = bytes(range(256)) * 9000
    command = [sys.executable, "-m", "masquerade.serve.cli"]
    masked = subprocess.run([*command, "mask", "--array", "-q"], input=data, capture_output=True, timeout=60)
    assert masked.returncode == 0 and masked.stdout.startswith(MAGIC) and not masked.stderr
    for argv in (["restore", "--array", "-q"], ["restore", "--array", "-q", "-"]):
        back = subprocess.run([*command, *argv], input=masked.stdout, capture_output=True, timeout=60)
        assert back.stdout == data and not back.stderr
    cut = subprocess.run(
        [*command, "restore", "--array"], input=masked.stdout[:-1], capture_output=True, timeout=60
    )
    assert cut.returncode == 65 and b"did not authenticate" in cut.stderr


def test_what_the_library_masked_is_restored(run: Any) -> None:
    key = keyfile.load_or_create()
    for name, value in ARRAYS.items():
        Path("m").write_bytes(RandomMask(key).mask(value).tobytes())
        assert run("restore", "m", "-o", "b.npy", "--force").code == 0, name
        back = np.load("b.npy", allow_pickle=False)
        assert back.dtype == value.dtype and back.tobytes("A") == value.tobytes("A")
    Path("m").write_bytes(RandomMask(key, "acme").mask(b"canary").tobytes())
    assert run("restore", "m", "-o", "b").code == 65
    assert run("restore", "m", "-o", "b", "--tenant", "acme").code == 0
    assert Path("b").read_bytes() == b"canary"
    Path("m").write_bytes(RandomMask(key).mask(np.array(["canary"], np.dtypes.StringDType())).tobytes())
    refused = run("restore", "m", "-o", "c")
    assert refused.code == 65 and "strings of any length" in refused.err and not Path("c").exists()
    torch = pytest.importorskip("torch", reason="PyTorch is not installed to make tensors with")
    Path("m").write_bytes(RandomMask(key).mask(torch.zeros(3)).tobytes())
    assert "tensor" in run("restore", "m", "-o", "c").err


def test_refusals(run: Any) -> None:
    np.save("o.npy", np.array(["canary", None]), allow_pickle=True)
    np.savez("o.npz", a=np.arange(3), b=np.array(["canary", None]))
    np.save("a.npy", np.arange(1000))
    whole = Path("a.npy").read_bytes()
    Path("cut.npy").write_bytes(whole[:-1])
    Path("long.npy").write_bytes(whole + b"x")
    Path("head.npy").write_bytes(whole[:40])
    Path("text.npy").write_bytes(b"canary canary canary")
    Path("code.npy").write_bytes(b"\x93NUMPY\1\0\x20\0" + b"__import__('os').system('true') \n")
    Path("minus.npy").write_bytes(whole.replace(b"(1000,)", b"(-1000,)").replace(b"  \n", b" \n"))
    Path("text.npz").write_bytes(b"canary")
    np.savez_compressed("bad.npz", a=np.arange(1000))
    bad = bytearray(Path("bad.npz").read_bytes())
    bad[200] ^= 255
    Path("bad.npz").write_bytes(bad)
    np.savez("twice.npz", a=np.arange(3))
    with zipfile.ZipFile("twice.npz", "a") as archive, pytest.warns(UserWarning):
        archive.writestr("a.npy", "x")
    for name, said in {
        "o.npy": "Python objects",
        "o.npz": "member 2 of the .npz: an array of Python objects",
        "cut.npy": "should have 8,000 bytes, and 7,999",
        "long.npy": "should have 8,000 bytes, and 8,001",
        "head.npy": "no .npy",
        "text.npy": "no .npy",
        "code.npy": "head of this .npy",
        "minus.npy": "head of this .npy",
        "text.npz": "no .npz",
        "bad.npz": "member 1 of the .npz is damaged",
        "twice.npz": "two members of one name",
    }.items():
        done = run("mask", "--array", name, "-o", "m")
        assert (done.code, said in done.err) == (65, True), done.err
        assert name in done.err and not Path("m").exists()
    assert run("mask", "--array", "none.npy", "-o", "m").code == 66
    assert sorted(path.name for path in Path().iterdir() if path.name.startswith(".")) == []


@pytest.mark.parametrize(
    "more",
    [
        *(["--vault", "v"], ["--no-vault"], ["--policy", "p"], ["--column", "a"], ["--field", "a"]),
        *(["--format", "csv"], ["--encoding", "utf-8"], ["--on-error", "skip"], ["--rejected", "r"]),
    ],
)
def test_options_for_texts_are_refused(run: Any, more: list[str]) -> None:
    Path("a.bin").write_bytes(b"canary")
    done = run("mask", "--array", "a.bin", "-o", "m", *more)
    assert done.code == 2 and more[0] in done.err
    assert not Path("m").exists()


def test_wrong_keys_and_changes(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.bin").write_bytes(b"canary" * 400_000)
    run("mask", "--array", "a.bin", "-o", "m")
    masked = Path("m").read_bytes()
    for bad in (
        masked[:-1],
        masked[:-20] + b"x" + masked[-19:],
        masked + b"x",
        masked[:30],
        masked[: 1 << 20],
    ):
        Path("bad").write_bytes(bad)
        done = run("restore", "--array", "bad", "-o", "b")
        assert done.code == 65 and not Path("b").exists()
    assert run("restore", "m", "-o", "b", "--tenant", "other").code == 65
    old = keyfile.load()
    run("keys", "rotate")
    assert run("restore", "m", "-o", "b").code == 0
    monkeypatch.setenv("MASQUERADE_KEY", Key.generate().export())
    done = run("restore", "m", "-o", "c")
    assert done.code == 77 and old.id in done.err and not Path("c").exists()
    assert run("restore", "--array", "a.bin", "-o", "c").code == 65


def test_nothing_is_replaced_without_a_word(run: Any) -> None:
    Path("a.bin").write_bytes(b"canary")
    assert run("mask", "--array", "a.bin", "-o", "a.bin").code == 73
    run("mask", "--array", "a.bin", "-o", "m")
    assert run("mask", "--array", "a.bin", "-o", "m").code == 73
    assert run("restore", "m", "-o", "a.bin").code == 73
    assert run("restore", "m", "-o", "a.bin", "--force").code == 0
    told = run("mask", "--array", "a.bin", "-o", "n", "--json").out
    assert '"bytes": 6' in told and '"key"' in told


def test_a_vault_beside_it_counts_for_more(run: Any) -> None:
    Path("m").write_bytes(MAGIC + b"a text that begins so")
    Path("m.vault").write_bytes(b"")
    assert "vault" in run("restore", "m", "-o", "b").err
    assert cli._ARRAY == MAGIC


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["a.npy", "a.npz", "a.bin"]))
def test_any_bytes_are_masked_or_refused(data: bytes, name: str) -> None:
    """No file makes anything but a masked file or an error of the family."""
    npy = io.BytesIO()
    np.save(npy, np.arange(3))
    for tried in (data, npy.getvalue()[: len(data)] + data):
        mask = RandomMask(Key.generate())
        with Landing("fuzz", force=True) as landing:
            try:
                arrays.mask_file(Source(io.BytesIO(tried), name), landing, mask)
            except MasqueradeError:
                continue
            landing.land()
        with Landing("fuzz.back", force=True) as landing:
            arrays.restore_file(Source(io.BytesIO(Path("fuzz").read_bytes()), "fuzz"), landing, mask)
            landing.land()
        if name != "a.npz":
            assert Path("fuzz.back").read_bytes() == tried


def test_memory_does_not_grow_with_the_file() -> None:
    """32 MiB and 128 MiB take the same, to 20 MB."""
    program = (
        "import sys, resource\nfrom masquerade.serve import cli\n"
        "assert cli.main(sys.argv[1:]) == 0\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for size in (32 << 20, 128 << 20):
        with Path("a.npy").open("wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "|u1", "fortran_order": False, "shape": (size,)}
            )
            file.truncate(file.tell() + size)
        for argv in (["mask", "--array", "a.npy", "-o", "m"], ["restore", "m", "-o", "b.npy"]):
            done = subprocess.run(
                [sys.executable, "-c", program, *argv, "--force", "-q"],
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert done.returncode == 0, done.stderr
            peaks.append(int(done.stdout))
    assert max(peaks[2:]) - min(peaks[:2]) < 20_000  # KiB


def test_every_byte_of_an_archive_may_be_damaged() -> None:
    room = io.BytesIO()
    np.savez_compressed(room, a=np.arange(30), b=np.ones((3, 4)))
    whole = room.getvalue()
    mask = RandomMask(Key.generate())
    for at in range(len(whole)):
        for value in (0, 255):
            Path("a.npz").write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
            with (
                Source.open("a.npz") as source,
                Landing(Path("m"), force=True) as landing,
                contextlib.suppress(MasqueradeError),
            ):
                arrays.mask_file(source, landing, mask)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_unpacks_without_a_bound_is_refused(run: Any, compression: int) -> None:
    with zipfile.ZipFile("a.npz", "w", compression) as archive:
        archive.writestr("a", bytes(30_000_000))
    done = run("mask", "--array", "a.npz", "-o", "m")
    assert done.code == 65 and "write it anew" in done.err
    assert not Path("m").exists()


def test_a_bomb_is_masked_in_constant_memory() -> None:
    with zipfile.ZipFile("a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(60_000_000))
    mask = RandomMask(Key.generate())
    with Source.open("a.npz") as source, Landing(Path("m"), force=False) as landing:
        tracemalloc.start()
        try:
            arrays.mask_file(source, landing, mask)
            assert tracemalloc.get_traced_memory()[1] < 16 << 20
        finally:
            tracemalloc.stop()
