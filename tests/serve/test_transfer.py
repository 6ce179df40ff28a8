"""``masquerade train``: both sides, each in its own folder, with a sealed package between them; and its
pictures."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed to train with")
pytest.importorskip("dp_accounting", reason="dp-accounting is not installed to price noise with")

from tests.transfer.test_recipes import PRIVATE, PUBLIC, TEST, Pictures

from masquerade.errors import BadInput, MasqueradeError
from masquerade.serve import pictures, transfer
from masquerade.serve.books import FileStore
from masquerade.serve.limits import MachineLimits
from masquerade.transfer.recipes import Fitting


def write_idx(folder: Path, told: Pictures, part: str = "train") -> None:
    folder.mkdir(exist_ok=True)
    for what, array in (("images-idx3", told.images), ("labels-idx1", told.labels.astype(np.uint8))):
        head = b"\0\0\x08" + bytes([array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
        (folder / f"{part}-{what}-ubyte.gz").write_bytes(gzip.compress(head + array.tobytes(), 1))


@pytest.fixture
def sides(run: Any, home: Path) -> None:
    for name in ("owner", "receiver"):
        Path(name).mkdir()
        assert run("keys", "new", f"{name}/id").code == 0
    write_idx(Path("owner/private"), PRIVATE)
    write_idx(Path("receiver/public"), PUBLIC)
    write_idx(Path("receiver/public"), TEST, "t10k")


_TRAINING = "--steps 60 --batch 300 --rate 20"


def owner(run: Any, recipe: str, *more: str, out: str = "owner/out.seal") -> Any:
    said = f"""train --recipe {recipe} --role owner --data owner/private --examples 3000 --features pixels
        --to receiver/id.recipient --sign owner/id -o {out}"""
    trained = recipe != "zero-shot" or "--epsilon" in more
    return run(*said.split(), *(_TRAINING.split() if trained else ()), *more)


def receiver(run: Any, recipe: str, *more: str, package: str = "owner/out.seal") -> Any:
    steps = "" if "--descriptions" in more else "--steps 150"
    said = f"""train --recipe {recipe} --role receiver --package {package} {steps} --json
        --from owner/id.recipient --public receiver/public --test receiver/public
        --to owner/id.recipient --sign receiver/id -o receiver/full.seal"""
    return run(*said.split(), *more)


def test_light_goes_there_and_comes_back(run: Any, sides: None) -> None:
    sent = owner(run, "light", "--epsilon", "2", "--json", "--plot", "owner/curves.svg")
    lines = [json.loads(line) for line in sent.out.splitlines()]
    drawn = ElementTree.parse("owner/curves.svg").getroot()
    curves = {
        line[0].text: len(line.get("points").split())
        for line in drawn.iter("{http://www.w3.org/2000/svg}polyline")
    }
    assert curves == {"loss": 60, "accuracy": 60, "epsilon": 4}
    assert lines[-2]["accuracy"] > 0.5
    assert sent.code == 0 and lines[-1]["epsilon"] <= 2 and lines[-1]["left"] < 0.01
    assert lines[-2]["step"] == 60 and lines[-2]["epsilon"] == pytest.approx(lines[-1]["epsilon"])
    shown = json.loads(run("inspect", "owner/out.seal", "--from", "owner/id.recipient", "--json").out)
    assert shown["title"] == "light transfer, trained" and shown["budget"][0]["spent"] <= 2
    came = receiver(run, "light", "--labels", "0")
    told = json.loads(came.out.splitlines()[-1])
    assert came.code == 0 and told["accuracy"] > told["accuracy_came"] - 0.05 > 0.5
    back = run(
        "open",
        "receiver/full.seal",
        "--key",
        "owner/id",
        "--from",
        "receiver/id.recipient",
        "-o",
        "back",
        "-q",
    )
    assert back.code == 0 and sorted(os.listdir("back")) == ["configuration.json", "model.safetensors"]  # noqa: PTH208


def test_a_cnn_within_its_limits(run: Any, sides: None) -> None:
    said = """train --recipe one-stage --role owner --data owner/private --examples 3000 --epsilon 3
        --classifier cnn --batch 600 --steps 60 --rate 8 --cpu-seconds 100000 --memory 100000 --json
        --to receiver/id.recipient --sign owner/id -o owner/out.seal"""
    sent = run(*said.split())
    told = json.loads(sent.out.splitlines()[-1])
    assert sent.code == 0 and told["epsilon"] <= 3 and told["cpu_seconds"] > 0 and told["megabytes"] > 50
    came = json.loads(receiver(run, "one-stage").out.splitlines()[-1])
    assert came["accuracy"] > max(0.6, came["accuracy_came"])


@pytest.mark.parametrize(
    ("limit", "why"),
    [
        ("--cpu-seconds 0.5", "0.5 are allowed; nothing was paid. Take smaller batches"),
        ("--memory 10", "10 are allowed; nothing was paid"),
        ("--cpu-seconds 0", "is above 0"),
        ("--memory nan", "is above 0"),
        ("--classifier cnn", "--features and --descriptions are for a linear classifier"),
    ],
)
def test_what_does_not_fit_costs_nothing(run: Any, sides: None, home: Path, limit: str, why: str) -> None:
    refused = owner(run, "light", "--epsilon", "2", *limit.split())
    assert refused.code != 0 and why in refused.err and not Path("owner/out.seal").exists()
    assert FileStore(home / "ledger.db").entries() == []
    assert owner(run, "light", "--epsilon", "2").code == 0, "all of the budget is there"


def test_so_many_steps_as_fit_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 10.0
    monkeypatch.setattr("time.process_time", lambda: now)
    limits = MachineLimits(cpu_seconds=32.0)
    limits.begin()
    now = 11.0
    with pytest.raises(BadInput, match=r"100 steps would take about 120 .* Take 20 steps"):
        limits.tried(100)
    limits.tried(20)
    assert limits.go_on()
    now = 32.0
    assert not limits.go_on() and MachineLimits().go_on()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux counts what the parent held")
def test_memory_is_that_of_this_process() -> None:
    """And not of a large one that started it."""
    own = "from masquerade.serve.limits import most_memory; print(most_memory())"
    large = f"""
