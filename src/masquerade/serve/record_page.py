"""The record as one page of HTML, in English or Chinese: no script, nothing from elsewhere, good to print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from html import escape
from typing import Any

from masquerade.mask.span import KINDS, Fate
from masquerade.serve import chart
from masquerade.serve.journal import Verdict

_MOST_DAYS = 120
_MOST_ROWS = 200
_MOST_KINDS = 40

_WORDS: dict[str, tuple[str, str]] = {
    "title": ("Record of processing", "个人信息处理记录"),
    "by": ("Made by Masquerade {0} on {1}", "由 Masquerade {0} 于 {1} 生成"),
    "period": ("Period", "期间"),
    "all": ("all that the journal holds", "日志全部内容"),
    "verified": ("The journal verifies", "日志校验通过"),
    "whole": (
        "The journal is whole, under a key that nobody vouched for",
        "日志完整，但其签名密钥未经确认",
    ),
    "broken": ("The journal does not verify: this report cannot be relied on", "日志校验未通过：本报告不可采信"),
    "broken_why": (
        "Only lines before the first fault of each file are counted. The first faults:",
        "仅统计每个文件首个错误之前的行。首要错误：",
    ),
    "line": ("{0}, line {1}: {2}", "{0}，第 {1} 行：{2}"),
    "proof": ("files: {0}, lines: {1}", "{0} 个文件，{1} 行"),
    "unsigned": ("lines behind the last checkpoints, not signed yet: {0}", "最后检查点之后尚未签名的行：{0}"),
    "no_end": ("without an end (still written to, or killed): {0}", "无结束标记（仍在写入，或进程被终止）：{0}"),
    "torn": ("a last line that was cut off: {0}", "最后一行不完整：{0}"),
    "signer": ("signed by", "签名者"),
    "unknown": (
        "The signing key was compared with none that is known: whoever made this journal may have made up all of it.",
        "签名密钥未与任何已知密钥比对：日志可能整体由他人伪造。",
    ),
    "anchor": ("anchor, to be kept elsewhere", "锚点（请另行保存）"),
    "missing": ("{0} answers are missing", "缺少 {0} 项答复"),
    "missing_why": (
        "Only the controller knows them. They belong into the [record] table of the file given with --about.",
        "只有控制者知悉，应写入 --about 所指文件的 [record] 表。",
    ),
    "requests": ("requests", "请求"),
    "found": ("values found", "发现的值"),
    "clear": ("sent in clear", "明文发出"),
    "withheld": ("kept from leaving by a reply", "阻止外泄"),
    "blocked": ("requests blocked", "阻止的请求"),
    "erasures": ("Erasures", "删除"),
    "erasures_n": ("erasures", "删除次数"),
    "days": ("Requests by day", "每日请求"),
    "months": ("Requests by month", "每月请求"),
    "found_days": ("Values found, by day and fate", "每日发现的值（按处理方式）"),
    "found_months": ("Values found, by month and fate", "每月发现的值（按处理方式）"),
    "kinds": ("Kinds of data", "数据类别"),
    "fates": ("What became of them", "处理方式"),
    "times": ("Times", "耗时"),
    "masking": ("Masking, ms", "脱敏耗时（毫秒）"),
    "upstream": ("Recipient, ms", "接收方耗时（毫秒）"),
    "percentiles": ("half within {0} ms, 95 % within {1} ms, 99 % within {2} ms", "50% 在 {0} 毫秒内，95% 在 {1} 毫秒内，99% 在 {2} 毫秒内"),
    "kind": ("kind", "类别"),
    "count": ("found", "数量"),
    "gdpr": ("category of personal data (GDPR)", "个人数据类别（GDPR）"),
    "ccpa": ("CCPA 1798.140(v)(1)", "CCPA 1798.140(v)(1)"),
    "pipl": ("sensitive (PIPL)", "敏感（个保法）"),
    "yes": ("yes", "是"),
    "recipients": ("Recipients", "接收者"),
    "host": ("host", "主机"),
    "stand_ins": ("as stand-ins", "替换后"),
    "from_to": ("from, to", "起止"),
    "policies": ("Policies in force", "生效的策略"),
    "version": ("version", "版本"),
    "from": ("from (UTC)", "起（UTC）"),
    "to": ("to (UTC)", "止（UTC）"),
    "now": ("still in force", "仍然生效"),
    "what": ("what it does", "处理方式"),
    "when": ("when (UTC)", "时间（UTC）"),
    "tenant": ("tenant", "租户"),
    "tenants": ("Tenants", "租户"),
    "scope": ("what was erased", "删除范围"),
    "asked": ("keyed digest of what was asked", "请求内容的密钥摘要"),
    "counts": ("destroyed", "销毁数量"),
    "removed": ("Removed from the journal", "已从日志中移除"),
    "removed_before": ("files from before {0}: {1}", "{0} 之前的文件：{1} 个"),
    "article": ("article", "条款"),
    "asks": ("what has to be on record", "须记录的内容"),
    "answer": ("answer", "答复"),
    "journal": ("journal", "日志"),
    "controller": ("controller", "控制者"),
    "gap": ("missing", "缺失"),
    "none": ("none in this period", "本期间内无"),
    "more": ("and {0} more", "另有 {0} 项"),
    "note": (
        "Counts are of the journal, which holds no values. Categories follow from the form of a value: whose it "
        "is, and what it is used for, only the controller knows. This page is no legal advice.",
        "数量来自日志，日志不含任何值。类别由值的形式得出；其所属与用途只有控制者知悉。本页不构成法律意见。",
    ),
    "starts": ("Starts of the gateway", "网关启动"),
    "settings": ("settings", "设置"),
    "sent": ("sent", "已发送"),
    "refused": ("refused", "已拒绝"),
    "failed": ("failed", "失败"),
    "token": ("token", "代号"),
    "plausible": ("plausible", "仿真"),
    "redact": ("redact", "抹去"),
    "block": ("block", "阻止"),
    "keep": ("in clear", "明文"),
}  # fmt: skip

_VERDICTS = tuple(verdict.value for verdict in Verdict)
_FATES = tuple(fate.value for fate in (Fate.TOKEN, Fate.PLAUSIBLE, Fate.REDACT, Fate.BLOCK, Fate.KEEP))


def page(record: Mapping[str, Any]) -> str:
    """The page of what ``report.record`` made, in its language."""
    drawn = _Page(record)
    return _PAGE.format(
        lang=drawn.lang, title=drawn.word("title"), style=_STYLE, body="\n".join(drawn.parts())
    )


def _text(value: object) -> str:
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))
    return escape(shown)


def _time(at: str) -> str:
    return _text(at[:19].replace("T", " "))


class _Page:
    def __init__(self, record: Mapping[str, Any]) -> None:
        self.record, self.zh = record, record["language"] == "zh"
        self.lang = "zh-Hans" if self.zh else "en"
        self.words = {name: self.word(name) for name in (*_VERDICTS[:1], *_VERDICTS[2:], *_FATES)}
        self.words["blocked"] = "已阻止" if self.zh else "blocked"

    def word(self, name: str, *values: object) -> str:
        return _WORDS[name][self.zh].format(*map(_text, values))

    def parts(self) -> Iterator[str]:
        """From top to bottom."""
        yield self.head()
        yield self.proof()
        yield self.gaps()
        yield self.figures()
        yield from self.plots()
        for law in self.record["laws"].values():
            yield self.law(law)
        yield self.kinds()
        yield self.recipients()
        yield self.policies()
        yield self.erasures()
        yield self.tenants()
        yield f'<p class="note">{self.word("note")}</p>'

    # The top

    def head(self) -> str:
        record, period = self.record, self.record["period"]
        since, until = period["since"] or period["first"], period["until"] or period["last"]
        days = f"{_text(since[:10])} – {_text(until[:10])}" if since and until else self.word("all")
        who = f"<p class=who>{_text(record['controller'])}</p>" if record["controller"] else ""
        by = self.word("by", record["masquerade"], record["made"][:10])
        return (
            f"<header><h1>{self.word('title')}</h1>{who}<p>{self.word('period')}: {days} · {by}</p></header>"
        )

    def proof(self) -> str:
        told = self.record["journal"]
        lines = [self.word("proof", f"{told['files']:,}", f"{told['lines']:,}")]
        if told["unsigned"]:
            lines.append(self.word("unsigned", f"{told['unsigned']:,}"))
        for name, key in (("no_end", "without_end"), ("torn", "torn")):
            if told[key]:
                lines.append(self.word(name, self.some(told[key], 3)))
        lines += [f"{self.word('signer')} <code>{_text(key)}</code>" for key in told["signers"]]
        if not told["signer_known"]:
            lines.append(f"<b>{self.word('unknown')}</b>")
        if told["verified"]:
            anchor = f"{self.word('anchor')}: <code>{_text(told['anchor'])}</code>"
            kind, title = ("good", "verified") if told["signer_known"] else ("gap", "whole")
            return self.box(kind, self.word(title), [*lines, anchor])
        faults = [
            f"<b>{self.word('line', fault['file'], fault['line'], fault['what'])}</b>"
            for fault in told["faults"][:10]
        ]
        return self.box("bad", self.word("broken"), [self.word("broken_why"), *faults, *lines])

    def box(self, kind: str, title: str, lines: Iterable[str]) -> str:
        body = "".join(f"<p>{line}</p>" for line in lines)
        return f'<section class="box {kind}"><h2>{title}</h2>{body}</section>'

    def some(self, names: Sequence[str], most: int) -> str:
        more = [self.word("more", len(names) - most)] if len(names) > most else []
        return ", ".join([*names[:most], *more])

    def gaps(self) -> str:
        missing = self.record["missing"]
        if not missing:
            return ""
        laws = {"gdpr": "GDPR", "ccpa": "CCPA", "pipl": "个保法" if self.zh else "PIPL"}
        rows = "".join(
            f"<li><span>{laws[each['law']]} {_text(each['article'])}</span> {_text(each['asks'])}</li>"
            for each in missing
        )
        title, why = self.word("missing", len(missing)), self.word("missing_why")
        return f'<section class="box gap"><h2>{title}</h2><p>{why}</p><ul>{rows}</ul></section>'

    def figures(self) -> str:
        requests, kinds = self.record["requests"], self.record["kinds"]
        told = {
            "requests": requests["count"],
            "blocked": requests["verdicts"].get("blocked", 0),
            "found": sum(kind["found"] for kind in kinds),
            "clear": sum(sum(each["clear"].values()) for each in self.record["recipients"]),
            "withheld": sum(requests["withheld"].values()),
            "erasures_n": self.record["erasures"]["count"],
        }
        items = "".join(f"<div><dt>{self.word(name)}</dt><dd>{n:,}</dd></div>" for name, n in told.items())
        return f'<dl class="facts">{items}</dl>'

    # Plots

    def plots(self) -> Iterator[str]:
        days = self.record["days"]
        if not days:
            return
        columns, by = _columns(days)
        for name, prefix, keys in ((by, "", _VERDICTS), ("found_" + by, "found ", _FATES)):
            series = {key: [column.get(prefix + key, 0) for column in columns.values()] for key in keys}
            yield self.plot(name, chart.columns(list(columns), series, self.word(name), self.words), keys)
        kinds = [
            (self.named(each["kind"]), {fate: each["fates"].get(fate, 0) for fate in _FATES})
            for each in self.record["kinds"][:_MOST_KINDS]
        ]
        if kinds:
            yield self.plot("kinds", chart.bars(kinds, self.word("kinds"), self.words), _FATES)
            fates = [
                (self.words[fate], {fate: n})
                for fate in _FATES
                if (n := sum(each["fates"].get(fate, 0) for each in self.record["kinds"]))
            ]
            yield self.plot("fates", chart.bars(fates, self.word("fates"), self.words), ())
        yield f"<h2>{self.word('times')}</h2>"
        for name in ("masking", "upstream"):
            told = self.record["milliseconds"][name]
            if told["p50"] is not None:
                said = self.word("percentiles", *(_ms(told[key]) for key in ("p50", "p95", "p99")))
                plot = chart.columns(
                    list(told["counts"]), {"time": list(told["counts"].values())}, self.word(name)
                )
                yield f"<figure><figcaption>{self.word(name)}: <span>{said}</span></figcaption>{plot}</figure>"

    def named(self, kind: str) -> str:
        return KINDS.get(kind, kind) if self.zh else kind

    def plot(self, name: str, drawn: str, keys: Iterable[str]) -> str:
        legend = "".join(f'<span class="key"><i class="s-{key}"></i>{self.words[key]}</span>' for key in keys)
        return f"<figure><figcaption>{self.word(name)} {legend}</figcaption>{drawn}</figure>"

    # Tables

    def law(self, law: Mapping[str, Any]) -> str:
        def rows() -> Iterator[str]:
            for item in law["items"]:
                if item["answers"]:
                    answers = "".join(map(self.answer, item["answers"]))
                    yield (
                        f"<tr><th scope=row>{_text(item['article'])}</th><td>{_text(item['asks'])}</td><td>{answers}</td></tr>"
                    )

        head = self.headings("article", "asks", "answer")
        return f'<h2>{_text(law["heading"])}</h2><div class="wide"><table class="law">{head}{"".join(rows())}</table></div>'

    def answer(self, answer: Mapping[str, str]) -> str:
        source = "gap" if answer["source"] == "missing" else answer["source"]
        return f'<p class="from-{source}">{_text(answer["text"])} <small>{self.word(source)}</small></p>'

    def headings(self, *names: str) -> str:
        return f"<thead><tr>{''.join(f'<th scope=col>{self.word(name)}</th>' for name in names)}</tr></thead>"

    def table(self, title: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        if not rows:
            return f"<h2>{self.word(title)}</h2><p>{self.word('none')}</p>"
        body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows[:_MOST_ROWS])
        more = f"<p>{self.word('more', len(rows) - _MOST_ROWS)}</p>" if len(rows) > _MOST_ROWS else ""
        table = f"<table>{self.headings(*names)}<tbody>{body}</tbody></table>"
        return f'<h2>{self.word(title)}</h2><div class="wide">{table}</div>{more}'

    def kinds(self) -> str:
        rows = [
            (
                _text(self.named(each["kind"])),
                f"{each['found']:,}",
                _text(each["category"]),
                _text(each["ccpa"] or "–"),
                self.word("yes") if each["pipl_sensitive"] else "–",
            )
            for each in self.record["kinds"]
        ]
        return self.table("kinds", ("kind", "count", "gdpr", "ccpa", "pipl"), rows)

    def recipients(self) -> str:
        def listed(counts: Mapping[str, int]) -> str:
            return _text(", ".join(f"{self.named(kind)} {n:,}" for kind, n in counts.items()) or "–")

        rows = [
            (
                _text(each["host"]),
                f"{each['requests']:,}",
                f"{_text(each['first'][:10])} – {_text(each['last'][:10])}",
                listed(each["clear"]),
                listed(each["replaced"]),
            )
            for each in self.record["recipients"]
        ]
        return self.table("recipients", ("host", "requests", "from_to", "clear", "stand_ins"), rows)

    def policies(self) -> str:
        def does(fates: Mapping[str, str]) -> str:
            kinds: dict[str, list[str]] = {}
            for kind, fate in fates.items():
                kinds.setdefault(fate, []).append(kind)
            return "; ".join(
                f"<b>{_text(self.words.get(fate, fate))}</b> {_text(', '.join(map(self.named, kinds[fate])))}"
                for fate in kinds
            )

        rows = [
            (
                f"<code>{_text(each['version'])}</code>",
                _time(each["from"]),
                _time(each["to"]) if each["to"] else self.word("now"),
                f'<span class="long">{does(each["fates"])}</span>',
            )
            for each in self.record["policies"]
        ]
        return self.table("policies", ("version", "from", "to", "what"), rows)

    def erasures(self) -> str:
        rows = [
            (
                _time(each["at"]),
                _text(each["tenant"]),
                _text(each["scope"]),
                _text(", ".join(f"{name} {n:,}" for name, n in each["counts"].items()) or "–"),
                f"<code>{_text(each['asked'][:16])}…</code>",
            )
            for each in self.record["erasures"]["list"]
        ]
        told = self.table("erasures", ("when", "tenant", "scope", "counts", "asked"), rows)
        for each in self.record["retired"]:
            told += (
                f"<p>{self.word('removed')}: {self.word('removed_before', each['before'], each['files'])}</p>"
            )
        return told

    def tenants(self) -> str:
        rows = [(_text(name), f"{n:,}") for name, n in self.record["requests"]["tenants"].items()]
        return self.table("tenants", ("tenant", "requests"), rows)


def _columns(days: Mapping[str, Mapping[str, int]]) -> tuple[dict[str, dict[str, int]], str]:
    """A column for each day from the first to the last, or for each month (or year) if there are many."""
    first, last = (date.fromisoformat(day) for day in (min(days), max(days)))
    count = (last - first).days + 1
    part = slice(5, 10) if count <= _MOST_DAYS else slice(7) if count <= 30 * _MOST_DAYS else slice(4)
    columns: dict[str, dict[str, int]] = {}
    for ahead in range(count):
        day = (first + timedelta(ahead)).isoformat()
        column = columns.setdefault(day[part], {})
        for name, n in days.get(day, {}).items():
            column[name] = column.get(name, 0) + n
    return columns, "days" if count <= _MOST_DAYS else "months"


def _ms(value: float) -> str:
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


_STYLE = """
:root{color-scheme:light dark;--ink:#1c2530;--soft:#5a6673;--paper:#fff;--line:#d9dfe6;--card:#f5f7f9;
--goodink:#1a6b3c;--goodpaper:#edf7f0;--badink:#a3290f;--badpaper:#fdeeea;--gapink:#7a5200;--gappaper:#fdf6e3;
--blue:#1f6fb2;--teal:#2a9d8f;--grey:#8792a0;--red:#c04820;--amber:#d99a06}
@media (prefers-color-scheme:dark){:root{--ink:#e6ebf0;--soft:#a3afbb;--paper:#12171c;--line:#323c46;
--card:#1b2229;--goodink:#7fd6a2;--goodpaper:#13271b;--badink:#f5a582;--badpaper:#331a12;--gapink:#f0cd7a;
--gappaper:#2b2412;--blue:#5ca8e8;--teal:#4fc1b2;--grey:#7b8794;--red:#f08054;--amber:#f0b83a}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:66rem;padding:2rem 1.25rem 4rem;color:var(--ink);background:var(--paper);
font:16px/1.5 system-ui,"Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif}
h1{font-size:1.8rem;line-height:1.2;margin:0}h2{font-size:1.2rem;margin:2.5rem 0 .75rem}
header p{color:var(--soft);margin:.25rem 0 1.25rem}header .who{color:var(--ink);font-size:1.1rem;margin:.5rem 0 0}
.box{border-left:4px solid;border-radius:4px;padding:.75rem 1rem;margin:0 0 1rem;overflow-wrap:anywhere}
.box h2{margin:0 0 .25rem;font-size:1.05rem}.box p{margin:.15rem 0;color:var(--ink);font-size:.88rem}
.box ul{margin:.5rem 0 0;padding:0;list-style:none;columns:2 20rem;column-gap:2rem;font-size:.85rem}
.box li{break-inside:avoid;margin:0 0 .3rem;color:var(--ink)}.box li span{color:var(--gapink);font-weight:600}
.good{color:var(--goodink);background:var(--goodpaper)}.bad{color:var(--badink);background:var(--badpaper)}
.gap{color:var(--gapink);background:var(--gappaper)}
code{font:.85em ui-monospace,monospace;overflow-wrap:anywhere}
.facts{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.5rem 0}
.facts div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.5rem .9rem}
.facts dt{color:var(--soft);font-size:.82rem}.facts dd{margin:0;font-weight:600;font-size:1.25rem;
font-variant-numeric:tabular-nums}
figure{margin:1.75rem 0 0;break-inside:avoid}
figcaption{font-weight:600;font-size:1rem;margin-bottom:.4rem}figcaption span{color:var(--soft);font-weight:400;
font-size:.85rem}
.key{display:inline-block;margin-left:.9rem}.key i{display:inline-block;width:.75rem;height:.75rem;
border-radius:2px;margin-right:.35rem;vertical-align:-.06rem}
.chart{display:block;width:100%;height:auto;max-width:60rem}.chart text{font:10px system-ui,sans-serif;fill:var(--ink)}
.chart text.soft{fill:var(--soft)}.chart .grid{stroke:var(--line)}
.s-token,.s-sent,.s-time{fill:var(--blue);background:var(--blue)}.s-plausible{fill:var(--teal);background:var(--teal)}
.s-redact,.s-refused{fill:var(--grey);background:var(--grey)}.s-block,.s-blocked{fill:var(--red);background:var(--red)}
.s-keep,.s-failed{fill:var(--amber);background:var(--amber)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:.4rem .9rem .4rem 0;border-bottom:1px solid var(--line)}
thead th{color:var(--soft);font-weight:500}tbody th,.law th{font-weight:500}
.law th[scope=row]{width:9rem}.law td:nth-child(2){width:17rem}.law td p{margin:0 0 .25rem;overflow-wrap:anywhere}
small{color:var(--soft);font-size:.75rem;border:1px solid var(--line);border-radius:3px;padding:0 .3rem;
white-space:nowrap}.from-gap,.from-gap small{color:var(--gapink)}
td code{white-space:nowrap}.long{font-size:.8rem}.note{margin-top:3rem;color:var(--soft);font-size:.85rem}
@media print{:root{--ink:#000;--soft:#444;--paper:#fff;--line:#bbb;--card:#fff;--goodink:#000;--goodpaper:#fff;
--badink:#a3290f;--badpaper:#fff;--gapink:#7a5200;--gappaper:#fff;--blue:#1f6fb2;--teal:#2a9d8f;--grey:#8792a0;
--red:#c04820;--amber:#d99a06}body{max-width:none;padding:0;font-size:10pt}tr,figure,.box{break-inside:avoid}
h2{break-after:avoid}.wide{overflow:visible}rect,i{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""

_PAGE = """<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""
