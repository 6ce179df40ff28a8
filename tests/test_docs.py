"""What the documentation says is so: its tables, examples, commands and links.

Examples of the library are doctests, which pytest collects by itself. Here a ``console`` block is run, one
command after the other, and compared with what it shows (``...`` stands for anything); a ``toml`` block is
read as a policy or as client keys; the clients of the pages ask a real gateway.
"""

from __future__ import annotations

import doctest
import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import pytest

from masquerade.errors import PolicyProblem
from masquerade.mask.policy import Policy
from masquerade.serve.clients import Clients
from masquerade.serve.report import About
from masquerade.serve.roster import Roster
from masquerade.serve.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    path for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").glob("*.md")]
)
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def ids(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path, language: str) -> list[str]:
    found = BLOCK.findall(path.read_text(encoding="utf-8"))
    return [body for _, name, body in found if name == language]


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    found = importlib.util.spec_from_file_location("tables", ROOT / "docs" / "tables.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def environment(home: Path) -> dict[str, str]:
    """Of a stranger who has installed Masquerade: its command is on the path, its key elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MASQUERADE_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {
        **kept,
        "PATH": path,
        "MASQUERADE_HOME": str(home),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


# -- tables ----------------------------------------------------------------------------------------------


def test_tables_say_what_the_code_says(tables: ModuleType) -> None:
    for name in tables.PAGES:
        page = (ROOT / name).read_text(encoding="utf-8")
        assert tables.PLACE.search(page), f"{name} has no table"
        true = tables.written(page) == page  # apart, so that no failure prints two whole pages
        assert true, f"{name} differs from the code: run  make format"


def test_every_kind_has_an_english_meaning(tables: ModuleType) -> None:
    assert list(tables.MEANING) == list(tables.KINDS)


def test_every_command_is_documented_and_no_other(tables: ModuleType) -> None:
    known = {name.removeprefix("masquerade ") for name, _ in tables.verbs(tables.command_line())}
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        commands = re.findall(r"(?:^|[`$(|] ?)masquerade ((?:keys )?[a-z]+)\b(?!\.)", text, re.MULTILINE)
        for command in commands:
            verb = command.partition(" ")[0]
            assert command in known or verb in known - {"keys"}, f"{ids(path)}: masquerade {command}"
    page = (ROOT / "docs" / "command.md").read_text(encoding="utf-8")
    assert {name for name in known if f"`masquerade {name}" not in page} == set()
    for readme in ("README.md", "README.zh.md"):
        page = (ROOT / readme).read_text(encoding="utf-8")
        verbs = {name for name in known if " " not in name}
        assert {verb for verb in verbs if f"masquerade {verb}" not in page} == set(), readme


def test_errors_headers_and_metrics_of_the_gateway_are_documented() -> None:
    page = (ROOT / "docs" / "gateway.md").read_text(encoding="utf-8")
    source = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "src/masquerade/serve").glob("*.py")
    )
    codes = set(re.findall(r'Refusal\(\s*[\w.]+,\s*"(\w+)"', source))
    codes |= set(re.findall(r'code = "(\w+)"', source)) | {"upstream_timeout", "upstream_failed"}
    told = set(re.findall(r"^\| (?:\d+[^|]*|-) \| `(\w+)` \|", page, re.MULTILINE))
    assert told == codes
    headers = set(re.findall(r'"(x-masquerade-[a-z]+)"', source))
    assert headers <= set(re.findall(r"`(x-masquerade-[a-z]+)`", page))
    metrics = set(re.findall(r'name \+ "(\w+)"', source))
    assert metrics
    assert metrics == set(re.findall(r"`masquerade_(\w+?)(?:_total)?(?:\{[^`]*)?`", page))


def test_every_setting_is_documented() -> None:
    page = (ROOT / "docs" / "command.md").read_text(encoding="utf-8")
    for field in Settings.__dataclass_fields__:
        flag = "no-playground" if field == "playground" else field.replace("_", "-")
        assert f"`--{flag}`" in page, field


# -- examples --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [path for path in PAGES if blocks(path, "console")], ids=ids)
def test_commands_print_what_is_shown(path: Path, tmp_path: Path) -> None:
    """All console blocks of a page, in order, in one folder."""
    checker = doctest.OutputChecker()
    for block in blocks(path, "console"):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = step.splitlines(keepends=True)
            many = 1
            while lines[many - 1].rstrip("\n").endswith("\\") or _in_here_document(lines[:many]):
                many += 1
            command = "".join([lines[0], *(re.sub(r"^> ?", "", line) for line in lines[1:many])])
            shown = "".join(lines[many:])
            done = subprocess.run(
                ["/bin/sh", "-c", command],
                cwd=tmp_path,
                env=environment(tmp_path / "home"),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=60,
            )
            got = done.stdout.replace(str(tmp_path), "~")
            assert checker.check_output(shown, got, doctest.ELLIPSIS), (
                f"$ {command}{got}\n-- but the page says\n{shown}"
            )


def _in_here_document(lines: list[str]) -> bool:
    opened = re.search(r"<<'?(\w+)'?", lines[0])
    return opened is not None and lines[-1].removeprefix("> ").strip() != opened[1]


@pytest.mark.parametrize("path", [path for path in PAGES if blocks(path, "toml")], ids=ids)
def test_files_that_are_shown_can_be_used(path: Path) -> None:
    for block in blocks(path, "toml"):
        if "[aggregator]" in block:
            Roster.parse(block)
        elif "[record]" in block:
            About.parse(block)
        elif "[[client]]" in block:
            Clients.parse(block)
        elif "# refused" in block:
            with pytest.raises(PolicyProblem):
                Policy.parse(block)
        else:
            Policy.parse(block if "version = 1" in block else "version = 1\n" + block)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A gateway with the mirror model, started as the README says."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = int(probe.getsockname()[1])
    command = [
        str(Path(sys.executable).with_name("masquerade")),
        "serve",
        "--port",
        str(free),
        "--log",
        "off",
    ]
    gateway = subprocess.Popen(command, env=environment(tmp_path_factory.mktemp("home")))
    try:
        until = time.monotonic() + 30
        while True:
            try:
                build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{free}/healthz", timeout=2).close()
                break
            except URLError:
                assert gateway.poll() is None
                assert time.monotonic() < until
                time.sleep(0.1)
        yield free
    finally:
        gateway.terminate()
        gateway.wait(30)


CLIENTS = ("README.md", "README.zh.md", "docs/quickstart.md", "docs/gateway.md")


@pytest.mark.parametrize("name", CLIENTS)
def test_clients_get_their_answer(name: str, port: int, tmp_path: Path) -> None:
    programs = [block for block in blocks(ROOT / name, "python") if "127.0.0.1:8080" in block]
    assert programs, f"{name} shows no client"
    for program in programs:
        done = subprocess.run(
            [sys.executable, "-c", program.replace("8080", str(port))],
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert "@example." in done.stdout
        assert not re.search(r"\[(?!CREDIT_CARD)[A-Z_]+_[0-9A-Z]{10}\]", done.stdout)


@pytest.mark.parametrize("name", CLIENTS)
def test_curl_gets_its_answer(name: str, port: int, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl on the path to run the commands that are shown")
    commands = [block for block in blocks(ROOT / name, "sh") if block.startswith("curl ")]
    assert commands, f"{name} shows no curl"
    for command in commands:
        done = subprocess.run(
            ["/bin/sh", "-ec", command.replace("8080", str(port)).replace("curl ", "curl -sS ")],
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert "error" not in answer
        assert answer["masquerade"]["masked"]


# -- links -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES, ids=ids)
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
        if not target.startswith(("http://", "https://", "mailto:")):
            name, _, anchor = target.partition("#")
            linked = (path.parent / name).resolve() if name else path
            assert linked.exists(), f"{ids(path)} links to {target}"
            if anchor:
                headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
                slugs = {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}
                assert anchor in slugs, f"{ids(path)} links to {target}"
