"""``masquerade keys new``, ``seal``, ``open`` and ``inspect`` on real files."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from masquerade.seal.manifest import Member
from masquerade.serve import sealing

CANARY = "canary 4242"


@pytest.fixture
def people(run: Any, home: Path) -> None:
    for name in ("alice", "bob"):
        made = run("keys", "new", f"{name}.id")
        assert made.code == 0 and len(made.out.strip()) == 16
    Path("model/sub").mkdir(parents=True)
    Path("model/a.txt").write_text(CANARY)
    Path("model/sub/b.bin").write_bytes(os.urandom(3 << 20))
    Path("model/empty").touch()
    Path("about.json").write_text('{"card": "a model", "epsilon": 3.0}')


def seal(run: Any, *more: str, out: str = "p.seal") -> Any:
    return run("seal", "model", "--to", "bob.id.pub", "--sign", "alice.id", "-o", out, "-q", *more)


def open_(
    run: Any, package: str, folder: str, *more: str, key: str = "bob.id", signer: str = "alice.id.pub"
) -> Any:
    return run("open", package, "--key", key, "--from", signer, "-o", folder, "-q", *more)


def tree(folder: str) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()
    }


def test_a_folder_goes_there_and_comes_out(run: Any, people: None) -> None:
    assert Path("alice.id").stat().st_mode & 0o777 == 0o600
    done = seal(run, "--about", "about.json", "--number", "7", "--json")
    told = json.loads(done.out)
    assert done.code == 0 and (told["name"], told["number"]) == ("model", 7)
    assert CANARY.encode() not in Path("p.seal").read_bytes()
    shown = run("inspect", "p.seal", "--from", "alice.id.pub", "--json")
    about = json.loads(shown.out)
    assert about["about"] == {"card": "a model", "epsilon": 3.0} and about["recipients"] == told["to"]
    assert about["signer_checked"] and CANARY not in shown.out
    plain = run("inspect", "p.seal")
    assert plain.code == 0 and "whose that is, --from checks" in plain.out and '"epsilon": 3.0' in plain.out
    assert open_(run, "p.seal", "out").code == 0
    assert tree("out/model") == tree("model")
    assert Path("out").stat().st_mode & 0o077 == 0
    assert not [name for name in os.listdir(".") if name.startswith(".")]  # noqa: PTH208


def test_what_is_refused_leaves_nothing(run: Any, people: None) -> None:
    assert seal(run, "--number", "7").code == 0
    whole = Path("p.seal").read_bytes()
    changed = bytearray(whole)
    changed[-200] ^= 1
    for name, data in (
        ("cut", whole[:-1]),
        ("changed", bytes(changed)),
        ("more", whole + b"x"),
        ("none", b"PK\3\4" * 30),
    ):
        Path(name).write_bytes(data)
        refused = open_(run, name, "out")
        assert refused.code == 65 and CANARY not in refused.err
    assert open_(run, "p.seal", "out", key="alice.id").code == 77
    assert open_(run, "p.seal", "out", signer="bob.id.pub").code == 77
    assert run("inspect", "p.seal", "--from", "bob.id.pub").code == 77
    assert open_(run, "p.seal", "out", signer="about.json").code == 77
    assert not Path("out").exists()
    assert not [name for name in os.listdir(".") if name.startswith(".")]  # noqa: PTH208
    assert open_(run, "p.seal", "out").code == 0
    again = open_(run, "p.seal", "out")
    assert again.code == 73 and "is there already" in again.err
    assert tree("out/model") == tree("model")


def test_an_older_package_is_refused(run: Any, home: Path, people: None) -> None:
    for number in ("7", "6", "8"):
        assert seal(run, "--number", number, out=f"{number}.seal").code == 0
    assert open_(run, "7.seal", "seven").code == 0
    old = open_(run, "6.seal", "six")
    assert (
        old.code == 65
        and "number 7 of the same name was opened before" in old.err
        and not Path("six").exists()
    )
    assert open_(run, "8.seal", "eight").code == 0
    assert open_(run, "7.seal", "again").code == 65
    assert open_(run, "6.seal", "six", "--older").code == 0
    assert open_(run, "8.seal", "latest").code == 0
    memory = json.loads((home / "opened.json").read_text())
    assert [names["model"] for names in memory.values()] == [8]


def test_single_files_and_pipes(run: Any, people: None) -> None:
    for_both = ["--to", "bob.id.pub", "--to", "alice.id.pub"]
    done = run("seal", "about.json", "model/a.txt", *for_both, "--sign", "alice.id", "-o", "p.seal")
    assert done.code == 0
    assert open_(run, "p.seal", "out", key="alice.id").code == 0
    assert sorted(tree("out")) == ["a.txt", "about.json"]
    assert seal(run).code == 73, "it does not write over what is there"
    assert seal(run, "--force").code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows makes links for administrators only")
def test_links_and_things_that_are_no_files_are_not_sealed(run: Any, people: None) -> None:
    Path("model/link").symlink_to("/etc/hostname")
    refused = seal(run)
    assert refused.code == 65 and "no file and no folder" in refused.err and not Path("p.seal").exists()
    Path("model/link").unlink()
    os.mkfifo("model/pipe")
    assert seal(run).code == 65
    assert run("seal", "absent", "--to", "bob.id.pub", "--sign", "alice.id", "-o", "p.seal").code == 66


def test_two_that_would_be_one_elsewhere_are_not_sealed(run: Any, people: None) -> None:
    Path("model/A.txt").write_text("x")
    if len(list(Path("model").iterdir())) == 3:
        pytest.skip("this disk takes both names for one")
    refused = seal(run)
    assert refused.code == 65 and "on some systems they are the same" in refused.err


def test_members_are_named_by_what_was_named(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_text("123")
    assert sealing.found([str(tmp_path / "a")]) == [(Member("a/b/c", 3), tmp_path / "a" / "b" / "c")]
    assert sealing.found([str(tmp_path / "a" / "b" / ".")])[0][0] == Member("b/c", 3)


def test_keys_that_cannot_be_used(run: Any, people: None) -> None:
    again = run("keys", "new", "alice.id")
    assert again.code == 77 and "there already" in again.err
    for key in ("absent.id", "about.json", "alice.id.pub"):
        refused = run("seal", "model", "--to", "bob.id.pub", "--sign", key, "-o", "p.seal")
        assert refused.code == 77, key
    secret = Path("alice.id").read_text()
    leaked = run("seal", "model", "--to", "alice.id", "--sign", "alice.id", "-o", "p.seal")
    assert leaked.code == 77 and secret.split()[-1] not in leaked.err
    assert (
        run(
            "seal", "model", "--to", "bob.id.pub", "--sign", "alice.id", "--about", "model/a.txt", "-o", "p"
        ).code
        == 65
    )
