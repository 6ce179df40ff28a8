"""The report: counts that are right, gaps that are named, a page that stands alone, and the verb itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from test_journal import DAY, KEY, NOON, OWN, POLICY, Clock, entry, files, opened

from masquerade.errors import BadInput
from masquerade.mask.policy import Policy
from masquerade.mask.span import KINDS
from masquerade.serve import keyfile
from masquerade.serve.articles import CATEGORIES, CCPA, LAWS, LEGAL
from masquerade.serve.journal import Journal, Verdict, identity, signers
from masquerade.serve.proof import Reading
from masquerade.serve.record_page import page
from masquerade.serve.report import _KNOWN, _LISTS, _TEXTS, About, _Buckets, record, tallied

ABOUT = """
[record]
controller = "Example GmbH"
contact = "privacy@example.com"
purposes = ["answering customers", "drafting <b>replies</b>"]
subjects = ["customers"]
retention = ["30 days"]
measures = ["disks are encrypted"]

[[record.recipient]]
host = "api.example.com"
name = "Example Models"
country = "US"
safeguard = "standard contractual clauses"
contract = "of 2026-01-01"

[[record.recipient]]
host = "eu.example.com"
name = "Example EU"
country = "DE"
"""


def filled(folder: Path) -> None:
    """Three days, two policies, two recipients, every verdict, an erasure."""
    clock, own = Clock(), Policy.parse(OWN)
    with opened(folder, clock) as journal:
        journal.started("0.1.0", POLICY, "api.example.com", {"workers": 1})
        journal.policy(Policy())
        for _ in range(5):
            journal.record(entry())
        clock.now += DAY
        journal.policy(own)
        journal.record(entry(policy=own.version, found={"PROJECT": {"token": 4}}, recipient="eu.example.com"))
        for verdict, code in ((Verdict.BLOCKED, "blocked_by_policy"), (Verdict.REFUSED, "invalid_request")):
            journal.record(entry(verdict=verdict, code=code, status=400, recipient=""))
        clock.now += DAY
        journal.record(entry(found={"DATE_TIME": {"keep": 3}, "EMAIL": {"token": 1}}, withheld={"link": 2}))
        journal.erased("acme", "subject", "ada.canary@example.com", {"keys": 2})


def made(folder: Path, about: str = "[record]\n", *, zh: bool = False, **period: str) -> dict[str, Any]:
    reading = Reading(folder, signers(KEY))
    tally = tallied(reading, **period)
    return record(tally, reading, About.parse(about), made="2026-02-06T00:00:00Z", zh=zh)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("journal")
    filled(path)
    return path


def answers(told: dict[str, Any], law: str, article: str) -> list[str]:
    return [
        f"{each['source']}: {each['text']}"
        for item in told["laws"][law]["items"]
        if item["article"] == article
        for each in item["answers"]
    ]


# -- counts ---------------------------------------------------------------------------------------------


def test_counts_are_those_of_the_journal(folder: Path) -> None:
    told = made(folder)
    requests = told["requests"]
    assert told["journal"]["verified"] and requests["count"] == 9
    assert requests["verdicts"] == {"sent": 7, "blocked": 1, "refused": 1}
    assert requests["withheld"] == {"link": 2}
    assert requests["bytes_in"] == 9 * 1234 and requests["restored"] == 18
    assert {kind["kind"]: kind["fates"] for kind in told["kinds"]} == {
        "EMAIL": {"token": 15},
        "US_SSN": {"redact": 7},
        "PROJECT": {"token": 4},
        "DATE_TIME": {"keep": 3},
    }
    assert list(told["days"]) == ["2026-02-03", "2026-02-04", "2026-02-05"]
    assert told["days"]["2026-02-04"]["found token"] == 8
    by_host = {each["host"]: each for each in told["recipients"]}
    assert by_host["api.example.com"]["requests"] == 6
    assert by_host["api.example.com"]["clear"] == {"DATE_TIME": 3}
    assert by_host["api.example.com"]["replaced"] == {"EMAIL": 11}  # of 15: what was blocked did not go there
    assert by_host["api.example.com"]["redacted"] == {"US_SSN": 5}
    assert by_host["eu.example.com"]["replaced"] == {"PROJECT": 4}
    assert told["erasures"]["count"] == 1
    assert "canary" not in json.dumps(told)


def test_a_period_is_of_days_and_both_ends_are_in_it(folder: Path) -> None:
    assert made(folder, since="2026-02-04")["requests"]["count"] == 4
    assert made(folder, until="2026-02-03")["requests"]["count"] == 5
    told = made(folder, since="2026-02-04", until="2026-02-04")
    assert told["requests"]["count"] == 3 and told["erasures"]["count"] == 0
    assert told["journal"]["lines"] > 9  # all of it is verified, whatever is counted


def test_policies_in_force_are_those_of_the_period(folder: Path) -> None:
    own = Policy.parse(OWN).version
    first, second = made(folder)["policies"]
    assert (first["version"], second["version"]) == (POLICY, own)
    assert first["to"] == second["from"] and second["to"] is None
    assert second["fates"]["PROJECT"] == "token"
    assert [each["version"] for each in made(folder, since="2026-02-05")["policies"]] == [own]
    assert [each["version"] for each in made(folder, until="2026-02-03")["policies"]] == [POLICY]


def test_times_are_told_to_a_quarter() -> None:
    for us in (1, 2, 3, 7, 8, 1000, 123_456, 99_999_999):
        buckets = _Buckets()
        buckets.add(us)
        told = buckets.at(0.99)
        assert told is not None and us / 1000 < told <= max(us * 1.25 + 1, us + 1) / 1000
        assert sum(buckets.decades().values()) == 1
    assert _Buckets().at(0.5) is None


def test_many_names_are_counted_together(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        for i in range(1500):
            journal.record(entry(tenant=f"t{i}", recipient=f"h{i}.example.com"))
    told = made(tmp_path)
    for counts in (told["requests"]["tenants"], {e["host"]: e["requests"] for e in told["recipients"]}):
        assert len(counts) == 1001 and counts["(others)"] == 500


# -- the laws -------------------------------------------------------------------------------------------


def test_tables_of_the_laws_are_whole() -> None:
    assert set(LEGAL) == set(KINDS)
    for legal in LEGAL.values():
        assert legal.gdpr in CATEGORIES and (not legal.ccpa or legal.ccpa in CCPA)
        assert legal.sensitive in ("", "(A)", "(B)")
    named = [item for _, items in LAWS.values() for item in items]
    assert {item.says for item in named} - {""} == _TEXTS | _LISTS
    assert {item.knows for item in named} - {""} == set(_KNOWN)
    assert all(item.says or item.knows for item in named)
    article = [item.article for item in LAWS["gdpr_controller"][1]]
    assert sorted(set(article)) == [f"30(1)({letter})" for letter in "abcdefg"]
    assert sorted({item.article for item in LAWS["gdpr_processor"][1]}) == [f"30(2)({x})" for x in "abcd"]


def test_what_is_missing_is_said_and_nothing_is_made_up(folder: Path) -> None:
    told = made(folder)
    for law in told["laws"].values():
        for item in law["items"]:
            assert all(answer["source"] != "controller" for answer in item["answers"])
    keys = {each["key"] for each in told["missing"]}
    assert {"controller", "contact", "purposes", "subjects", "retention", "requests", "audits"} <= keys
    assert "officer" not in keys  # asked for only where there is one
    assert answers(told, "gdpr", "30(1)(b)") == ["missing: not stated: record.purposes"]


def test_what_the_controller_says_is_his(folder: Path) -> None:
    told = made(folder, ABOUT)
    assert answers(told, "gdpr", "30(1)(b)") == [
        "controller: answering customers",
        "controller: drafting <b>replies</b>",
    ]
    transfers = answers(told, "gdpr", "30(1)(e)")
    assert transfers == [
        "controller: api.example.com: US; standard contractual clauses",
        "controller: eu.example.com: DE, within the European Economic Area: no transfer",
    ]
    assert "journal: contact details: EMAIL (15)" in answers(told, "gdpr", "30(1)(c)")
    abroad = answers(told, "pipl", "55(4), 38-40")
    assert len(abroad) == 2 and all(each.startswith("missing: ") for each in abroad)
    assert any("PROJECT" in each for each in answers(told, "ccpa", "1798.130(a)(5)(B), 1798.110(c)"))
    assert answers(told, "ccpa", "1798.100(d)")[1].startswith("missing: eu.example.com")


def test_the_record_of_a_processor_and_of_some_laws(folder: Path) -> None:
    told = made(folder, '[record]\nrole = "processor"\nlaws = ["gdpr"]\n')
    assert list(told["laws"]) == ["gdpr"]
    assert {item["article"][:5] for item in told["laws"]["gdpr"]["items"]} == {"30(2)"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[record",
        "record = 1",
        "[record]\npurpose = 'x'",
        "[record]\ncontroller = ['x']",
        "[record]\ncontroller = ''",
        "[record]\npurposes = [1]",
        "[record]\nrole = 'owner'",
        "[record]\nlaws = []",
        "[record]\nlaws = ['x']",
        "[[record.recipient]]\nname = 'x'",
        "[[record.recipient]]\nhost = 'x'\ncountry = 'Germany'",
        "[[record.recipient]]\nhost = 'x'\nland = 'DE'",
        "[record]\nrecipient = ['x']",
    ],
)
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        About.parse(text)


# -- the page -------------------------------------------------------------------------------------------


class Outline(HTMLParser):
    """Tags that are open, and every attribute."""

    VOID = frozenset(("meta", "link", "img", "br", "line", "rect", "i"))

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: Counter[str] = Counter()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen[tag] += 1
        self.attributes += attributes
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen[tag] += 1
        self.attributes += attributes

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("zh", [False, True])
@pytest.mark.parametrize("about", ["[record]\n", ABOUT])
def test_the_page_stands_alone(folder: Path, about: str, zh: bool) -> None:
    text = page(made(folder, about, zh=zh))
    outline = Outline()
    outline.feed(text)
    assert not outline.open
    assert not outline.seen.keys() & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "a",
        "b" if False else "form",
    }
    assert not any(
        name in ("src", "href", "srcset") or name.startswith("on") for name, _ in outline.attributes
    )
    assert "url(" not in text and "@import" not in text
    assert re.findall(r"https?://[^\"']*", text.replace("http://www.w3.org/2000/svg", "")) == []
    assert outline.seen["svg"] == 6 and "prefers-color-scheme:dark" in text and "@media print" in text
    assert "<b>replies</b>" not in text
    assert ('lang="zh-Hans"' in text) == zh and ("邮箱" in text) == zh


def test_the_chinese_page_is_in_chinese(folder: Path) -> None:
    """No sentence of ours is left in English."""
    words = page(made(folder, "[record]\n", zh=True))
    body = re.sub(r"<style>.*?</style>|<code>.*?</code>|<[^>]+>", " ", words, flags=re.DOTALL)
    assert re.findall(r"[a-z]{3,} [a-z]{2,} [a-z]{2,}", body) == []


def test_an_empty_journal_makes_a_page(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    for zh in (False, True):
        text = page(made(tmp_path, zh=zh))
        assert "<svg" not in text and ("本期间内无" if zh else "none in this period") in text


def test_many_days_become_months(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, clock) as journal:
        for _ in range(3):
            journal.record(entry())
            clock.now += 90 * DAY
    assert ">2026-05<" in page(made(tmp_path))


def test_a_journal_that_was_changed_says_so_on_top(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    path = files(tmp_path)[0]
    path.write_bytes(path.read_bytes().replace(b'"token":2', b'"token":1', 1))
    told = made(tmp_path)
    assert not told["journal"]["verified"] and told["journal"]["anchor"] is None
    text = page(told)
    assert text.index("does not verify") < text.index('class="facts"')
    assert "which verifies" not in text and "The journal verifies" not in text


def test_lines_that_hold_something_else_are_faults(tmp_path: Path) -> None:
    """Signed by whoever has the key, and odd all the same."""
    with opened(tmp_path) as journal:
        journal.record(entry())
        journal._add("request", {"verdict": "sent"})
        journal._add("policy", {"policy": 1, "fates": 7})
    told = made(tmp_path)
    assert [fault["line"] for fault in told["journal"]["faults"]] == [3, 4]
    assert page(told)


# -- the verb -------------------------------------------------------------------------------------------


@pytest.fixture
def ours(home: Path) -> Path:
    """A journal where the command looks for it, signed with this machine's key."""
    clock = Clock()
    with Journal(home / "journal", keyfile.load_or_create(), clock=clock) as journal:
        journal.policy(Policy())
        journal.record(entry())
        clock.now += 1
    return home / "journal"