import subprocess, sys
held = b"x" * 600_000_000
print(subprocess.run([sys.executable, "-c", {own!r}], check=True, capture_output=True, text=True).stdout)
"""
    told = subprocess.run([sys.executable, "-c", large], check=True, capture_output=True, text=True).stdout
    assert 0 < float(told) < 500


def test_the_budget_of_the_pictures_is_one(run: Any, sides: None) -> None:
    """Whatever they are called, and however often they are copied."""
    assert owner(run, "light", "--epsilon", "2", "-q").code == 0
    again = owner(run, "one-stage", "--epsilon", "1", out="owner/again.seal")
    assert again.code == 69 and "does not pay" in again.err and not Path("owner/again.seal").exists()
    Path("owner/copy").mkdir()
    for path in Path("owner/private").iterdir():
        (Path("owner/copy") / path.name).write_bytes(path.read_bytes())
    said = """train --recipe light --role owner --data owner/copy --examples 3000 --epsilon 1
        --to receiver/id.recipient --sign owner/id -o owner/copy.seal"""
    copied = run(*said.split())
    assert copied.code == 69


def test_zero_shot_and_one_stage(run: Any, sides: None) -> None:
    assert owner(run, "zero-shot", "-q").code == 0
    full = receiver(run, "zero-shot", "--force")
    assert full.code == 0 and json.loads(full.out.splitlines()[-1])["epsilon"] == 0
    assert owner(run, "one-stage", "--epsilon", "2", "-q", "--force").code == 0
    last = receiver(run, "one-stage", "--labels", "300", "--force")
    told = json.loads(last.out.splitlines()[-1])
    assert last.code == 0 and told["accuracy"] > 0.5
    wrong = receiver(run, "light", "--force")
    assert wrong.code == 65 and "for the recipe one-stage" in wrong.err


def test_classes_are_named_after_the_move(run: Any, sides: None) -> None:
    """Pictures of two classes are private; the third is told of in words, and by where its parts lie."""

    def told(**classes: list[int]) -> str:
        names = "upright", "level", "double"
        rows = {c: {"attributes": dict(zip(names, v, strict=True)), "words": c} for c, v in classes.items()}
        return json.dumps({"".join(c): rows[c] for c in rows})

    two = PRIVATE.labels < 2
    write_idx(Path("owner/private"), Pictures(PRIVATE.images[two], PRIVATE.labels[two]))
    Path("owner/private/classes.txt").write_text("cross\nbar\n")
    Path("receiver/public/classes.txt").write_text("cross\nbar\nsquare\n")
    Path("owner/two.json").write_text(told(cross=[1, 1, 0], bar=[0, 1, 0]))
    Path("receiver/one.json").write_text(told(square=[1, 1, 1]))
    refused = owner(run, "light", "--epsilon", "2", "--descriptions", "owner/two.json")
    assert refused.code == 2 and "zero-shot" in refused.err
    assert owner(run, "zero-shot", "--epsilon", "2", "--descriptions", "owner/two.json", "-q").code == 0
    shown = json.loads(run("inspect", "owner/out.seal", "--from", "owner/id.recipient", "--json").out)
    assert shown["title"] == "zero-shot transfer, trained" and 1.9 < shown["budget"][0]["spent"] <= 2
    full = receiver(run, "zero-shot", "--descriptions", "receiver/one.json")
    assert full.code == 0 and json.loads(full.out.splitlines()[-1])["accuracy"] > 0.4
    wrong = receiver(run, "zero-shot", "--descriptions", "owner/private/classes.txt", "--force")
    assert wrong.code == 65 and "no descriptions" in wrong.err and "cross" not in wrong.err


def test_a_student_without_pictures(run: Any, sides: None) -> None:
    assert owner(run, "light", "--epsilon", "2", "-q").code == 0
    said = """train --recipe light --role receiver --package owner/out.seal --steps 1 --json --synthetic
        --from owner/id.recipient --test receiver/public
        --to owner/id.recipient --sign receiver/id -o receiver/full.seal"""
    done = run(*said.split())
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert done.code == 0 and lines[-1]["epsilon"] <= 2 and lines[-1]["accuracy"] > 0.34
    assert lines[0]["stage"] == "distilled"
    both = receiver(run, "light", "--synthetic")
    assert both.code == 2 and "in place of --public" in both.err


@pytest.mark.parametrize("steps", ["0", "-3"])
def test_a_receiver_that_takes_no_step_is_refused(run: Any, sides: None, steps: str) -> None:
    assert owner(run, "zero-shot", "-q").code == 0
    refused = receiver(run, "zero-shot", "--steps", steps)
    assert refused.code == 65 and "1 step" in refused.err and not Path("receiver/full.seal").exists()


@pytest.mark.parametrize("steps", ["0", "-3"])
def test_a_language_model_of_no_passes_is_refused(lines: Any, steps: str) -> None:
    refused = lines("full", "--steps", steps)
    assert refused.code == 65 and "1 pass" in refused.err and not Path("receiver/full").exists()


@pytest.mark.parametrize(
    ("step", "given"),
    [
        ("light owner --data y --examples 9 --epsilon 1", "--test"),
        ("light owner --data y --examples 9 --epsilon 1", "--public"),
        ("light owner --data y --examples 9 --epsilon 1", "--labels"),
        ("zero-shot owner --data y --examples 9", "--epsilon"),
        ("zero-shot owner --data y --examples 9", "--steps"),
        ("zero-shot owner --data y --examples 9", "--plot"),
        ("light receiver --package x --from y --public z", "--epsilon"),
        ("light receiver --package x --from y --public z", "--rate"),
        ("light receiver --package x --from y --public z", "--batch"),
        ("light receiver --package x --from y --public z", "--length"),
        ("light receiver --package x --from y --synthetic", "--features"),
        ("light receiver --package x --from y --synthetic", "--labels"),
        ("zero-shot receiver --package x --from y --descriptions z", "--steps"),
        ("zero-shot receiver --package x --from y --descriptions z", "--plot"),
        ("offsite owner --data y --examples 9 --package z --from w --epsilon 1", "--features"),
        ("offsite receiver --public y", "--kept"),
        ("offsite receiver --public y", "--rate"),
        ("offsite receiver --public y --model z", "--blocks"),
        ("offsite receiver --model y --package z --from w", "--steps"),
        ("offsite receiver --model y --package z --from w", "--public"),
    ],
)
def test_what_a_step_does_not_look_at_is_refused(run: Any, home: Path, step: str, given: str) -> None:
    recipe, role, *said = step.split()
    value = {"--plot": "x.svg", "--features": "hog"}.get(given, "0")
    refused = run(
        "train",
        "--recipe",
        recipe,
        "--role",
        role,
        *said,
        given,
        value,
        "--to",
        "x",
        "--sign",
        "x",
        "-o",
        "o",
    )
    assert refused.code == 2 and refused.err.count(given) == 1 and refused.err.count("\n") == 1


def test_an_older_package_is_not_taken_for_the_newest(run: Any, sides: None) -> None:
    """Genuine, and sent again by somebody who holds the newer one back."""
    for name in ("first", "second"):
        assert owner(run, "zero-shot", "-q", out=f"owner/{name}.seal").code == 0
    assert receiver(run, "zero-shot", package="owner/second.seal").code == 0
    assert receiver(run, "zero-shot", "--force", package="owner/second.seal").code == 0, "the same, again"
    older = receiver(run, "zero-shot", "--force", package="owner/first.seal")
    assert older.code == 65 and "opened here before" in older.err
    assert receiver(run, "zero-shot", "--force", "--older", package="owner/first.seal").code == 0


def test_what_is_missing_is_named(run: Any, sides: None) -> None:
    common = ["--to", "receiver/id.recipient", "--sign", "owner/id", "-o", "x"]
    for argv, option in (
        (["--recipe", "light", "--role", "owner", "--examples", "9"], "--data"),
        (["--recipe", "light", "--role", "owner", "--data", "owner/private", "--examples", "9"], "--epsilon"),
        (["--recipe", "light", "--role", "receiver", "--package", "x", "--public", "y"], "--from"),
    ):
        refused = run("train", *argv, *common)
        assert refused.code == 2 and option in refused.err
    assert not Path("x").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        "--epsilon 0", "--epsilon -1", "--epsilon nan", "--epsilon inf", "--epsilon 50", "--delta 0",
        "--delta nan", "--examples 0", "--examples -1", "--steps 0", "--batch 0", "--batch -1", "--rate 0",
        "--rate -1", "--rate nan", "--rate inf", "--rate 1e300",
    ],
)  # fmt: skip
def test_numbers_that_are_none_cost_nothing(run: Any, sides: None, wrong: str) -> None:
    refused = owner(
        run, "light", *"--epsilon 1 --budget 3 --ledger owner/ledger.db -q".split(), *wrong.split()
    )
    assert refused.code == 65 and refused.err.count("\n") == 1 and "fault" not in refused.err
    assert not Path("owner/out.seal").exists()
    entries = FileStore(Path("owner/ledger.db"))
    with entries.locked() as store:
        account = store.account(str(Path("owner/private").resolve()))
    assert account is None or not account.events


@pytest.mark.parametrize(
    "wrong",
    [
        ["--name", "x" * 5000], ["--to", "receiver/id.recipient"], ["-o", "nowhere/out.seal"], ["-o", "-"],
        ["--plot", "nowhere/curves.svg"], ["--plot", "owner/out.svg", "-o", "owner/out.svg"],
    ],
)  # fmt: skip
def test_what_cannot_be_written_or_sealed_costs_nothing(run: Any, sides: None, wrong: list[str]) -> None:
    refused = owner(run, "light", *"--epsilon 1 --ledger owner/ledger.db -q".split(), *wrong)
    assert refused.code and refused.err.count("\n") == 1 and "fault" not in refused.err and not refused.out
    assert sorted(path.name for path in Path("owner").iterdir() if "ledger" not in path.name) == [
        "id", "id.recipient", "private",
    ]  # fmt: skip
    with FileStore(Path("owner/ledger.db")).locked() as store:
        account = store.account(str(Path("owner/private").resolve()))
    assert account is None or not account.events


def test_a_report_that_cannot_be_written_is_known_before_anything_is_read(run: Any, sides: None) -> None:
    Path("receiver/report.html").write_text("mine")
    refused = receiver(run, "light", "--report", "receiver/report.html", package="owner/none.seal")
    assert refused.code == 73 and "exists" in refused.err
    assert Path("receiver/report.html").read_text() == "mine"


def test_a_ledger_of_ones_own(run: Any, sides: None) -> None:
    paid = owner(run, "light", *"--epsilon 1 --ledger owner/ledger.db --json".split())
    assert paid.code == 0
    again = owner(run, "light", *"--epsilon 1 --ledger owner/ledger.db --force".split())
    assert again.code == 69


def test_all_accounts_that_paid_stand_in_the_package(run: Any, sides: None, home: Path) -> None:
    """Two folders that were other data, and then the same, have an account each: a reader sees both."""
    Path("owner/copy").mkdir()
    for path in Path("owner/private").iterdir():
        (Path("owner/copy") / path.name).write_bytes(path.read_bytes())
    write_idx(Path("owner/private"), PUBLIC)
    for folder in ("private", "copy"):
        said = f"--epsilon 0.5 --budget 3 --ledger owner/ledger.db --data owner/{folder} --force -q"
        assert owner(run, "light", *said.split()).code == 0
    for path in Path("owner/copy").iterdir():
        (Path("owner/private") / path.name).write_bytes(path.read_bytes())
    said = "--epsilon 0.5 --budget 3 --ledger owner/ledger.db --force -q"
    assert owner(run, "light", *said.split()).code == 0
    shown = json.loads(run("inspect", "owner/out.seal", "--json").out)
    assert len(shown["budget"]) == 2 and all(each["spent"] > 0.5 for each in shown["budget"])


def test_the_command_loads_no_torch_until_it_trains() -> None:
    code = (
        "import sys, masquerade.serve.cli as c; c.main(['keys', '--help']); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60).returncode == 0


def test_public_classes_are_known_by_their_names(run: Any, sides: None) -> None:
    """In another order, and not all of them: their numbers are not those of what came."""
    names = [f"class {i}" for i in range(int(PRIVATE.labels.max()) + 1)]
    Path("owner/private/classes.txt").write_text("\n".join(names))
    Path("receiver/public/classes.txt").write_text("\n".join(reversed(names)))
    write_idx(Path("receiver/public"), Pictures(PUBLIC.images, len(names) - 1 - PUBLIC.labels))
    write_idx(Path("receiver/public"), Pictures(TEST.images, len(names) - 1 - TEST.labels), "t10k")
    assert owner(run, "light", *"--epsilon 2 -q".split()).code == 0
    assert json.loads(receiver(run, "light").out.splitlines()[-1])["accuracy_came"] > 0.5
    Path("receiver/public/classes.txt").write_text("\n".join(["other", *names[1:]]))
    unknown = receiver(run, "light", "--force")
    assert unknown.code == 65 and "does not know" in unknown.err


@pytest.mark.parametrize("share", [0, 4, 9])
def test_the_labels_that_are_used_are_of_all_classes(share: int) -> None:
    """Folders come class by class: the first labels are of the first class alone."""
    labels = np.repeat(np.arange(3), 3)
    told = transfer._partly(Pictures(np.zeros((9, 28, 28), np.uint8), labels), share).labels
    assert (told >= 0).sum() == share and (told[told >= 0] == labels[told >= 0]).all()
    assert share < 3 or set(told[told >= 0]) == {0, 1, 2}
    with pytest.raises(BadInput):
        transfer._partly(Pictures(np.zeros((9, 28, 28), np.uint8), labels), -1)


def test_curves_of_private_data_are_for_their_owner(run: Any, sides: None) -> None:
    assert owner(run, "light", *"--epsilon 2 -q --plot owner/curves.svg".split()).code == 0
    assert os.name == "nt" or Path("owner/curves.svg").stat().st_mode & 0o77 == 0


def test_numbers_that_are_none_are_not_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    """They are no JSON, and readers refuse the line."""
    with transfer._shown(Namespace(json=True, quiet=False)) as told:
        told(Fitting("full", 1, 1, float("nan")))
    transfer._told({"accuracy": float("nan"), "perplexity": float("inf"), "epsilon": 1.5})
    lines = capsys.readouterr().out.splitlines()
    assert lines == ['{"stage": "full", "step": 1}', '{"accuracy": null, "perplexity": null, "epsilon": 1.5}']


# -- pictures --------------------------------------------------------------------------------------------


def test_folders_of_pictures(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed to make pictures with")
    for name, grey in (("dogs", 200), ("cats", 10)):
        (tmp_path / name).mkdir()
        image.new("RGB", (60, 40), (grey, grey, grey)).save(tmp_path / name / "a.png")
        image.new("L", (28, 28), grey).save(tmp_path / name / "b.jpg")
    told, classes = pictures.load(tmp_path)
    assert classes == ("cats", "dogs") and told.labels.tolist() == [0, 0, 1, 1]
    assert told.images.shape == (4, 28, 28) and abs(told.images.mean((1, 2)) - [10, 10, 200, 200]).max() < 2
    (tmp_path / "dogs" / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n canary")
    with pytest.raises(BadInput, match="no picture") as caught:
        pictures.load(tmp_path)
    assert "canary" not in str(caught.value)


def test_a_lone_picture_is_no_class(tmp_path: Path) -> None:
    """Which classes there are leaves with the model, at no price: so it hangs on folders alone."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed to make pictures with")
    for name in ("cats", "dogs", "rare", ".hidden"):
        (tmp_path / name).mkdir()
        image.new("L", (28, 28), 10).save(tmp_path / name / "a.png")
    with_it = pictures.load(tmp_path)
    (tmp_path / "rare" / "a.png").unlink()
    without = pictures.load(tmp_path)
    assert with_it[1] == without[1] == ("cats", "dogs", "rare")
    assert with_it[0].labels.tolist() == [0, 1, 2] and without[0].labels.tolist() == [0, 1]
    assert pictures.classes_of(tmp_path, pictures.files_of(tmp_path, "train")) == without[1]


