"""The key file: made once, kept closed, rotated without losing what was masked before."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from masquerade.errors import KeyProblem
from masquerade.keys import Key
from masquerade.serve import keyfile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "key"


def load(path: Path) -> Key:
    return keyfile.load(path, {})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_made_once_and_closed(path: Path) -> None:
    before = os.umask(0)
    try:
        made = keyfile.load_or_create(path, {})
    finally:
        os.umask(before)
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert keyfile.load_or_create(path, {}) == made == load(path)


def test_processes_that_start_together_get_one_key(path: Path) -> None:
    script = "import sys; from pathlib import Path; from masquerade.serve import keyfile\n"
    script += "sys.stdin.read(); print(keyfile.load_or_create(Path(sys.argv[1]), {}).export())"
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for run in runs:
        assert run.stdin
        run.stdin.close()
    keys = {run.stdout.read() for run in runs if run.stdout}
    assert [run.wait(30) for run in runs] == [0] * 4
    assert len(keys) == 1


def test_the_environment_wins(path: Path) -> None:
    keyfile.load_or_create(path, {})
    key = Key.generate().rotate()
    assert keyfile.load(path, {"MASQUERADE_KEY": " ".join(key.export().split())}) == key
    assert keyfile.load_or_create(path.with_name("none"), {"MASQUERADE_KEY": key.export()}) == key
    assert not path.with_name("none").exists()
    with pytest.raises(KeyProblem, match="comes from MASQUERADE_KEY"):
        keyfile.rotate(path, {"MASQUERADE_KEY": key.export()})


@pytest.mark.parametrize("bad", ["", "   ", "nonsense", "mqk1-aaaa"])
def test_a_bad_key_in_the_environment_is_refused_not_skipped(path: Path, bad: str) -> None:
    keyfile.load_or_create(path, {})
    with pytest.raises(KeyProblem, match=r"^MASQUERADE_KEY: "):
        keyfile.load(path, {"MASQUERADE_KEY": bad})


def test_home() -> None:
    assert keyfile.default_path({"MASQUERADE_HOME": "/srv/mask"}) == Path("/srv/mask/key")
    if sys.platform == "linux":
        assert keyfile.default_path({"XDG_CONFIG_HOME": "/x"}) == Path("/x/masquerade/key")
        assert keyfile.default_path({}) == Path.home() / ".config/masquerade/key"


def test_a_missing_key_says_what_to_do(path: Path) -> None:
    with pytest.raises(KeyProblem, match=r"no key at .*masquerade keys create"):
        load(path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no POSIX file modes to refuse by")
@pytest.mark.parametrize("bits", [0o644, 0o640, 0o604, 0o620])
def test_a_shared_file_is_refused_with_the_command_to_run(path: Path, bits: int) -> None:
    keyfile.load_or_create(path, {})
    path.chmod(bits)
    with pytest.raises(KeyProblem, match=f"chmod 600 '{path}'"):
        load(path)
    with pytest.raises(KeyProblem, match="chmod 600"):
        keyfile.rotate(path, {})
    assert [*path.parent.iterdir()] == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no POSIX file modes to refuse by")
def test_a_folder_that_others_write_to_is_refused(path: Path) -> None:
    keyfile.load_or_create(path, {})
    path.parent.chmod(0o777)
    with pytest.raises(KeyProblem, match="chmod go-w"):
        load(path)


def test_a_typing_error_is_found_and_not_shown(path: Path) -> None:
    word = keyfile.load_or_create(path, {}).export().strip()
    letters = list(word)
    letters[10] = "a" if letters[10] != "a" else "b"
    path.write_text("# mine\n" + "".join(letters) + "\n")
    with pytest.raises(KeyProblem, match=r"key: the key on line 2 has a typing error") as caught:
        load(path)
    assert "".join(letters)[5:] not in str(caught.value)


def test_every_wrong_symbol_of_a_key_is_found() -> None:
    word = Key(bytes(range(32))).export().strip()
    for at in range(len(word) - 58, len(word)):
        for other in "a2bz7":
            if other != word[at]:
                with pytest.raises(KeyProblem):
                    Key.parse(word[:at] + other + word[at + 1 :])


@pytest.mark.parametrize(("letter", "twin"), [("s", "\u017f"), ("i", "\u0131")])
def test_a_letter_beyond_ascii_with_the_same_capital_is_no_letter_of_a_key(letter: str, twin: str) -> None:
    word = next(w for n in range(100) if letter in (w := Key(bytes([n]) * 32).export().strip())[5:])
    with pytest.raises(KeyProblem, match="line 1 is not a Masquerade key"):
        Key.parse(word[:5] + word[5:].replace(letter, twin))


def test_an_empty_file_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyfile, "_WAIT_SECONDS", 0.05)
    keyfile.load_or_create(path, {})
    path.write_text("")
    with pytest.raises(KeyProblem, match="is empty"):
        keyfile.load_or_create(path, {})


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyProblem, match="set MASQUERADE_HOME"):
        keyfile.load_or_create(tmp_path / "file" / "key", {})


def test_rotation_keeps_the_old_keys(path: Path) -> None:
    first = keyfile.load_or_create(path, {})
    second = keyfile.rotate(path, {})
    third = keyfile.rotate(path, {})
    assert load(path) == third
    assert [key.id for key in third.retired] == [second.id, first.id]
    assert mode(path) == 0o600
    assert [*path.parent.iterdir()] == [path]
    kept = keyfile.history(path, {})
    assert [key.id for key in kept] == [third.id, second.id, first.id]
    assert all(key.created and key.created.endswith("Z") for key in kept)


def test_two_rotations_at_once_lose_nothing(path: Path) -> None:
    key = keyfile.load_or_create(path, {})
    path.with_name("key.new").write_text("")
    with pytest.raises(KeyProblem, match="another rotation"):
        keyfile.rotate(path, {})
    assert load(path) == key


def test_history_of_an_older_file_and_of_the_environment(path: Path) -> None:
    keyfile.load_or_create(path, {})
    key = Key.generate().rotate()
    path.write_text(key.export())
    assert keyfile.history(path, {}) == [(key.id, None), (key.retired[0].id, None)]
    assert keyfile.history(path, {"MASQUERADE_KEY": key.export()}) == keyfile.history(path, {})
