"""``masquerade sum`` as a person runs it: real files, real processes, a real ledger."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from masquerade.dp.accountant import Gaussian, Pure, price
from masquerade.serve import chart, cli
from masquerade.serve.books import FileStore

Run = Callable[..., "Ran"]


class Ran:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MASQUERADE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for k in range(2):
        rows = (f"canary {i},{(i * 7 + k) % 100},{(i * 7 + k) % 100 * 2 + 5}\n" for i in range(2000))
        Path(f"{k}.csv").write_text("name,age,pay\n" + "".join(rows))
    return tmp_path


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    def ran(*argv: str) -> Ran:
        code = cli.main(["sum", *argv])
        out, err = capfd.readouterr()
        assert "canary" not in out + err, "a value of the data was shown"
        assert "Traceback" not in err
        return Ran(code, out, err)

    return ran


BOUNDED = ("--column", "age", "--bounds", "0", "120")
MEAN = ("--question", "mean", *BOUNDED)
LINE = ("--question", "regression", *BOUNDED, "--epsilon", "1")


def test_a_mean_over_nodes(run: Run) -> None:
    done = run("0.csv", "1.csv", *MEAN, "--epsilon", "1", "--nodes", "3", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    mean, count = told["figures"]
    assert mean["name"] == "mean"
    assert mean["value"] == pytest.approx(49.5, abs=1.5)
    assert mean["low"] < mean["value"] < mean["high"]
    assert count["value"] == pytest.approx(4000, abs=60)
    assert told["outside"]["low"] < 60
    assert told["noise"]["shares"] == told["nodes"] == 3
    assert told["paid"]["epsilon"] == pytest.approx(1, abs=1e-3)
    assert told["budget"] == {
        "epsilon": 3,
        "spent": pytest.approx(1, abs=1e-3),
        "left": pytest.approx(2, abs=1e-3),
    }
    assert done.err == ""


def test_in_words(run: Run) -> None:
    lines = run("0.csv", *MEAN, "--epsilon", "1", "--nodes", "1").out.splitlines()
    assert re.fullmatch(r"mean +\d+\.\d+  ± \d\.\d+", lines[0])
    assert re.fullmatch(r"count +[\d,]+\.\d  ± \d\.\d", lines[1])
    assert re.fullmatch(r"outside the bounds: \d+ to \d+ records, counted as if they lay on them", lines[2])
    assert re.fullmatch(
        r"paid epsilon 1 at delta 1e-06, Laplace noise; spent 1 of 3, left 2", lines[3]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (("--question", "count"), {"count": 4000}),
        (("--question", "sum", "--column", "age", "--bounds", "0", "100"), {"sum": 198_000}),
        (("--question", "variance", "--column", "age", "--bounds", "0", "100"), {"variance": 833}),
        (("--question", "histogram", "--column", "age", "--bounds", "0", "100", "--bins", "2"),
         {"below 0": 0, "0 to 50": 2000, "50 to 100": 2000, "above 100": 0}),
        (("--question", "quantiles", "--column", "age", "--bounds", "0", "100", "--at", "0.5"),
         {"quantile 0.5": 49.5}),
        (("--question", "regression", "--column", "pay", "--bounds", "0", "250", "--on", "age", "0", "100"),
         {"intercept": 5, "slope of age": 2}),
    ],
)  # fmt: skip
def test_every_question(more: tuple[str, ...], expected: dict[str, float], run: Run) -> None:
    done = run("0.csv", "1.csv", *more, "--epsilon", "8", "--budget", "8", "--nodes", "2", "--json")
    assert done.code == 0, done.err
    figures = {figure["name"]: figure for figure in json.loads(done.out)["figures"]}
    for name, value in expected.items():
        margin = 2 * (figures[name]["high"] - figures[name]["low"]) + 0.5
        assert figures[name]["value"] == pytest.approx(value, abs=margin)
        assert margin < 0.2 * max(abs(value), 400)


def test_parquet_gives_the_same(run: Run, folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"age": [(i * 7) % 100 for i in range(2000)]}), "a.parquet", row_group_size=300)
    told = json.loads(run("a.parquet", *MEAN, "--epsilon", "2", "--nodes", "2", "--json").out)
    assert told["figures"][0]["value"] == pytest.approx(49.5, abs=1.5)


def test_a_histogram_is_drawn(run: Run) -> None:
    more = ("--question", "histogram", "--column", "age", "--bounds", "0", "100", "--plot", "ages.svg")
    done = run("0.csv", *more, "--epsilon", "1", "--nodes", "2")
    assert done.code == 0, done.err
    assert done.out.count("█") > 100
    svg = ET.parse("ages.svg").getroot()
    space = {"s": "http://www.w3.org/2000/svg"}
    assert len(svg.findall(".//s:rect", space)) == 10
    assert len(svg.findall(".//s:path[@class='error']", space)) == 10
    outside = [text.text or "" for text in svg.findall("s:text", space)][-2:]
    assert [text.partition(":")[0] for text in outside] == ["below 0", "above 100"]
    again = run("0.csv", *more, "--epsilon", "1")
    assert again.code == 73
    assert "exists" in again.err
    assert "spent 1 of 3" in run("0.csv", "--balance").out
    assert run("0.csv", *more, "--epsilon", "1", "--force").code == 0


def test_a_drawing_escapes_names_and_has_no_script() -> None:
    from masquerade.compute.questions import Figure

    figures = [Figure(name, 12.0, 10, 14) for name in ("below <0", "a<b", "b", "above 2")]
    figures[1] = figures[1]._replace(value=-3.0, low=-5, high=-1)
    text = chart.histogram([0, 1, 2], figures, "<script>&\x01\n")
    root = ET.fromstring(text)
    assert root.findtext("{http://www.w3.org/2000/svg}title") == "Histogram of <script>&\ufffd\ufffd"
    assert "<script" not in text
    heights = [float(rect.attrib["height"]) for rect in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert heights[0] == 0 < heights[1]


# -- the budget ------------------------------------------------------------------------------------------


def test_a_spent_budget_refuses_and_says_what_is_left(run: Run, folder: Path) -> None:
    small = ("0.csv", "--question", "count", "--epsilon", "0.4", "--nodes", "1", "--budget", "1")
    assert run(*small).code == 0
    assert run(*small).code == 0
    refused = run(*small)
    assert refused.code == 69
    assert "would cost epsilon 0.4" in refused.err
    assert "of 1 is left" in refused.err
    assert refused.out == ""
    balance = run("0.csv", "--balance")
    assert re.search(r"spent 0\.8 of 1 at delta 1e-06, left 0\.2", balance.out)
    assert balance.out.count("count of records") == 2
    assert json.loads(run("0.csv", "--balance", "--json").out)["left"] == pytest.approx(0.2, abs=1e-4)
    assert "nothing was asked yet" in run("1.csv", "--balance").out


def test_each_file_pays_for_itself_and_all_or_none(run: Run, folder: Path) -> None:
    count = ("--question", "count", "--nodes", "1", "--epsilon", "1", "--budget", "1")
    assert run("0.csv", *count).code == 0
    refused = run("0.csv", "1.csv", *count)
    assert refused.code == 69
    assert f"of {folder / '0.csv'} does not" in refused.err
    assert run("1.csv", *count).code == 0
    assert run("./0.csv", *count).code == 69  # by another name


def test_a_named_data_set_is_one_account(run: Run) -> None:
    count = ("--question", "count", "--nodes", "1", "--epsilon", "1", "--budget", "1", "--data-set", "people")
    assert run("0.csv", *count).code == 0
    assert run("1.csv", *count).code == 69
    assert run("1.csv", *count, "--unit", "household").code == 2
    assert run("1.csv", *count, "--ledger", "other.db").code == 0


COUNT = ("--question", "count", "--nodes", "1", "--epsilon", "1", "--budget", "1")


@pytest.mark.parametrize(
    "how", ["hard link", "symbolic link", "copy", "renamed", "data set", "copy that grew"]
)
def test_data_under_another_name_has_no_other_budget(how: str, run: Run, folder: Path) -> None:
    assert run("0.csv", *COUNT).code == 0
    other = ("other.csv", "--data-set", "other") if how == "data set" else ("other.csv",)
    match how:
        case "hard link":
            Path("other.csv").hardlink_to("0.csv")
        case "symbolic link":
            Path("other.csv").symlink_to("0.csv")
        case "renamed":
            Path("0.csv").rename("other.csv")
        case _:
            Path("other.csv").write_bytes(Path("0.csv").read_bytes())
    if how == "copy that grew":  # after it was charged once, as what it is
        assert run("other.csv", *COUNT[:-4], "--epsilon", "1e-9").code == 0
        with Path("other.csv").open("a") as file:
            file.write("canary 1,2,3\n")
    refused = run(*other, *COUNT)
    assert (refused.code, refused.out) == (69, "")
    assert f"the privacy budget of {folder / '0.csv'} does not pay" in refused.err
    if how != "symbolic link":  # which is the same path
        assert f"the budget of {folder / '0.csv'} pays, which has this data too" in refused.err
    balance = run(*other, "--balance").out
    assert balance.startswith(f"{folder / '0.csv'}: spent 1 of 1")


def test_an_account_that_pays_under_another_name_is_named(run: Run, folder: Path) -> None:
    assert run("0.csv", *COUNT[:4], "--epsilon", "1").code == 0
    Path("other.csv").write_bytes(Path("0.csv").read_bytes())
    done = run("other.csv", "1.csv", *COUNT[:4], "--epsilon", "1", "--json")
    assert done.code == 0
    assert json.loads(done.out)["accounts"] == [str(folder / "0.csv"), str(folder / "1.csv")]
    assert done.err == f"masquerade: the budget of {folder / '0.csv'} pays, which has this data too\n"


def test_a_file_that_grew_keeps_its_account(run: Run) -> None:
    assert run("0.csv", *COUNT).code == 0
    with Path("0.csv").open("a") as file:
        file.write("canary 1,2,3\n")
    refused = run("0.csv", *COUNT)
    assert refused.code == 69
    assert refused.err.count("\n") == 1


def test_a_file_with_the_data_of_two_accounts_is_paid_by_both(run: Run, folder: Path) -> None:
    for name in ("0.csv", "1.csv"):
        assert run(name, *COUNT[:4], "--epsilon", "0.5").code == 0
    Path("1.csv").write_bytes(Path("0.csv").read_bytes())
    done = run("1.csv", *COUNT[:4], "--epsilon", "1", "--json")
    assert json.loads(done.out)["accounts"] == [str(folder / "0.csv"), str(folder / "1.csv")]
    for name in ("0.csv", "1.csv"):
        assert run(name, "--balance").out.count("spent 1.5 of 3") == 2


def test_files_of_one_question_pay_each_by_itself(run: Run, folder: Path) -> None:
    assert run("0.csv", "1.csv", *COUNT[:4], "--epsilon", "0.5").code == 0
    assert run("0.csv", *COUNT[:4], "--epsilon", "0.5").code == 0
    assert "spent 1 of 3" in run("0.csv", "--balance").out
    assert "spent 0.5 of 3" in run("1.csv", "--balance").out


def test_a_copy_in_one_question_is_refused(run: Run) -> None:
    """Each record would count twice, and be hidden by the noise for one."""
    Path("other.csv").write_bytes(Path("0.csv").read_bytes())
    refused = run("0.csv", "other.csv", *COUNT)
    assert refused.code == 65
    assert "other.csv: it holds the same as 0.csv" in refused.err
    assert "nothing was asked yet" in run("0.csv", "--balance").out


def test_what_the_budget_refuses_is_not_tied_to_it(run: Run) -> None:
    assert run("0.csv", *COUNT, "--data-set", "people").code == 0
    assert run("1.csv", *COUNT, "--data-set", "people").code == 69
    assert run("1.csv", *COUNT).code == 0


def test_data_has_one_unit(run: Run, folder: Path) -> None:
    assert run("0.csv", *COUNT[:4], "--epsilon", "1", "--unit", "person").code == 0
    Path("other.csv").write_bytes(Path("0.csv").read_bytes())
    for name in ("0.csv", "other.csv"):
        for more in (("--epsilon", "1"), ("--balance",)):
            refused = run(name, *COUNT[:4], *more, "--unit", "visit")
            assert (refused.code, refused.out) == (2, "")
            assert "by the unit person since it was first asked, and keeps it" in refused.err
            assert "leave --budget, --delta and --unit out" in refused.err
    assert run("0.csv", *COUNT[:4], "--epsilon", "1").code == 0, "left out, it is the one that is kept"
    assert json.loads(run("other.csv", "--balance", "--json").out)["unit"] == "person"
    refused = run("0.csv", "1.csv", *COUNT[:4], "--epsilon", "0.1")
    assert refused.code == 2
    assert "several units (person, record)" in refused.err
    assert run("0.csv", "1.csv", *COUNT[:4], "--epsilon", "0.1", "--unit", "person").code == 0


def test_a_file_that_is_gone_still_has_a_balance(run: Run) -> None:
    assert run("0.csv", *COUNT).code == 0
    Path("0.csv").unlink()
    assert "spent 1 of 1" in run("0.csv", "--balance").out


def test_the_ledger_holds_no_digest_of_a_file(run: Run, folder: Path) -> None:
    assert run("0.csv", *COUNT).code == 0
    raw, digest = (folder / "home" / "ledger.db").read_bytes(), hashlib.sha256(Path("0.csv").read_bytes())
    assert digest.digest() not in raw
    assert digest.hexdigest().encode() not in raw


def test_a_budget_stays_as_it_was_set(run: Run) -> None:
    count = ("0.csv", "--question", "count", "--nodes", "1", "--epsilon", "0.1")
    assert run(*count, "--budget", "1", "--delta", "1e-7").code == 0
    changed = run(*count, "--budget", "2")
    assert changed.code == 2
    assert "keeps it" in changed.err
    assert run(*count, "--budget", "1").code == 0
    assert run(*count).code == 0


def test_a_budget_without_delta_takes_laplace(run: Run) -> None:
    more = ("0.csv", *MEAN, "--nodes", "1", "--epsilon", "0.5", "--delta", "0", "--json")
    told = json.loads(run(*more).out)
    assert told["noise"]["kind"] == "laplace"
    assert told["budget"]["spent"] == 0.5
    assert run(*more, "--noise", "gaussian").code == 2


def test_what_was_recorded_is_what_was_done(run: Run, folder: Path) -> None:
    for noise in ("gaussian", "laplace"):
        assert run("0.csv", *MEAN, "--nodes", "2", "--epsilon", "0.5", "--noise", noise).code == 0
    first, second = FileStore(folder / "home" / "ledger.db").entries()
    assert isinstance(first.event, Gaussian)
    assert isinstance(second.event, Pure)
    assert price(first.event, 1e-6) <= 0.5
    assert math.isclose(price(second.event, 0), 0.5)
    assert first.note == "mean of age"
    raw = (folder / "home" / "ledger.db").read_bytes()
    assert b"canary" not in raw


def test_malformed_input_costs_nothing(run: Run) -> None:
    with Path("0.csv").open("a") as file:
        file.write("canary,not a number,3\n")
    refused = run("0.csv", *MEAN, "--epsilon", "1", "--nodes", "2")
    assert refused.code == 65
    assert refused.err == "masquerade: 0.csv, line 2002: column age holds something that is not a number\n"
    assert "spent 0 of 3" in run("0.csv", "--balance").out


# -- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (("0.csv", "--question", "mean", "--epsilon", "1", "--column", "age"), 2, "bounds are missing"),
        (("0.csv", "--question", "mean", "--epsilon", "1", "--bounds", "0", "1"), 2, "needs a --column"),
        (("0.csv", "--epsilon", "1"), 2, "say what to ask"),
        (("0.csv", "--question", "count"), 2, "--epsilon"),
        (("0.csv", "--question", "count", "--epsilon", "0"), 2, "above 0"),
        (("0.csv", "--question", "count", "--epsilon", "nan"), 2, "above 0"),
        (("0.csv", "--question", "count", "--epsilon", "1", "--bounds", "0", "1"), 2, "no bounds"),
        (("0.csv", "--question", "count", "--epsilon", "1", "--nodes", "0"), 2, "1 to 10,000"),
        (("0.csv", "--question", "count", "--epsilon", "1", "--budget", "-1"), 2, "budget"),
        (("0.csv", "--question", "count", "--epsilon", "1", "--plot", "a.svg"), 2, "histogram"),
        (("0.csv", "--question", "count", "--epsilon", "1", "--delimiter", ";;"), 2, "one character"),
        (("0.csv", "--question", "count", "--epsilon", "1", "--encoding", "utf-16"), 65, "utf-8 first"),
        (("0.csv", *MEAN[:4], "--bounds", "9", "1", "--epsilon", "1"), 2, "the lower one first"),
        (("0.csv", *MEAN, "--epsilon", "1", "--bins", "3"), 2, "--question histogram"),
        (("0.csv", "--question", "histogram", *BOUNDED, "--epsilon", "1", "--bins", "0"), 2, "bins"),
        (("0.csv", "--question", "histogram", *BOUNDED, "--epsilon", "1", "--plot", "a.png"), 2, ".svg"),
        (("0.csv", "--question", "quantiles", *BOUNDED, "--epsilon", "1", "--at", "2"), 2, "fractions"),
        (("0.csv", *LINE), 2, "--on NAME LOW HIGH"),
        (("0.csv", *LINE, "--on", "pay", "a", "b"), 2, "two numbers"),
        (("0.csv", *LINE, "--on", "age", "0", "1"), 2, "named twice"),
        (("0.csv", "--question", "mean", *BOUNDED, "--column", "no", "--epsilon", "1"), 65, "no column no"),
        (("0.csv", "--question", "mean", *BOUNDED, "--column", "name", "--epsilon", "1"), 65, "not a number"),
        (("no.csv", *MEAN, "--epsilon", "1"), 66, "No such file"),
        (("0.csv", *MEAN, "--epsilon", "1", "--ledger", "0.csv"), 65, "no ledger"),
        (("0.csv", *MEAN, "--epsilon", "1", "--ledger", "0.csv/x"), 73, "--ledger"),
    ],
)  # fmt: skip
def test_errors_are_one_line_and_cost_nothing(
    argv: tuple[str, ...], code: int, message: str, run: Run
) -> None:
    done = run(*argv)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
    assert done.err.count("\n") == 1
    balance = run("0.csv", "--balance").out
    assert "nothing was asked yet" in balance or "spent 0 of" in balance


@pytest.mark.heavy
def test_over_a_ray_cluster_of_this_machine(run: Run) -> None:
    pytest.importorskip("ray", reason="Ray is not installed to run a cluster with")
    done = run("0.csv", "1.csv", *MEAN, "--epsilon", "1", "--nodes", "3", "--engine", "ray", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["figures"][0]["value"] == pytest.approx(49.5, abs=1.5)
    assert told["budget"]["spent"] == pytest.approx(1, abs=1e-3)


def test_other_verbs_do_not_load_its_libraries() -> None:
    program = "import sys; from masquerade.serve import cli; cli.main(['keys', 'path']); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    ).stdout
    assert "masquerade.serve.cli" in loaded
    assert not {"numpy", "masquerade.serve.sums", "scipy", "dp_accounting"} & set(loaded.split())


def test_a_budget_of_nothing_is_none(run: Run) -> None:
    done = run("0.csv", "--question", "count", "--epsilon", "1", "--budget", "0")
    assert done.code == 2
    assert "a budget is an epsilon above 0" in done.err


def test_an_epsilon_beyond_all_reason_is_priced(run: Run) -> None:
    asked = ("0.csv", "--question", "count", "--noise", "laplace", "--epsilon", "1000", "--nodes", "2")
    assert run(*asked).code == 69  # what a budget of 3 does not pay for
    done = run(*asked, "--data-set", "mine", "--budget", "1500", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["budget"]["spent"] == pytest.approx(1000)


def test_a_file_whose_name_is_no_text_has_an_account(run: Run) -> None:
    name = os.fsdecode(b"\xff.csv")
    Path(name).write_bytes(Path("1.csv").read_bytes())
    count = ("--question", "count", "--epsilon", "2", "--nodes", "2")
    assert run(name, *count).code == 0
    refused = run(name, *count)
    assert refused.code == 69 and "\\xff.csv" in refused.err
    for option in ("--data-set", "--unit"):
        done = run("0.csv", *count, option, os.fsdecode(b"\xfe"))
        assert done.code == 65 and "half of a character" in done.err
        assert run("0.csv", *count, option, "").code == 2


@pytest.mark.parametrize("name", [":memory:", "file:x?mode=memory"])
def test_a_ledger_is_a_file_whatever_its_name(name: str, run: Run) -> None:
    count = ("0.csv", "--question", "count", "--epsilon", "2", "--nodes", "2", "--ledger", name)
    assert run(*count).code == 0
    assert run(*count).code == 69
    assert Path(name).stat().st_size > 0


def test_near_edges_have_names_of_their_own(run: Run) -> None:
    done = run(
        *("0.csv", "--question", "histogram", "--column", "age", "--bounds", "1000000", "1000004"),
        *("--bins", "4", "--epsilon", "1", "--nodes", "2", "--json"),
    )
    names = [figure["name"] for figure in json.loads(done.out)["figures"]]
    assert len(set(names)) == 6 and "1000001 to 1000002" in names