def test_pictures_of_a_very_long_side_are_not_decoded() -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed to make pictures with")
    for size in ((1, 16_385), (16_385, 1)):
        file = io.BytesIO()
        image.new("L", size).save(file, "PNG")
        with pytest.raises(BadInput, match="a side of more than"):
            pictures.reduced(file, 28, "it")


def test_idx_files_with_names_of_classes(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    write_idx(folder, PUBLIC)
    assert pictures.load(folder)[1] == tuple("0123456789")
    count = int(PUBLIC.labels.max()) + 1
    names = [f"class {i} of 服装" for i in range(count)]
    (folder / "classes.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    assert pictures.load(folder)[1] == tuple(names)
    for wrong in ("\n".join(names[:-1]), "\n".join(["same"] * count), "", "x\n" * 300, b"\xff\xfe"):
        (folder / "classes.txt").write_bytes(wrong if isinstance(wrong, bytes) else wrong.encode())
        with pytest.raises(BadInput):
            pictures.load(folder)


def test_files_that_are_damaged(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    write_idx(folder, PUBLIC)
    whole = gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes())
    for wrong in (
        b"", b"\x1f\x8b", gzip.compress(b""), gzip.compress(whole[:-1]), gzip.compress(whole)[:-9],
        gzip.compress(b"\0\0\x0d" + whole[3:]), gzip.compress(whole[:3] + b"\xff" + whole[4:]),
        gzip.compress(whole[:4] + b"\xff" * 12 + whole[16:]),
        gzip.compress(whole[:4] + bytes(4) + b"\xff" * 8), gzip.compress(whole[:8] + bytes(8)),
    ):  # fmt: skip
        (folder / "train-images-idx3-ubyte.gz").write_bytes(wrong)
        with pytest.raises(MasqueradeError):
            pictures.load(folder)
    with pytest.raises(MasqueradeError, match="no pictures"):
        pictures.load(tmp_path)


# -- offsite tuning --------------------------------------------------------------------------------------

_SIZES = "--blocks 4 --width 16 --length 24 --steps 1"


@pytest.fixture
def lines(run: Any, home: Path) -> Any:
    """The steps of both sides by name; each in its own folder, a sealed package between them."""
    for name in ("owner", "receiver"):
        Path(name).mkdir()
        assert run("keys", "new", f"{name}/id").code == 0
    Path("receiver/public.txt").write_text("a public line\nanother of them\n\n" * 40, encoding="utf-8")
    Path("owner/private.txt").write_text("the canary sings\ncanary 4111\n" * 40, encoding="utf-8")
    mine = "--role receiver --sign receiver/id"
    known = {
        "full": f"{mine} --public receiver/public.txt {_SIZES} --to receiver/id.recipient -o receiver/full",
        "emulator": f"""{mine} --public receiver/public.txt --model receiver/full --kept 1 --steps 1
            --to owner/id.recipient -o receiver/emulator""",
        "adapter": """--role owner --sign owner/id --data owner/private.txt --examples 80 --epsilon 8
            --batch 80 --steps 3 --package receiver/emulator --from receiver/id.recipient
            --to receiver/id.recipient -o owner/adapter""",
        "plugged": f"""{mine} --model receiver/full --package owner/adapter --from owner/id.recipient
            --to receiver/id.recipient -o receiver/tuned --test receiver/public.txt""",
    }  # fmt: skip
    return lambda name, *more: run("train", "--recipe", "offsite", *known[name].split(), *more)


def test_offsite_tuning_in_four_steps(run: Any, lines: Any) -> None:
    told = {}
    for name in ("full", "emulator", "adapter", "plugged"):
        done = lines(name, "--json")
        assert done.code == 0, done.err
        told[name] = json.loads(done.out.splitlines()[-1])
    assert [each["stage"] for each in told.values()] == ["full", "emulator", "adapter", "full"]
    assert 7 < told["adapter"]["epsilon"] <= 8 and told["adapter"]["left"] < 1
    assert told["plugged"]["perplexity"] > 1
    shown = json.loads(run("inspect", "receiver/tuned", "--from", "receiver/id.recipient", "--json").out)
    assert shown["title"] == "offsite transfer, full" and 7 < shown["budget"][0]["spent"] <= 8
    opened = "open owner/adapter --key receiver/id --from owner/id.recipient -o back -q"
    assert run(*opened.split()).code == 0
    for path in [*Path("back").rglob("*"), *Path("receiver").iterdir()]:
        assert path.is_dir() or b"canary" not in path.read_bytes()
    assert (Path("back/model.safetensors").stat().st_size) < 40_000, "the adapter, and no more"
    again = lines("adapter", "--force")
    assert again.code == 69 and "does not pay" in again.err


def test_a_second_tuning_keeps_the_accounts_of_the_first(run: Any, lines: Any) -> None:
    for name in ("full", "emulator", "adapter", "plugged"):
        assert lines(name, "-q").code == 0
    tuned = "--model receiver/tuned --force -q".split()
    assert lines("emulator", *tuned).code == 0
    Path("owner/private.txt").write_text("others\n" * 80, encoding="utf-8")
    assert (
        lines("adapter", "--data", "owner/private.txt", "--ledger", "owner/other.db", "--force", "-q").code
        == 0
    )
    assert lines("plugged", *tuned).code == 0
    # The first stands twice in the last: in the model, and in the adapter that was tuned through it.
    for name, accounts in (("receiver/emulator", 1), ("owner/adapter", 2), ("receiver/tuned", 3)):
        assert len(json.loads(run("inspect", name, "--json").out)["budget"]) == accounts


def test_offsite_packages_go_where_they_belong(lines: Any) -> None:
    assert lines("full", "-q").code == 0
    stranger = lines("adapter", "--package", "receiver/full")
    assert stranger.code != 0 and "KeyProblem" not in stranger.err, "the full model is not for the owner"
    assert lines("emulator", "-q").code == 0
    wrong = lines("plugged", "--package", "receiver/emulator")
    assert wrong.code != 0 and not Path("receiver/tuned").exists()
    for name, value in (("--data", "owner/none.txt"), ("--data", "owner/id.recipient.none")):
        missing = lines("adapter", name, value)
        assert missing.code == 66 and not Path("owner/adapter").exists()
    Path("owner/private.txt").write_bytes(b"\xff\xfe canary")
    damaged = lines("adapter")
    assert damaged.code == 65 and "UTF-8" in damaged.err


def test_what_offsite_tuning_lacks_is_named(run: Any, lines: Any) -> None:
    common = "--recipe offsite --to receiver/id.recipient --sign owner/id -o x".split()
    for said, option in (
        ("--role receiver", "--public"),
        ("--role receiver --model y", "--public"),
        ("--role receiver --package y", "--model"),
        ("--role receiver --package y --model z", "--from"),
        ("--role owner --data y --examples 9 --epsilon 1", "--package"),
        ("--role owner --data y --examples 9 --package z --from w", "--epsilon"),
        ("--role receiver --public y --report z --test w", "pictures"),
    ):
        refused = run("train", *common, *said.split())
        assert refused.code == 2 and option in refused.err


def test_a_line_is_one_record_whatever_stands_in_it(run: Any, lines: Any) -> None:
    """Promised for each line, so nothing but its end may cut it: two records would be promised less."""
    line = "\v".join(["a", "\f", "b\x1c\x1d\x1e", "c\x85", "d\u2028e\u2029", "f\rg"])
    Path("owner/private.txt").write_bytes(f"{line}\r\n\n \nlast".encode())
    told = transfer._lines("owner/private.txt", 64)
    assert bytes(told[0][told[0] > 0].tolist()).decode() == line
    assert len(told) == 2 and bytes(told[1][told[1] > 0].tolist()) == b"last"