def test_verify_prints_an_anchor_that_holds(ours: Path, run) -> None:  # type: ignore[no-untyped-def]
    done = run("report", "--verify")
    assert done.code == 0 and "verified" in done.out
    anchor = done.out.splitlines()[-1]
    Path("anchor.txt").write_text(anchor + "\n")
    with Journal(ours, keyfile.load(), clock=Clock(NOON + 5)) as journal:
        journal.record(entry())
    assert run("report", "--verify", "--anchor", anchor).code == 0
    assert run("report", "--verify", "--anchor", "anchor.txt").code == 0
    later = json.loads(run("report", "--verify", "--json").out)["anchor"]
    for path in ours.iterdir():
        if path.name.split("-")[1:2] == [later.split("-")[1]] or later.split("-")[1] in path.name:
            path.unlink()
    assert run("report", "--verify", "--anchor", anchor).code == 0
    done = run("report", "--verify", "--anchor", later)
    assert done.code == 65 and "the anchor" in done.err
    assert run("report", "--verify", "--anchor", "x").code == 65


def test_a_fault_is_told_by_file_and_line_with_its_code(ours: Path, run) -> None:  # type: ignore[no-untyped-def]
    (path,) = files(ours)
    path.write_bytes(path.read_bytes().replace(b'"acme"', b'"ACME"'))
    for argv in (["--verify"], ["--json"], ["--html", "a.html"], ["--verify", "--json"]):
        done = run("report", *argv)
        assert done.code == 65
        assert f"{path.name}, line 3: " in done.err
    assert "does not verify" in Path("a.html").read_text()


