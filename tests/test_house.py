"""The house stands as ARCHITECTURE.md draws it: who imports whom, and what the core may not touch."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import masquerade
from masquerade import errors

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "masquerade"
MODULES = sorted(SOURCE.rglob("*.py"))

ORDER = (
    {"errors"},
    {"crypto", "keys"},
    {"mask", "dp"},
    {"compute", "seal", "wire"},
    {"transfer"},
    {"audit"},
    {"serve"},
)
"""Rooms from the ground up: each imports from its own storey and from those below."""

SIDE_EFFECTS = {
    *(
        "socket",
        "ssl",
        "select",
        "selectors",
        "asyncio",
        "http",
        "urllib.request",
        "aiohttp",
        "httpx",
        "requests",
    ),
    *("os", "pathlib", "io", "shutil", "tempfile", "sqlite3", "glob", "fcntl", "mmap", "importlib.resources"),
    *("time", "datetime", "signal", "subprocess", "multiprocessing", "threading", "concurrent"),
    *("logging", "argparse", "rich", "uvicorn", "prometheus_client", "random", "secrets", "numpy", "torch"),
}
"""What the core does not import: sockets, disks, clocks, environment, processes, chance."""

CORE = {"mask", "dp", "compute", "seal", "wire", "transfer"}
"""Rooms without side effects."""

_SUMMING = "field sharing graph messages protocol questions split tree aggregators noise".split()
_TRAINING = (
    "book datafree described features gradient handover models offsite recipes survey tape train".split()
)
ARRAYS = {
    "masquerade.mask.array": {"numpy"},
    "masquerade.mask.content": {"numpy", "torch"},  # torch inside one function, when a tensor goes in or out
    "masquerade.mask.domain": {"numpy"},
    "masquerade.mask.dtype": {"numpy"},
    "masquerade.mask.formulas": {"numpy"},
    "masquerade.mask.fpe": {"numpy"},
    # of the package's own files, its model; and a lock, no thread, so that it is loaded once
    "masquerade.mask.names": {"numpy", "importlib.resources", "threading"},
    **{f"masquerade.compute.{name}": {"numpy"} for name in _SUMMING},
    **{f"masquerade.transfer.{name}": {"numpy", "torch"} for name in _TRAINING},
    "masquerade.transfer.report": {"numpy"},
    "masquerade.dp.sampler": {"numpy"},
    "masquerade.dp.mechanism": {"numpy"},
    "masquerade.dp.ledger": {"threading"},  # a lock, and no thread
    "masquerade.mask.detections": {"threading"},  # likewise
}
"""Who of them may have these all the same; but never NumPy's generators, which no secret comes from."""


ENGINES = {f"masquerade.compute.{name}" for name in "engine worker on_ray".split()}
"""The exception: they start processes or talk to them, and read a clock to know which is late."""


HEAVY = {
    *("aiohttp", "uvicorn", "uvloop", "httptools", "rich", "numpy", "torch", "prometheus_client"),
    *("sqlite3", "argparse", "asyncio", "http", "multiprocessing"),
}
"""What `import masquerade` does not load."""


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Full names of all that a module imports, wherever in it; both halves of ``from a import b``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(name: str) -> str | None:
    parts = name.split(".")
    return parts[1] if parts[0] == "masquerade" and len(parts) > 1 else None


def storey(name: str) -> int | None:
    return next((i for i, rooms in enumerate(ORDER) if room(name) in rooms), None)


# -- rooms -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_one_way(path: Path) -> None:
    if path == SOURCE / "__init__.py":
        assert not {name for name in imports(path) if room(name) in ("serve", "wire", "audit")}
        return
    own = storey(name_of(path))
    assert own is not None, "a room that ORDER and ARCHITECTURE.md do not know"
    for name in imports(path):
        other = storey(name)
        assert other is None or other <= own, f"{name_of(path)} imports {name}, which is above it"
        if other == own and ORDER[own] != {"crypto", "keys"}:
            assert room(name) == room(name_of(path)), f"{name_of(path)} reaches into its neighbour {name}"


def test_no_module_needs_one_that_needs_it() -> None:
    """Not even to name a type: the files can be drawn with all arrows one way."""
    known = {name_of(path): path for path in MODULES if path.name != "__init__.py"}
    needs = {name: {n for n in imports(path) if n in known and n != name} for name, path in known.items()}
    TopologicalSorter(needs).prepare()


@pytest.mark.parametrize(
    "path", [p for p in MODULES if room(name_of(p)) in CORE and name_of(p) not in ENGINES], ids=name_of
)
def test_the_core_has_no_side_doors(path: Path) -> None:
    for name in imports(path):
        parts = name.split(".")
        doors = {".".join(parts[:n]) for n in range(1, len(parts) + 1)} & SIDE_EFFECTS
        assert doors <= ARRAYS.get(name_of(path), set()), name
    calls = {
        n.func.id
        for n in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
    }
    assert not calls & {"open", "print", "input", "eval", "exec", "__import__"}
    assert not re.search(
        r"\b(?:np|numpy|torch)\.(?:random|rand|save|load|memmap)", path.read_text(encoding="utf-8")
    )
    at_once = [] if room(name_of(path)) == "transfer" else ast.parse(path.read_text(encoding="utf-8")).body
    assert not any(
        "torch" in ast.unparse(node) for node in at_once if isinstance(node, ast.Import | ast.ImportFrom)
    )


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_random_bytes_come_from_one_file(path: Path) -> None:
    taken = {name.partition(".")[0] for name in imports(path)}
    if name_of(path) != "masquerade.crypto":
        assert not taken & {"secrets", "random", "hashlib", "hmac", "cryptography", "uuid"}
        assert "os.urandom" not in path.read_text(encoding="utf-8")


