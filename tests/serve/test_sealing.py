"""Sealing and opening as a person does it: files, folders, links, names, full disks, older versions."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.seal.rig import package

from masquerade import seal
from masquerade.keys import Identity
from masquerade.serve import cli, keyfile
from masquerade.serve.landing import FolderLanding

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASQUERADE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for name in ("owner", "receiver", "other"):
        keyfile.new_keys(Path(name))
    folder = Path("model")
    (folder / "sub" / "none").mkdir(parents=True)
    (folder / "weights.bin").write_bytes(bytes(range(256)) * 9000)
    (folder / "sub" / "notes.txt").write_text("canary")
    (folder / "empty").touch()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    secrets = [Path(name).read_text().split()[-1][5:] for name in ("owner", "receiver", "other")]

    def ran(*argv: str) -> tuple[int, str, str]:
        code = cli.main(argv)
        out, err = capsys.readouterr()
        assert not any(secret in out + err for secret in secrets)
        assert "canary" not in err
        assert "Traceback" not in err
        assert code in (0, 2) or err.count("\n") == 1
        return code, out, err

    return ran


SEAL = ("--to", "receiver.recipient", "--sign", "owner", "-q", "-o")
OPEN = ("--key", "receiver", "--from", "owner.recipient", "-q", "-o")


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def left() -> list[str]:
    """What is here that nobody asked for."""
    return [path.name for path in Path().iterdir() if path.name.startswith(".")]


def test_a_folder_comes_back(run: Run) -> None:
    assert run("seal", "model", *SEAL, "m.sealed")[0] == 0
    assert stat.S_IMODE(Path("m.sealed").stat().st_mode) in (0o644, 0o664, 0o600)
    assert run("open", "m.sealed", *OPEN, "out")[0] == 0
    assert tree(Path("out/model")) == tree(Path("model"))
    assert [path.name for path in Path("out").iterdir()] == ["model"]
    for path in [Path("out"), *Path("out").rglob("*")]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077
    assert left() == []


def test_files_and_folders_together(run: Run) -> None:
    Path("a b.txt").write_bytes(b"one")
    Path("模型.json").write_bytes(b"{}")
    assert run("seal", "a b.txt", "model/sub", "模型.json", *SEAL, "m")[0] == 0
    assert run("open", "m", *OPEN, "out")[0] == 0
    assert sorted(tree(Path("out"))) == ["a b.txt", "sub", "sub/none", "sub/notes.txt", "模型.json"]
    assert run("open", "m", *OPEN, "part", "--only", "sub/", "--only", "a b.txt")[0] == 0
    assert sorted(tree(Path("part"))) == ["a b.txt", "sub", "sub/notes.txt"]
    assert run("open", "m", *OPEN, "no", "--only", "su")[0] == 2
    assert not Path("no").exists()


def test_what_is_said(run: Run) -> None:
    code, out, _ = run(
        "seal", "model", *SEAL[:-1], "--json", "-o", "m", "--title", "A model", "--sequence", "7"
    )
    told = json.loads(out)
    assert (code, told["command"], told["files"], told["sequence"], told["title"]) == (
        0,
        "seal",
        3,
        7,
        "A model",
    )
    Path("card.md").write_text("# Card \x1b[31m")
    Path("c.json").write_text('{"a": 1.50}')
    code, _, _ = run(
        "seal",
        "model",
        *SEAL,
        "m2",
        "--card",
        "card.md",
        "--configuration",
        "c.json",
        "--series",
        "s",
        "--sequence",
        "8",
    )
    assert code == 0
    owner, receiver = told["signer"], told["recipients"][0]
    code, out, _ = run("inspect", "m2")
    assert code == 0
    assert owner in out
    assert receiver in out
    assert "is this who should have?" in out
    assert "weights" not in out
    code, out, _ = run("inspect", "m2", "--key", "receiver", "--from", owner)
    assert "model/weights.bin  2,304,000 bytes" in out
    assert "# Card \ufffd[31m" in out
    assert "is this" not in out
    told = json.loads(run("inspect", "m2", "--json", "--key", "receiver")[1])
    assert told["manifest"]["configuration"] == '{"a": 1.50}'
    assert told["manifest"]["series"] == "s"
    assert told["signer_checked"] is False
    assert run("inspect", "m2", "--from", "other.recipient")[0] == 77
    assert run("inspect", "m2", "--key", "other")[0] == 77
    code, out, _ = run("open", "m2", *OPEN[:-2], "--json", "-o", "out")
    assert json.loads(out)["bytes"] == 2304006


def test_the_ledger_goes_with_it(run: Run) -> None:
    pytest.importorskip("dp_accounting", reason="dp-accounting is not installed")
    from masquerade.dp.accountant import Gaussian
    from masquerade.dp.ledger import Budget, Ledger
    from masquerade.serve.books import FileStore, default_path

    Ledger(Budget(3.0, 1e-5), ["patients"], store=FileStore(default_path())).spend(
        Gaussian(5.0), "canary note"
    )
    assert run("seal", "model", *SEAL, "m", "--account", "patients")[0] == 0
    shown = json.loads(run("inspect", "m", "--json")[1])["budget"]
    assert [(one["unit"], one["epsilon"], one["delta"]) for one in shown] == [("record", 3.0, 1e-5)]
    assert 0 < shown[0]["spent"] < 3
    assert b"patients" not in Path("m").read_bytes()
    out = run("inspect", "m", "--key", "receiver")[1]
    assert "account    patients, record: spent epsilon" in out
    assert 'x ["Gaussian",5.0' in out
    assert run("seal", "model", *SEAL, "m2", "--account", "absent")[0] == 65
    assert run("seal", "model", *SEAL, "m2", "--account", "a", "--ledger", "absent.db")[0] == 66
    assert run("seal", "model", *SEAL, "m2", "--ledger", "absent.db")[0] == 2
    assert not Path("absent.db").exists()
    assert not Path("m2").exists()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda d: d[:-1], 65),
        (lambda d: d + b"\0", 65),
        (lambda d: d[: len(d) // 2], 65),
        (lambda d: d[:-1] + bytes([d[-1] ^ 1]), 65),
        (lambda d: d[:2_000_000] + bytes([d[2_000_000] ^ 1]) + d[2_000_001:], 65),
        (lambda d: d[:20] + bytes([d[20] ^ 1]) + d[21:], 77),
        (lambda d: d[:300] + bytes([d[300] ^ 1]) + d[301:], 65),
        (lambda d: d[:8] + b"\xff\xff\xff\xff" + d[12:], 65),
        (lambda d: b"PK" + d[2:], 65),
        (lambda d: b"", 65),
    ],
)
def test_what_was_changed_is_refused_and_leaves_nothing(
    run: Run, change: Callable[[bytes], bytes], code: int
) -> None:
    assert run("seal", "model", *SEAL, "m")[0] == 0
    Path("m").write_bytes(change(Path("m").read_bytes()))
    assert run("open", "m", *OPEN, "out")[0] == code
    assert not Path("out").exists()
    assert left() == []


def test_others_cannot_open_it(run: Run) -> None:
    assert run("seal", "model", *SEAL, "m", "--to", "other.recipient")[0] == 0
    for who, signer, code in (
        ("owner", "owner.recipient", 77),
        ("receiver", "other.recipient", 77),
        ("receiver", "nowhere", 77),
        ("receiver", "receiver", 77),
        ("nowhere", "owner.recipient", 77),
        ("receiver.recipient", "owner.recipient", 77),
        ("other", "owner.recipient", 0),
    ):
        assert run("open", "m", "--key", who, "--from", signer, "-q", "-o", "out")[0] == code, (who, signer)
    assert run("seal", "model", "--to", "owner", "--sign", "owner", "-o", "m2")[0] == 77
    assert not Path("m2").exists()


def test_an_older_version_is_refused(run: Run) -> None:
    for number in (1, 2, 3):
        assert run("seal", "model", *SEAL, f"m{number}", "--sequence", str(number))[0] == 0
    assert run("seal", "model", *SEAL, "again", "--sequence", "2")[0] == 0
    assert run("seal", "model", *SEAL, "elsewhere", "--sequence", "1", "--series", "other")[0] == 0
    assert run("open", "m2", *OPEN, "two")[0] == 0
    assert run("open", "m2", *OPEN, "two-again")[0] == 0
    code, _, err = run("open", "m1", *OPEN, "one")
    assert code == 65
    assert "the number 1, and number 2 of its series was opened" in err
    code, _, err = run("open", "again", *OPEN, "fork")
    assert code == 65
    assert "another package of this number" in err
    assert not Path("one").exists()
    assert not Path("fork").exists()
    assert run("open", "elsewhere", *OPEN, "elsewhere-out")[0] == 0
    assert run("open", "m3", *OPEN, "three")[0] == 0
    assert run("open", "m2", *OPEN, "two-third")[0] == 65
    assert run("open", "m2", *OPEN, "two-fourth", "--older")[0] == 0
    assert run("open", "m2", *OPEN, "two-fifth")[0] == 65  # what is older changes nothing
    memory = Path("home/seen.db").read_bytes()
    assert b"model" not in memory
    assert stat.S_IMODE(Path("home/seen.db").stat().st_mode) == 0o600


def test_what_does_not_open_is_not_remembered(run: Run) -> None:
    for number in (1, 2):
        assert run("seal", "model", *SEAL, f"m{number}", "--sequence", str(number))[0] == 0
    broken = bytearray(Path("m2").read_bytes())
    broken[2_000_000] ^= 1
    Path("m2").write_bytes(broken)
    assert run("open", "m2", *OPEN, "two")[0] == 65
    assert run("open", "m1", *OPEN, "one")[0] == 0


def test_nothing_is_replaced_without_force(run: Run) -> None:
    Path("m").write_bytes(b"kept")
    assert run("seal", "model", *SEAL, "m")[0] == 73
    assert Path("m").read_bytes() == b"kept"
    assert run("seal", "model", *SEAL, "m", "--force")[0] == 0
    Path("out").mkdir()
    Path("out/kept").touch()
    assert run("open", "m", *OPEN, "out")[0] == 73
    assert tree(Path("out")) == {"kept": b""}
    assert run("open", "m", *OPEN, "out", "--force")[0] == 0
    assert [path.name for path in Path("out").iterdir()] == ["model"]
    assert left() == []
    Path("file").touch()
    assert run("open", "m", *OPEN, "file", "--force")[0] == 73
    Path("link").symlink_to("model")
    assert run("open", "m", *OPEN, "link")[0] == 73
    for inside in (".", "..", "model/.."):
        assert run("open", "m", *OPEN, inside, "--force")[0] == 73
    assert run("open", "m", *OPEN, "nowhere/out")[0] == 73
    assert run("seal", "model", *SEAL, "-")[0] == 73
    assert run("seal", "model", *SEAL, "/dev/null")[0] == 73


def test_a_forced_opening_that_fails_keeps_what_stood_there(run: Run) -> None:
    assert run("seal", "model", *SEAL, "m")[0] == 0
    Path("out").mkdir()
    Path("out/kept").touch()
    data = bytearray(Path("m").read_bytes())
    data[2_000_000] ^= 1
    Path("m").write_bytes(data)
    assert run("open", "m", *OPEN, "out", "--force")[0] == 65
    assert tree(Path("out")) == {"kept": b""}
    assert left() == []


def test_links_and_devices_are_not_sealed(run: Run) -> None:
    Path("model/link").symlink_to("weights.bin")
    assert run("seal", "model", *SEAL, "m")[0] == 65
    Path("model/link").unlink()
    Path("model/link").symlink_to("sub")
    assert run("seal", "model", *SEAL, "m")[0] == 65
    Path("model/link").unlink()
    os.mkfifo("model/pipe")
    assert run("seal", "model", *SEAL, "m")[0] == 65
    Path("model/pipe").unlink()
    assert not Path("m").exists()
    Path("named").symlink_to("model")  # one that is named is meant, and goes by this name
    assert run("seal", "named", *SEAL, "m")[0] == 0
    assert run("open", "m", *OPEN, "out")[0] == 0
    assert tree(Path("out/named")) == tree(Path("model"))


@pytest.mark.parametrize("name", ["a:b", "nul", "a.", "a\nb", "back\\slash", " a", "\udcff"], ids=ascii)
def test_names_that_are_not_safe_everywhere_are_not_sealed(run: Run, name: str) -> None:
    (Path("model") / name).touch()
    code, _, err = run("seal", "model", *SEAL, "m")
    assert code == 65
    assert "cannot be sealed" in err


def test_names_that_differ_in_case_are_not_sealed(run: Run) -> None:
    Path("model/EMPTY").touch()
    assert run("seal", "model", *SEAL, "m")[0] == 65
    assert run("seal", "model/empty", "model/empty", *SEAL, "m")[0] == 65


def test_ones_own_identity_is_not_sealed(run: Run) -> None:
    os.link("owner", "model/id")
    code, _, err = run("seal", "model", *SEAL, "m")
    assert code == 65
    assert "own identity" in err
    assert run("seal", "absent", *SEAL, "m")[0] == 66
    assert not Path("m").exists()


EVIL = ["../evil", "/evil", "model/../../evil", "a\\..\\evil", "C:evil", "nul", "a\0b", "a/./evil"]


@pytest.mark.parametrize("name", EVIL, ids=ascii)
def test_a_dishonest_signer_writes_nothing_outside(
    run: Run, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A package that is signed and sealed as it should be, but for a name."""
    receiver = keyfile.load_recipient(Path("receiver.recipient"))
    with monkeypatch.context() as patch:
        patch.setattr(seal.Manifest, "check", lambda self: None)
        data = package({"good": b"1", name: b"2"}, receiver, by=keyfile.load_identity(Path("owner")))
    Path("m").write_bytes(data)
    before = tree(tmp_path)
    code, _, err = run("open", "m", *OPEN, "deep/out")
    assert code == 65
    assert "the name of file 2" in err
    assert "evil" not in err
    after = tree(tmp_path)
    assert {name: after[name] for name in after if not name.startswith("home")} == {
        name: before[name] for name in before if not name.startswith("home")
    }