def test_page_and_json(ours: Path, run) -> None:  # type: ignore[no-untyped-def]
    Path("about.toml").write_text(ABOUT)
    done = run("report", "--html", "a.html", "--json", "--about", "about.toml")
    assert done.code == 0 and "answers are missing" in done.err
    assert json.loads(done.out)["controller"] == "Example GmbH"
    assert Path("a.html").stat().st_mode & 0o777 == 0o600
    assert run("report", "--html", "a.html").code == 73
    assert run("report", "--html", "a.html", "--force", "--lang", "zh", "-q").err == ""
    assert "个人信息处理记录" in Path("a.html").read_text(encoding="utf-8")
    assert "1 requests" in run("report").out
    assert "0 requests" in run("report", "--since", "2026-03-01").out


def test_whose_signature_counts(ours: Path, run, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    public = identity(keyfile.load()).public
    assert json.loads(run("report", "--json").out)["journal"]["signer_known"]
    assert run("report", str(ours), "--verify", "--from", public).code == 0
    assert run("report", str(ours), "--verify", "--from", "0" * 64).code == 65
    monkeypatch.setenv("MASQUERADE_HOME", "elsewhere")  # a machine without a key
    done = run("report", str(ours), "--verify")
    assert done.code == 0 and "compared with nothing" in done.out
    assert not Path("elsewhere").exists()
    monkeypatch.setenv("MASQUERADE_KEY", KEY.export().strip())
    assert run("report", str(ours), "--verify").code == 65


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        ("none", 66),
        ("--since 2026-2-3", 2),
        ("--until yesterday", 2),
        ("--verify --html a.html", 2),
        ("--about none.toml", 66),
        ("--lang fr", 2),
    ],
)
def test_what_cannot_be(ours: Path, run, argv: str, code: int) -> None:  # type: ignore[no-untyped-def]
    assert run("report", *argv.split()).code == code
    assert not Path("a.html").exists()


def test_memory_does_not_grow_with_the_journal(tmp_path: Path) -> None:
    """Ten times the lines, and not a megabyte more."""
    code = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from masquerade.serve.proof import Reading\nfrom masquerade.serve.report import tallied\n"
        "tallied(Reading(Path(sys.argv[1])))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for n in (3_000, 30_000):
        with opened(tmp_path / str(n)) as journal:
            for i in range(n):
                journal.record(entry(seconds=i % 977 / 100, tenant=f"t{i % 100}"))
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / str(n))], capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] - peaks[0] < 1.5