def test_import_is_quick_and_touches_nothing() -> None:
    """Heavy packages and the shell stay out; files are read as modules only; no socket, no process."""
    program = """
import sys, time
opened, reached = [], []
def watch(event, args):
    if event == "open" and isinstance(args[0], str) and args[1] is not None:
        opened.append((args[0], args[1]))
    elif event.startswith(("socket.", "subprocess.", "os.putenv", "sqlite3.")):
        reached.append(event)
sys.addaudithook(watch)
start = time.process_time()
import masquerade
spent = time.process_time() - start
opened = [(name, mode) for name, mode in opened if "__pycache__" not in name]
wrote = [name for name, mode in opened if set(mode) & set("wax+")]
read = [name for name, mode in opened if "masquerade" in name and not name.endswith((".py", ".pyc"))]
print(repr((sorted(sys.modules), reached, wrote, read, spent)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    loaded, reached, wrote, read, spent = ast.literal_eval(done.stdout)
    assert not {name.partition(".")[0] for name in loaded} & HEAVY
    assert {room(name) for name in loaded} == {None, "errors", "crypto", "keys", "mask"}
    assert reached == wrote == read == []
    assert spent < 1.5  # some 0.1 s of CPU time on an idle machine; a loaded one needs room


# -- names -----------------------------------------------------------------------------------------------


def test_the_face_is_complete_sorted_and_documented() -> None:
    names = masquerade.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), name))
    for name in names:
        assert getattr(masquerade, name) is not None
    page = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    missing = [name for name in names if f"`{name}" not in page]
    assert missing == [], "docs/library.md does not say what these are"


def test_every_error_is_in_the_tree() -> None:
    found = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.MasqueradeError)
    }
    drawn = set(re.findall(r"^[ │├└─]+([A-Z][A-Za-z]+)", str(errors.__doc__), re.MULTILINE))
    assert found == drawn


def test_errors_elsewhere_are_of_the_family() -> None:
    """Only a hang-up and a signal stand outside the tree: they are no errors."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and name_of(path) != "masquerade.errors":
                bases = {ast.unparse(base) for base in node.bases}
                if bases & {"Exception", "BaseException", "ValueError", "RuntimeError", "OSError"}:
                    assert node.name in {"Gone", "_Stopped"}, f"{name_of(path)}.{node.name}"


# -- words -----------------------------------------------------------------------------------------------


def test_the_plan_of_the_house_is_true() -> None:
    """ARCHITECTURE.md names every module, and nothing that is not there."""
    plan = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for path in MODULES:
        if path.name != "__init__.py" or path.parent.name == "playground":
            told = path.relative_to(SOURCE).as_posix().removesuffix("__init__.py")
            assert f"`{told}`" in plan, f"ARCHITECTURE.md does not mention {told}"
    for told in re.findall(r"`([A-Za-z0-9_./-]+(?:\.(?:py|md|toml|txt|json)|/))`", plan):
        assert any((base / told).exists() for base in (SOURCE, ROOT)), (
            f"ARCHITECTURE.md names {told}, which is not there"
        )


def test_the_version_is_one() -> None:
    log = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first = re.search(r"^## \[([^\]]+)\]", log, re.MULTILINE)
    assert first is not None
    assert first[1] in (masquerade.__version__, "Unreleased")
    assert f"[{masquerade.__version__}]" in log


def test_the_licence_is_the_one_that_is_declared() -> None:
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").lstrip().startswith("Apache License")
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def tracked() -> list[Path]:
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git here, so there is no list of what belongs to the project")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


ABSOLUTE = re.compile(r"(?<![\w.:/*<-])/(?:home|Users|root|work|tmp/\w)/?[\w.-]+")
"""A path of somebody's machine. System paths (/etc, /dev, /proc) are the same everywhere."""


def test_nothing_names_a_machine() -> None:
    for path in tracked():
        if path.suffix in (".png", ".ico", ".table", ".lists", ".onnx") or path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            where = f"{path.relative_to(ROOT)}, line {number}"
            assert not ABSOLUTE.search(line), f"{where}: a path of one machine"
            assert "index-url" not in line and "simple/" not in line, f"{where}: a package registry"


def test_requirements_are_pinned_by_version_alone() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+", line) for line in pins)
    pinned = {re.sub(r"[._-]+", "-", pin.partition("==")[0]).lower() for pin in pins}
    assert len(pinned) == len(pins)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    needed = re.findall(r'"([A-Za-z0-9._-]+)(?:\[\w+\])?>=', project)
    lacking = {re.sub(r"[._-]+", "-", name).lower() for name in needed} - pinned - {"hatchling", "setuptools"}
    assert lacking == set()
