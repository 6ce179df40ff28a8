"""The command as a person runs it: real processes, real files, real signals, a real full disk."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from masquerade import __version__
from masquerade.serve import cli, keyfile
from masquerade.serve.clients import Clients

TEXT = "mail ada.canary@example.com\ncard 4111111111111111\n"


@pytest.fixture(autouse=True)
def a_text(home: Path) -> None:
    Path("a.txt").write_text(TEXT)


def spawn(*argv: str, **more: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "masquerade.serve.cli", *argv]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, **{**pipes, **more})  # type: ignore[call-overload, no-any-return]


def names() -> list[str]:
    return sorted(path.name for path in Path().iterdir() if path.name != "home")


def test_there_and_back(run) -> None:  # type: ignore[no-untyped-def]
    done = run("mask", "a.txt", "-o", "b.txt")
    assert done.code == 0 and not done.out
    assert "masked 1 EMAIL" in done.err
    assert "redacted 1 CREDIT_CARD: these do not come back" in done.err
    assert "canary" not in Path("b.txt").read_text()
    assert names() == ["a.txt", "b.txt", "b.txt.vault"]
    done = run("restore", "b.txt", "-o", "c.txt")
    assert done.code == 0 and "restored 1 places" in done.err
    assert Path("c.txt").read_text() == TEXT.replace("4111111111111111", "[CREDIT_CARD_REDACTED]")
    assert Path("c.txt").stat().st_mode & 0o777 == 0o600


def test_the_summary_as_json(run) -> None:  # type: ignore[no-untyped-def]
    told = json.loads(run("mask", "a.txt", "-o", "b.txt", "--json").out)
    assert told["command"] == "mask" and told["bytes"] == len(TEXT)
    assert told["counts"] == {"EMAIL": {"token": 1}, "CREDIT_CARD": {"redact": 1}}
    assert told["redacted"] == {"CREDIT_CARD": 1}
    assert told["vault"].endswith("b.txt.vault") and told["key"] == keyfile.load().id
    told = json.loads(run("restore", "b.txt", "-o", "c.txt", "--json").out)
    assert (told["restored"], told["unresolved"]) == (1, 0)


def test_pipes() -> None:
    masking = spawn("mask", "--vault", "v", "--json")
    masked, told = masking.communicate(TEXT.encode(), timeout=30)
    assert masking.returncode == 0 and b"canary" not in masked
    assert json.loads(told)["vault"] == "v"
    restoring = spawn("restore", "--vault", "v", "-q")
    restored, err = restoring.communicate(masked, timeout=30)
    assert restored.decode() == TEXT.replace("4111111111111111", "[CREDIT_CARD_REDACTED]")
    assert not err


@pytest.mark.parametrize(
    ("argv", "closed", "code"),
    [
        ("mask --no-vault -q", 0, 0),
        ("find a.txt", 1, 74),
        ("mask a.txt --no-vault", 1, 74),
        ("mask a.txt --no-vault -q", 2, 0),
        ("mask none --no-vault", 2, 66),
    ],
)
def test_closed_streams(argv: str, closed: int, code: int) -> None:
    shell = f"exec {shutil.which('env')} {sys.executable} -m masquerade.serve.cli {argv} {closed}>&-"
    done = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, timeout=30)
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr and b"canary" not in done.stderr


def test_a_policy_with_a_byte_order_mark(run) -> None:  # type: ignore[no-untyped-def]
    Path("p.toml").write_bytes(b"\xef\xbb\xbfversion = 1\r\n")
    assert run("check", "p.toml").code == 0


def test_a_pipe_with_a_name() -> None:
    masking = spawn("mask", "a.txt", "--no-vault", "-q", "-o", "/dev/stdout")
    masked, err = masking.communicate(timeout=30)
    assert not err and masking.returncode == 0 and b"[EMAIL_" in masked


def test_the_input_of_a_redirection_is_not_replaced() -> None:
    with Path("a.txt").open("rb") as read:
        masking = spawn("mask", "-o", "a.txt", "--force", stdin=read)
        _, err = masking.communicate(timeout=30)
    assert masking.returncode == 73 and b"is the input" in err
    assert Path("a.txt").read_text() == TEXT


def test_a_pipe_needs_a_word_about_the_vault(run) -> None:  # type: ignore[no-untyped-def]
    assert "--no-vault" in run("mask", "a.txt").err
    assert run("mask", "a.txt").code == 2
    assert run("mask", "a.txt", "--vault", "v", "--no-vault").code == 2
    done = run("mask", "a.txt", "--no-vault")
    assert done.code == 0 and "[EMAIL_" in done.out
    assert "--vault" in run("restore").err
    assert run("mask", "a.txt", "--vault", "v", "--on-error", "skip").code == 2


def test_the_format_is_remembered(run) -> None:  # type: ignore[no-untyped-def]
    data = 'a;b\r\n"x; ""y"" ada.canary@example.com";13812345678\r\n'
    Path("a.data").write_bytes(data.encode("gb18030"))
    assert (
        run("mask", "a.data", "-o", "b", "--format", "csv", "--delimiter", ";", "--encoding", "gb18030").code
        == 0
    )
    assert run("restore", "b", "-o", "c").code == 0
    assert Path("c").read_bytes() == data.encode("gb18030")


def test_a_file_is_restored_in_the_format_it_was_masked_in(run) -> None:  # type: ignore[no-untyped-def]
    Path("a.csv").write_text('"one ada.canary@example.com\n')
    assert run("mask", "a.csv", "--format", "text", "-o", "b.csv").code == 0
    assert run("restore", "b.csv", "-o", "c").code == 0
    assert Path("c").read_text() == Path("a.csv").read_text()


def test_tenants_and_policies(run) -> None:  # type: ignore[no-untyped-def]
    Path("p.toml").write_text('version = 1\n[fates]\nEMAIL = "redact"\nCREDIT_CARD = "keep"\n')
    assert run("mask", "a.txt", "-o", "b", "--policy", "p.toml").code == 0
    assert Path("b").read_text() == "mail [EMAIL_REDACTED]\ncard 4111111111111111\n"
    one, two = (run("mask", "a.txt", "--no-vault", "--tenant", name).out for name in ("x", "y"))
    assert one != two
    assert run("mask", "a.txt", "-o", "t", "--tenant", "x").code == 0
    assert run("restore", "t").out.startswith("mail ada.canary@example.com")
    Path("p.toml").write_text('version = 1\n[fates]\nEMAIL = "block"\n')
    done = run("mask", "a.txt", "-o", "blocked", "--policy", "p.toml")
    assert done.code == 1 and "EMAIL (1)" in done.err
    assert not Path("blocked").exists()


def test_rotation_still_restores(run) -> None:  # type: ignore[no-untyped-def]
    run("mask", "a.txt", "-o", "b")
    assert run("keys", "rotate").code == 0
    assert run("restore", "b").out.startswith("mail ada.canary@example.com")


# Errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        ("mask none -o b", 66, "none: cannot read it: No such file"),
        ("mask . -o b", 66, "cannot read it: Is a directory"),
        ("mask a.txt -o a.txt --force", 73, "nothing is changed in place"),
        ("mask a.txt -o b.txt --vault b.txt", 73, "three names"),
        ("mask a.txt -o none/b", 73, "cannot make none/b"),
        ("mask a.txt -o exists", 73, "exists: give another name, or --force"),
        ("mask a.txt -o b --encoding utf-16", 65, "iconv"),
        ("mask a.txt -o b --policy none", 66, "none: cannot read the policy"),
        (
            "mask a.txt -o b --policy bad.toml",
            78,
            "bad.toml, line 2: unknown key 'fate' (did you mean 'fates'?)",
        ),
        ("mask a.txt -o b --column x", 65, "columns are for CSV"),
        ("mask broken -o b", 65, "broken, line 2: byte 8 of the file is no utf-8"),
        ("mask cut.jsonl -o b", 65, "cut.jsonl, line 2: this is not JSON"),
        ("mask a.csv -o b --column z", 65, "a.csv, line 1: no column 'z' among 2"),
        ("restore a.txt", 65, "a.txt.vault: cannot read the vault: No such file"),
        ("restore a.txt --vault a.csv", 65, "this is no vault"),
        ("find none", 66, "none: cannot read it"),
        ("check none", 66, "none: cannot read the policy"),
        ("check bad.toml", 78, "bad.toml, line 2"),
        ("check broken", 78, "no utf-8"),
        ("keys export", 2, "--reveal-secret"),
        ("keys client x --tenant a/b", 2, "a tenant is"),
    ],
)
def test_errors_are_one_line_with_a_code(run, argv: str, code: int, says: str) -> None:  # type: ignore[no-untyped-def]
    Path("exists").write_text("mine")
    Path("bad.toml").write_text("version = 1\n[fate]\n")
    Path("broken").write_bytes(b"one\nada.\xff canary@example.com\n")
    Path("cut.jsonl").write_text('{}\n{"a": "ada.canary@exam')
    Path("a.csv").write_text("x,y\n1,2\n")
    keyfile.load_or_create()
    before = names()
    done = run(*argv.split())
    assert done.code == code
    assert says in done.err
    assert done.err.startswith("masquerade: ") and done.err.count("\n") == 1
    assert names() == before and Path("exists").read_text() == "mine"


@pytest.mark.parametrize(
    "argv", ["", "nothing", "mask --no-such", "mask a b", "check", "keys nothing", "serve --port x"]
)
def test_a_wrong_command_line_is_2(run, argv: str) -> None:  # type: ignore[no-untyped-def]
    assert run(*argv.split()).code == 2


def test_key_errors_are_77(run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    run("mask", "a.txt", "-o", "b")
    (home / "key").chmod(0o644)
    done = run("mask", "a.txt", "-o", "c")
    assert done.code == 77 and "chmod 600" in done.err
    (home / "key").unlink()
    done = run("restore", "b")
    assert done.code == 77 and "no key at" in done.err
    monkeypatch.setenv("MASQUERADE_KEY", "nonsense")
    assert run("mask", "a.txt", "-o", "c").code == 77
    monkeypatch.delenv("MASQUERADE_KEY")
    run("keys", "create")
    done = run("restore", "b")
    assert done.code == 77 and "needs the key" in done.err


def test_a_changed_vault_is_65(run) -> None:  # type: ignore[no-untyped-def]
    run("mask", "a.txt", "-o", "b")
    vault = bytearray(Path("b.vault").read_bytes())
    vault[len(vault) // 2] ^= 1
    Path("b.vault").write_bytes(vault)
    done = run("restore", "b", "-o", "c")
    assert done.code == 65 and "was changed" in done.err
    assert not Path("c").exists()


def test_bad_lines_set_aside(run) -> None:  # type: ignore[no-untyped-def]
    Path("a.jsonl").write_text('{"m": "ada.canary@example.com"}\n{"m": "eve.canary@exam\n{"m": 1}\n')
    done = run("mask", "a.jsonl", "-o", "b.jsonl", "--on-error", "skip")
    assert done.code == 0 and "set aside 1 lines" in done.err
    assert Path("b.jsonl").read_text().count("\n") == 2
    assert Path("b.jsonl.rejected").read_text() == '{"m": "eve.canary@exam\n'


def test_a_fault_of_our_own_shows_no_value(run, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    def broken(*_: object) -> None:
        raise ValueError("ada.canary@example.com")

    monkeypatch.setattr(cli, "mask_file", broken)
    done = run("mask", "a.txt", "-o", "b")
    assert done.code == 70 and "ValueError in test_cli.py" in done.err
    assert names() == ["a.txt"]


def test_debugging_shows_places_and_no_value(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASQUERADE_DEBUG", "1")
    Path("cut.jsonl").write_text('{"a": "ada.canary@exam')
    assert cli.main(["mask", "cut.jsonl", "-o", "b"]) == 65
    err = capsys.readouterr().err
    assert "in _mask" in err and "canary" not in err


@pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="only Linux has /dev/full, the device that is always full"
)
@pytest.mark.parametrize("argv", [("mask", "a.txt", "--no-vault", "-o", "/dev/full"), ("find", "a.txt")])
def test_a_full_device(argv: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        running = spawn(*argv, stdout=full)
        _, err = running.communicate(b"", timeout=30)
    assert running.returncode == 74
    assert re.fullmatch(rb"masquerade: cannot write .*: No space left on device\n", err)


def big(path: str, lines: int = 60_000) -> None:
    Path(path).write_text("".join(f"line {i} of u{i}.canary@example.com, 138{i:08}\n" for i in range(lines)))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file size (RLIMIT_FSIZE)")
@pytest.mark.parametrize("limit", [3000, 20_000, 300_000])
def test_a_limit_on_file_size_leaves_nothing(limit: int) -> None:
    """The file or its vault stops growing, at its first page, within it, or late."""
    import resource

    big("big.txt", 4000)
    running = spawn(
        *("mask", "big.txt", "-o", "b"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    _, err = running.communicate(timeout=60)
    assert running.returncode == 74, err
    assert re.fullmatch(rb"masquerade: cannot write .*\n", err)
    assert names() == ["a.txt", "big.txt"]


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0,
    reason="filling a disk takes a small one of its own, which only root can mount on Linux",
)
@pytest.mark.parametrize("size", ["16k", "64k", "400k"])
def test_a_full_disk_leaves_nothing(tmp_path: Path, size: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if not mount or subprocess.run([mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk]).returncode:
        pytest.skip(
            "root may not mount here (a container without that right), so there is no small disk to fill"
        )
    try:
        (disk / "out").write_text("mine")
        big("big.txt", 4000)
        running = spawn("mask", "big.txt", "-o", str(disk / "out"), "--force")
        _, err = running.communicate(timeout=60)
        assert running.returncode == 74, err
        assert b"No space left on device" in err
        assert [path.name for path in disk.iterdir()] == ["out"]
        assert (disk / "out").read_text() == "mine"
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no POSIX signals to end a run by")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_leaves_nothing(number: signal.Signals, code: int) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # under nohup it is ignored, and would be by the command
    running = spawn("mask", "-o", "b")
    signal.signal(number, before)
    assert running.stdin and running.stderr and running.stdout
    with Path("big").open("w+") as file:
        file.write("".join(f"line {i} u{i}.canary@example.com\n" for i in range(20_000)))
    running.stdin.write(Path("big").read_bytes())
    running.stdin.flush()
    until = time.monotonic() + 20
    while not any(name.startswith(".b.") for name in names()) and time.monotonic() < until:
        time.sleep(0.02)
    assert any(name.startswith(".b.") for name in names())
    running.send_signal(number)
    err = running.stderr.read()
    assert running.wait(20) == code
    for pipe in (running.stdin, running.stdout, running.stderr):
        pipe.close()
    assert err.count(b"\n") == 1 and b"nothing half-written is left" in err
    assert names() == ["a.txt", "big"]


def test_standard_input_is_not_written_over() -> None:
    Path("in.txt").write_text("call 13812345678\n")
    with Path("in.txt").open("rb") as source:
        process = spawn("mask", "-", "-o", "in.txt", "--force", stdin=source)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 73
    assert b"nothing is changed in place" in told
    assert Path("in.txt").read_text() == "call 13812345678\n"


def test_what_came_meanwhile_is_not_replaced() -> None:
    process = spawn("mask", "-", "-o", "out.txt", stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(b"call 13812345678\n" * 100_000)  # so much that it has begun to write
    process.stdin.flush()
    Path("out.txt").write_text("somebody else's\n")
    _, told = process.communicate(timeout=60)
    assert process.returncode == 73
    assert b"out.txt" in told
    assert Path("out.txt").read_text() == "somebody else's\n"


def test_a_reader_that_goes_away() -> None:
    big("big.txt")
    for argv in (("find", "big.txt"), ("mask", "big.txt", "--no-vault")):
        running = spawn(*argv)
        assert running.stdout and running.stderr and running.stdin
        running.stdout.read(10)
        running.stdout.close()
        err = running.stderr.read()
        assert running.wait(30) == 74
        running.stdin.close()
        running.stderr.close()
        assert err.count(b"\n") == 1 and b"has gone" in err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals to be a person at")
def test_a_bar_for_a_person_and_for_no_one_else() -> None:
    import pty

    big("big.txt", 40_000)
    person, terminal = pty.openpty()
    running = spawn("mask", "big.txt", "-o", "b", stderr=terminal)
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # the end of a terminal is an error on Linux
        while piece := os.read(person, 4096):
            shown += piece
    os.close(person)
    assert running.wait(30) == 0
    running.communicate()
    assert b"masking" in shown and b"MB/s" in shown and b"masked 40,000 EMAIL" in shown
    assert b"canary" not in shown
    running = spawn("mask", "big.txt", "-o", "c")
    _, err = running.communicate(timeout=30)
    assert b"\x1b" not in err and err.startswith(b"masked 40,000 EMAIL")


# The other verbs ----------------------------------------------------------------------------------------


def test_find(run) -> None:  # type: ignore[no-untyped-def]
    done = run("find", "a.txt")
    assert done.out.splitlines() == ["1:6: EMAIL 0.95", "2:6: CREDIT_CARD 0.95"]
    assert done.code == 0 and "canary" not in done.out
    assert run("find", "a.txt", "--exit-code").code == 1
    Path("clean").write_text("nothing at all\n")
    done = run("find", "clean", "--exit-code")
    assert done.code == 0 and "nothing private" in done.err
    first = json.loads(run("find", "a.txt", "--json").out.splitlines()[0])
    assert first.keys() == {"line", "column", "kind", "score"}
    first = json.loads(run("find", "a.txt", "--json", "--show").out.splitlines()[0])
    assert first["value"] == "ada.canary@example.com"
    assert '"ada.canary@example.com"' in run("find", "a.txt", "--show").out


def test_check(run) -> None:  # type: ignore[no-untyped-def]
    Path("p.toml").write_text(
        'version = 1\n[fates]\nEMAIL = "redact"\n[[pattern]]\nkind = "STAFF_ID"\nexpression = "E-[0-9]{6}"\n'
    )
    done = run("check", "p.toml")
    assert done.code == 0
    assert re.search(r"STAFF_ID +token +from 0.5  found by pattern \(line 4\)", done.out)
    assert re.search(r"EMAIL +redact", done.out)
    assert "In replies:\n  stand-ins in addresses to elsewhere are withheld" in done.out
    done = run("check", "p.toml", "--sample", "E-123456 wrote to ada.canary@example.com")
    assert "characters 0 to 8: STAFF_ID 0.90, token" in done.out
    assert re.search(r"sent:\n\[STAFF_ID_\w+\] wrote to \[EMAIL_REDACTED\]", done.out)
    told = json.loads(run("check", "p.toml", "--sample-file", "a.txt", "--json").out)
    assert told["sample"]["sent"].startswith("mail [EMAIL_REDACTED]")
    assert told["replies"] == ["stand-ins in addresses to elsewhere are withheld"]
    assert {row["kind"] for row in told["kinds"]} >= {"STAFF_ID", "EMAIL"}
    assert "nothing would be found" in run("check", "p.toml", "--sample", "hello").out
    Path("p.toml").write_text('version = 1\n[fates]\nEMAIL = "block"\n')
    assert "blocked: " in run("check", "p.toml", "--sample", "ada.canary@example.com").out


def test_keys(run, home: Path) -> None:  # type: ignore[no-untyped-def]
    assert run("keys").code == 77
    done = run("keys", "create")
    key = keyfile.load()
    assert done.out.strip() == key.id
    assert "already" in run("keys", "create").err
    assert run("keys", "path").out.strip() == str(home / "key")
    run("keys", "rotate")
    done = run("keys")
    assert done.out.splitlines()[1].startswith(f"active   {keyfile.load().id}")
    assert done.out.splitlines()[2].startswith(f"retired  {key.id}")
    told = json.loads(run("keys", "show", "--json").out)
    assert told["active"]["id"] == keyfile.load().id and len(told["retired"]) == 1
    everything = "".join(
        run("keys", *action).out + run("keys", *action).err for action in ([], ["show"], ["export"])
    )
    assert "mqk1-" not in everything
    assert run("keys", "export", "--reveal-secret").out == keyfile.load().export()


def test_a_key_is_not_shown_on_a_terminal(run, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    keyfile.load_or_create()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    done = run("keys", "export", "--reveal-secret")
    assert done.code == 2 and "mqk1-" not in done.out + done.err


def test_client_keys(run, home: Path) -> None:  # type: ignore[no-untyped-def]
    keys = [
        run("keys", "client", name, "--tenant", "acme").out.strip() for name in ("billing", 'the "other"')
    ]
    text = (home / "clients.toml").read_text()
    clients = Clients.parse(text)
    found = [clients.find(key.encode()) for key in keys]
    assert [(client.name, client.tenant) for client in found if client] == [
        ("billing", "acme"), ('the "other"', "acme")
    ]  # fmt: skip
    assert not any(key in text for key in keys)
    assert (home / "clients.toml").stat().st_mode & 0o777 == 0o600
    (home / "clients.toml").write_text("what?")
    assert run("keys", "client", "x").code == 65


def test_client_keys_that_are_made_at_once_are_all_there(home: Path) -> None:
    names = [f"client {i}" for i in range(8)]
    made = [spawn("keys", "client", name, "--tenant", "acme") for name in names]
    keys = [process.communicate()[0].strip() for process in made]
    clients = Clients.parse((home / "clients.toml").read_text())
    assert [client.name for key in keys if (client := clients.find(key))] == names
    assert sorted(path.name for path in home.iterdir()) == ["clients.toml"]


def test_serve_hands_over_its_settings(run, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    from masquerade.serve import gateway
    from masquerade.serve.settings import Settings

    told: list[Settings] = []
    monkeypatch.setattr(gateway, "serve", told.append)
    assert run("serve").code == 0
    argv = (
        "--host ::1 --port 9 --workers 3 --no-playground --log off --max-body 5 --timeout 2 --policy p.toml"
    )
    assert run("serve", *argv.split(), "--hosts", "a,b").code == 0
    assert told[0] == Settings()
    more = {
        "workers": 3,
        "playground": False,
        "log": "off",
        "max_body": 5,
        "timeout": 2.0,
        "policy": Path("p.toml"),
    }
    assert told[1] == Settings(host="::1", port=9, hosts=("a", "b"), **more)  # type: ignore[arg-type]
    assert run("serve", "--upstream", "ftp://x").code == 65


def test_help_documents_every_code(run) -> None:  # type: ignore[no-untyped-def]
    for argv in ([], ["mask"], ["restore"], ["find"], ["check"], ["keys"], ["serve"]):
        out = run(*argv, "--help").out
        assert all(re.search(rf"^ +{code} ", out, re.MULTILINE) for _, code in cli._CODES)
    assert run("--version").out.strip() == f"masquerade {__version__}"