def test_a_ledger_that_was_edited_is_refused(run: Run) -> None:
    ledger = (seal.Paid("patients", "person", 3.0, 1e-5, 2.9),)
    receiver = keyfile.load_recipient(Path("receiver.recipient"))
    owner = keyfile.load_identity(Path("owner"))
    data = package({"a": b"1"}, receiver, by=owner, ledger=ledger)
    Path("m").write_bytes(data.replace(b'"2.9"', b'"0.1"'))
    for argv in (("inspect", "m"), ("open", "m", *OPEN, "out")):
        code, _, err = run(*argv)
        assert code == 65
        assert "header was changed" in err
    # Nor can a signer show the world another budget than recipients find.
    changed = data[data.index(b'{"budget"') :].partition(b'""}')[0] + b'""}'
    forged = rebuilt_by(owner, data, public=changed.replace(b'"2.9"', b'"0.1"'))
    Path("m").write_bytes(forged)
    assert run("inspect", "m")[0] == 0
    code, _, err = run("open", "m", *OPEN, "out")
    assert code == 65
    assert "another size or budget" in err


def rebuilt_by(owner: Identity, data: bytes, **changes: bytes) -> bytes:
    from tests.seal.rig import signed, split, take_apart

    _, header, rest = split(data)
    return signed(b"".join((take_apart(header) | changes).values()), rest, owner)


def test_a_folder_of_a_run_that_was_killed_is_swept(run: Run) -> None:
    program = (
        "import sys, time\n"
        "from masquerade.serve.landing import FolderLanding\n"
        "landing = FolderLanding('out')\n"
        "landing.make('a/b').write(b'half')\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    assert len(left()) == 1
    with FolderLanding("out"):  # one that is alive keeps its own
        assert len(left()) == 2
    assert len(left()) == 1
    child.send_signal(signal.SIGKILL)
    child.wait(30)
    child.stdout.close()
    assert run("seal", "model", *SEAL, "m")[0] == 0
    assert run("open", "m", *OPEN, "out")[0] == 0
    assert left() == []


def test_told_to_stop_it_leaves_nothing() -> None:
    Path("big").write_bytes(bytes(64 << 20))
    argv = ["seal", "big", *SEAL, "m"]
    assert cli.main(argv) == 0
    Path("big").unlink()
    command = [sys.executable, "-m", "masquerade.serve.cli", "open", "m", *OPEN, "out"]
    child = subprocess.Popen(command, stderr=subprocess.PIPE)
    until = time.monotonic() + 30
    while not left() and child.poll() is None and time.monotonic() < until:
        time.sleep(0.001)
    child.send_signal(signal.SIGTERM)
    _, err = child.communicate(timeout=30)
    assert child.returncode in (0, 143), err
    assert Path("out").exists() == (child.returncode == 0)
    assert left() == []


def test_keys(run: Run) -> None:
    code, out, err = run("keys", "new", "new")
    assert code == 0
    identity = keyfile.load_identity(Path("new"))
    assert out.strip() == identity.public
    assert "new.recipient" in err
    assert keyfile.load_recipient(Path("new.recipient")) == seal.Recipient.of(identity)
    assert stat.S_IMODE(Path("new").stat().st_mode) == 0o600
    assert run("keys", "recipient", "new")[1] == seal.Recipient.of(identity).export()
    for name in ("new", "receiver"):
        assert run("keys", "new", name)[0] == 77
    Path("new").unlink()
    assert run("keys", "new", "new")[0] == 77  # its recipient file is still there
    assert not Path("new").exists()
    assert run("keys", "new", "nowhere/new")[0] == 77
    assert run("keys", "identity", "sums")[0] == 0  # of a secure sum: it receives as well
    Path("sums.recipient").write_text(run("keys", "recipient", "sums")[1])
    assert run("seal", "model", "--to", "sums.recipient", "--sign", "sums", "-q", "-o", "m")[0] == 0
    assert run("open", "m", "--key", "sums", "--from", "sums.recipient", "-q", "-o", "out")[0] == 0
    Path("sums").chmod(0o644)
    assert run("open", "m", "--key", "sums", "--from", "sums.recipient", "-q", "-o", "out2")[0] == 77


def test_a_package_of_many_files(run: Run) -> None:
    Path("many").mkdir()
    for i in range(300):
        Path(f"many/{i}").write_bytes(b"%d" % i * (i % 7))
    assert run("seal", "many", *SEAL, "m")[0] == 0
    assert run("open", "m", *OPEN, "out")[0] == 0
    assert tree(Path("out/many")) == tree(Path("many"))


@pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="only Linux has /dev/full, the device that is always full"
)
def test_a_package_from_a_pipe_is_refused(run: Run) -> None:
    os.mkfifo("pipe")
    descriptor = os.open("pipe", os.O_RDWR)
    try:
        assert run("inspect", "pipe")[0] == 66
        assert run("inspect", "/dev/null")[0] == 66
        assert run("inspect", "model")[0] == 66
        assert run("inspect", "absent")[0] == 66
    finally:
        os.close(descriptor)
