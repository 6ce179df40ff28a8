"""What the command line takes: the verbs, and their options with a line of help each.

Nothing of it loads what a verb works with.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from masquerade import __version__

Run = Callable[[argparse.Namespace], int]

QUESTIONS = ("count", "sum", "mean", "variance", "histogram", "quantiles", "regression")
"""Those of ``compute/questions.py``, whose libraries a command line that asks none need not load."""


def parser_of(verbs: Mapping[str, Run], codes: str) -> argparse.ArgumentParser:
    """The parser of the whole command: each verb with what runs it; ``codes`` ends every help text."""
    parser = argparse.ArgumentParser(
        prog="masquerade",
        description="Private data goes out masked, and the answer comes back whole.",
        epilog=codes,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"masquerade {__version__}")
    rooms = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, text: str) -> argparse.ArgumentParser:
        made = rooms.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".", epilog=codes,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        made.set_defaults(run=verbs[name])
        return made

    mask = verb("mask", "cover what is private in a file or pipe")
    _reads(mask)
    _writes(mask)
    mask.add_argument(
        "--array", action="store_true", help="mask all bytes of a .npy, .npz or any other binary file"
    )
    mask.add_argument(
        "--policy", metavar="FILE", help="what becomes of each kind (default: the built-in policy)"
    )
    mask.add_argument(
        "--tenant", default="default", metavar="NAME", help="whose key masks (default: %(default)s)"
    )
    mask.add_argument(
        "--vault", metavar="PATH", help="where to put what restoring needs (default: OUT.vault)"
    )
    mask.add_argument("--no-vault", action="store_true", help="write no vault: the file cannot be restored")
    _selects(mask)

    restore = verb("restore", "put the originals back, from the vault beside the masked file")
    _reads(restore)
    _writes(restore)
    restore.add_argument("--vault", metavar="PATH", help="the vault (default: IN.vault)")
    restore.add_argument(
        "--array", action="store_true", help="IN was masked with --array (a file says so itself)"
    )
    restore.add_argument(
        "--tenant", default="default", metavar="NAME",
        help="whose key masked an array (default: %(default)s); a vault knows its own",
    )  # fmt: skip

    find = verb("find", "say where something private stands: line, column, kind and score")
    _reads(find)
    _selects(find)
    find.add_argument("--policy", metavar="FILE", help="what to look for (default: the built-in policy)")
    find.add_argument("--show", action="store_true", help="print the values too")
    find.add_argument("--json", action="store_true", help="print a JSON object a line")
    find.add_argument("--exit-code", action="store_true", help="exit with 1 if anything was found")
    find.add_argument(
        "--on-error", choices=("stop", "skip"), default="stop", help="at a line that cannot be read"
    )

    check = verb("check", "explain a policy, or name the line that makes it impossible")
    check.add_argument("file", metavar="POLICY")
    sample = check.add_mutually_exclusive_group()
    sample.add_argument(
        "--sample", metavar="TEXT", help="show what would be found in TEXT, and what would be sent"
    )
    sample.add_argument("--sample-file", metavar="FILE", help="the same for the text of a file")
    check.add_argument("--json", action="store_true", help="print one JSON object")

    _sum_parser(verb("sum", "ask a question about columns of files, with noise that a budget pays for"))
    _seal_parser(verb("seal", "seal files and folders to recipients, signed, in one package"))
    _open_parser(verb("open", "open a package that was sealed to you, once all of it is verified"))
    _inspect_parser(verb("inspect", "say who sealed a package, to whom, and at which privacy budget"))
    _keys_parser(verb("keys", "show, make, rotate and hand out keys"))
    _train_parser(verb("train", "train on private data, and hand the model over sealed, by a recipe"))
    _serve_parser(verb("serve", "run the gateway that OpenAI clients talk through"))
    verify = verb("verify", "plant made-up values in a gateway of these settings, and tell what got through")
    _serve_parser(verify)
    verify.add_argument(
        "--endpoint", action="append", default=[], metavar="NAME", help="only this one, as chat; repeatable"
    )
    verify.add_argument("--json", action="store_true", help="print one JSON object")
    _erase_parser(verb("erase", "destroy what is remembered of a tenant, a person or a conversation"))
    _report_parser(
        verb("report", "make the record that a regulator asks for, or prove that the journal is whole")
    )
    _mailbox_parser(verb("mailbox", "relay the sealed messages of secure sums, over TLS"))
    _join_parser(verb("join", "take part in a secure sum, as client or aggregator"))
    return parser


def _reads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", nargs="?", default="-", metavar="IN", help="a file; - or nothing for a pipe")
    parser.add_argument(
        "--format", choices=("text", "jsonl", "json", "csv"), help="default: by the name of IN"
    )
    parser.add_argument("--encoding", metavar="NAME", help="as utf-8 (default), gb18030, big5, latin-1")
    _parts_cells(parser)
    parser.add_argument("--quiet", "-q", action="store_true", help="no summary and no progress bar")


def _parts_cells(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--delimiter", type=_delimiter, metavar="CHAR",
        help="what parts CSV cells (default: comma; tab in .tsv)",
    )  # fmt: skip


def _selects(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--column", action="append", default=[], metavar="NAME", help="only this CSV column; repeatable"
    )
    parser.add_argument(
        "--field", action="append", default=[], metavar="A.B", help="only this JSON field; repeatable"
    )
    parser.add_argument(
        "--no-header", action="store_true", help="the first CSV record is data; columns are 1, 2, 3"
    )


def _writes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", "-o", default="-", metavar="OUT", help="a file; - or nothing for a pipe")
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")
    parser.add_argument("--json", action="store_true", help="a JSON summary, on stderr when OUT is a pipe")
    parser.add_argument(
        "--on-error", choices=("stop", "skip"), default="stop",
        help="at a line that cannot be read: stop, or set it aside, unmasked, and go on",
    )  # fmt: skip
    parser.add_argument(
        "--rejected", metavar="PATH", help="where lines are set aside (default: OUT.rejected)"
    )


def _keys_parser(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(action="show", json=False)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    show = actions.add_parser(
        "show", help="ids and times, and where they are kept; never the secret (default)"
    )
    show.add_argument("--json", action="store_true", help="print one JSON object")
    actions.add_parser("path", help="where the key file is")
    actions.add_parser("create", help="make the key file, if there is none")
    actions.add_parser("rotate", help="put a new key in front; the old ones still restore")
    export = actions.add_parser("export", help="print the secret itself, for another machine or a safe")
    export.add_argument("--reveal-secret", action="store_true", help="required")
    identity = actions.add_parser(
        "identity", help="make an identity alone, as secure sums need it, and print its public half"
    )
    identity.add_argument("file", metavar="FILE", help="where to keep it; it must not exist")
    new = actions.add_parser("new", help="make an identity, and beside it what others seal to")
    new.add_argument("file", metavar="FILE", help="where to keep it; FILE.recipient is for others")
    recipient = actions.add_parser("recipient", help="print what others seal to, from an identity")
    recipient.add_argument("file", metavar="IDENTITY", help="the identity's file")
    client = actions.add_parser("client", help="make a key for a client of the gateway, and print it once")
    client.add_argument("name", metavar="NAME", help="who will hold it")
    client.add_argument("--tenant", default="default", metavar="NAME", help="whose key masks for this client")
    client.add_argument(
        "--file", metavar="PATH", help="the client keys file (default: clients.toml by the key file)"
    )


def _seal_parser(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("paths", nargs="+", metavar="PATH", help="a file or a folder")
    add("--to", action="append", required=True, metavar="RECIPIENT", help="a recipient's file; repeatable")
    add("--sign", required=True, metavar="IDENTITY", help="who you are: see  masquerade keys new")
    add("--output", "-o", required=True, metavar="FILE", help="the package")
    add("--title", default="", metavar="TEXT", help="one line that anyone can read (default: none)")
    add("--series", metavar="NAME", help="of what this is a version (default: the name of PATH)")
    add(
        "--sequence",
        type=int,
        metavar="N",
        help="its number, which grows (default: the time in milliseconds)",
    )
    add("--card", metavar="FILE", help="the model card: a text")
    add("--configuration", metavar="FILE", help="the configuration: JSON")
    add(
        "--account",
        action="append",
        default=[],
        metavar="NAME",
        help="tell what this account of the ledger paid; repeatable",
    )
    add(
        "--ledger",
        type=Path,
        metavar="FILE",
        help="where budgets are kept (default: ledger.db by the key file)",
    )
    add("--force", action="store_true", help="replace FILE if it exists")
    add("--json", action="store_true", help="print one JSON object")
    add("--quiet", "-q", action="store_true", help="no summary and no progress bar")


def _open_parser(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", metavar="FILE", help="the package")
    add("--key", required=True, metavar="IDENTITY", help="who you are")
    add(
        "--from",
        dest="sender",
        required=True,
        metavar="SIGNER",
        help="who must have signed it: a recipient's file, or 64 digits",
    )
    add("--output", "-o", required=True, metavar="DIR", help="a new folder")
    add(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="only this file or folder of it; repeatable",
    )
    add("--older", action="store_true", help="take it though a newer one of its series was opened before")
    add("--force", action="store_true", help="replace DIR, and all in it, if it exists")
    add("--json", action="store_true", help="print one JSON object")
    add("--quiet", "-q", action="store_true", help="no summary and no progress bar")


def _inspect_parser(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", metavar="FILE", help="the package")
    add("--key", metavar="IDENTITY", help="show what only recipients can read, too")
    add(
        "--from",
        dest="sender",
        metavar="SIGNER",
        help="who must have signed it: a recipient's file, or 64 digits",
    )
    add("--json", action="store_true", help="print one JSON object")


def _sum_parser(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="CSV with a header, or Parquet (by .parquet)")
    add("--question", choices=QUESTIONS, help="what to ask")
    add("--column", metavar="NAME", help="of which column; count needs none")
    add(
        "--bounds",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="from where to where its values may lie",
    )
    add(
        "--on", nargs=3, action="append", default=[], metavar=("NAME", "LOW", "HIGH"),
        help="regression: a column that explains, and its bounds; repeatable",
    )  # fmt: skip
    add("--bins", type=int, metavar="N", help="histogram: intervals between the bounds (default: 10)")
    add("--at", nargs="+", type=float, metavar="F", help="quantiles: fractions (default: 0.25 0.5 0.75)")
    add("--epsilon", type=float, metavar="E", help="what the answer may cost")
    add(
        "--noise", choices=("auto", "gaussian", "laplace"), default="auto",
        help="auto (default) takes the one with less of it",
    )  # fmt: skip
    add("--budget", type=float, metavar="E", help="of data that is new to the ledger (default: 3)")
    add("--delta", type=float, metavar="D", help="of that budget (default: 1e-06)")
    add("--balance", action="store_true", help="ask nothing: show what was paid, and what is left")
    add(
        "--data-set", metavar="NAME", help="one account for all files, if none knows them (default: one each)"
    )
    add("--unit", metavar="NAME", help="what one record of data that is new stands for (default: record)")
    add(
        "--ledger",
        type=Path,
        metavar="FILE",
        help="where budgets are kept (default: ledger.db by the key file)",
    )
    add("--nodes", type=int, default=4, metavar="N", help="parts, each with its share of noise (default: 4)")
    add(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="processes of this machine (default), or Ray",
    )
    add("--skip-missing", action="store_true", help="leave out records in which a column is empty")
    add("--encoding", default="utf-8", metavar="NAME", help="of CSV files (default: utf-8)")
    _parts_cells(parser)
    add("--plot", metavar="FILE.svg", help="draw the histogram")
    add("--force", action="store_true", help="replace FILE.svg if it exists")
    add("--json", action="store_true", help="print one JSON object")
    add("--quiet", "-q", action="store_true", help="no progress bar")


def _mailbox_parser(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (default: %(default)s)")
    add("--port", type=int, default=8443, metavar="N", help="default: %(default)s")
    add("--certificate", required=True, metavar="FILE", help="its TLS certificate, with the chain (PEM)")
    add("--certificate-key", required=True, metavar="FILE", help="the certificate's key (PEM)")
    add("--message", type=int, metavar="BYTES", help="largest message (default: 64 MiB)")
    add("--total", type=int, metavar="BYTES", help="of all messages together (default: 1 GiB)")
    add("--rooms", type=int, metavar="N", help="rounds at a time (default: 100)")
    add("--messages", type=int, metavar="N", help="messages of one round (default: 100000)")
    add("--lifetime", type=float, metavar="SECONDS", help="of a round's messages (default: 3600)")
    add("--wait", type=float, metavar="SECONDS", help="longest wait for a message (default: 30)")


def _join_parser(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("roster", metavar="ROSTER", help="what all have agreed on (TOML)")
    add("--identity", required=True, metavar="FILE", help="who you are: see  masquerade keys identity")
    add("--values", metavar="FILE", help="a client's numbers: .npy, .csv or .json")
    add("--weight", type=float, metavar="W", help="their weight, if the roster has a weight_bound")
    add("--clip", action="store_true", help="set numbers outside the bound to it, and say how many")
    add("--output", "-o", default="-", metavar="OUT", help="the result, as JSON; - for a pipe (default)")
    add("--force", action="store_true", help="replace OUT if it exists")
    add("--ca", metavar="FILE", help="certificates to trust for the mailbox (default: the system's)")
    add(
        "--patience",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="that the aggregator waits for clients, at each stage (default: 30)",
    )
    add("--timeout", type=float, default=600.0, metavar="SECONDS", help="for the round (default: 600)")
    add("--quiet", "-q", action="store_true", help="say nothing on the way")


def _serve_parser(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--host", metavar="ADDRESS", help="where to listen (default: 127.0.0.1)")
    add("--port", type=int, metavar="N", help="default: 8080")
    add("--upstream", metavar="URL", help="an OpenAI-compatible service (default: the built-in mirror model)")
    add("--anthropic", metavar="URL", help="a service for Anthropic's API")
    add("--recogniser", type=Path, metavar="FOLDER", help="serve this trained classifier of pictures instead")
    add(
        "--upstream-key-env",
        metavar="NAME",
        help="the variable with its key (default: the client's own passes)",
    )
    add("--upstream-key-file", type=Path, metavar="FILE", help="the same from a file")
    add("--anthropic-key-env", metavar="NAME", help="as --upstream-key-env, for --anthropic")
    add("--anthropic-key-file", type=Path, metavar="FILE", help="the same from a file")
    add(
        "--client-keys",
        type=Path,
        metavar="FILE",
        help="who may use this gateway: see  masquerade keys client",
    )
    add("--policy", type=Path, metavar="FILE", help="what becomes of each kind")
    add(
        "--no-watch",
        action="store_true",
        default=None,
        help="read changed files (policy, client keys) at SIGHUP only",
    )
    add("--workers", type=int, metavar="N", help="processes (default: 1)")
    add("--max-body", type=int, metavar="BYTES", help="largest request (default: 32 MiB)")
    add("--requests-per-minute", type=int, metavar="N", help="of one tenant (default: as many as it likes)")
    add("--bytes-per-minute", type=int, metavar="N", help="the same for bodies that it sends")
    add("--max-concurrent", type=int, metavar="N", help="requests of one tenant at a time")
    add("--max-upload", type=int, metavar="BYTES", help="largest file (default: 512 MiB)")
    add("--journal", type=Path, metavar="FOLDER", help="where the journal is (default: beside the key)")
    add("--no-journal", action="store_true", default=None, help="keep no journal")
    add(
        "--journal-required",
        action="store_true",
        default=None,
        help="take no request while the journal cannot be written",
    )
    add("--store", metavar="PLACE", help="the sealed store: a file, or redis://... (default: beside the key)")
    add("--max-held", type=int, metavar="BYTES", help="of all requests of one process (default: 256 MiB)")
    add("--threads", type=int, metavar="N", help="of one process, for large bodies (default: 4)")
    add("--timeout", type=float, metavar="SECONDS", help="for one request in all (default: 600)")
    add("--connect-timeout", type=float, metavar="SECONDS", help="to reach the upstream (default: 10)")
    add("--idle-timeout", type=float, metavar="SECONDS", help="silence of the upstream (default: 120)")
    add("--grace", type=float, metavar="SECONDS", help="for running replies when told to stop (default: 30)")
    add("--log", choices=("json", "text", "off"), help="default: json")
    add("--otel", metavar="URL", help="an OpenTelemetry collector to send traces to (OTLP over HTTP)")
    add(
        "--trace-upstream",
        action="store_true",
        default=None,
        help="tell the service each request's traceparent, by which requests can be linked",
    )
    add(
        "--trust-tenant-header",
        action="store_true",
        default=None,
        help="x-masquerade-tenant names the tenant",
    )
    add("--no-playground", dest="playground", action="store_false", default=None, help="no front page")
    add(
        "--hosts",
        type=lambda text: tuple(text.split(",")),
        metavar="NAMES",
        help="more names for the front page",
    )


def _erase_parser(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--tenant", metavar="NAME", help="of this tenant alone (default: of all)")
    add(
        "--subject",
        metavar="NAME",
        help="all conversations in which a client named this person; - reads it",
    )
    add("--conversation", metavar="ID", help="of one response, conversation or file, by the service's id")
    add("--store", metavar="PLACE", help="the sealed store (default: beside the key)")
    add("--journal", metavar="FOLDER", help="where a line is written (default: beside the key)")
    add("--json", action="store_true", help="print one JSON object")


def _report_parser(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("journal", nargs="?", metavar="JOURNAL", help="its folder (default: journal by the key file)")
    add("--html", metavar="FILE", help="write one page that needs nothing else")
    add("--json", action="store_true", help="print one JSON object")
    add("--about", metavar="FILE", help="what only you know: a [record] table in TOML")
    add("--since", metavar="DAY", help="from this day on (UTC), as 2026-02-03")
    add("--until", metavar="DAY", help="up to this day, and with it")
    add("--lang", choices=("en", "zh"), default="en", help="English (default) or Chinese")
    add("--verify", action="store_true", help="only read all, say what each file is worth, print an anchor")
    add(
        "--anchor", action="append", default=[], metavar="TEXT",
        help="what --verify printed before, or a file of it: what was there must still be; repeatable",
    )  # fmt: skip
    add(
        "--from", dest="sender", metavar="SIGNER",
        help="who must have signed it (default: this machine's key): a recipient's file, or 64 digits",
    )  # fmt: skip
    add("--force", action="store_true", help="replace FILE if it exists")
    add("--quiet", "-q", action="store_true", help="no summary")


def _train_parser(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--recipe",
        required=True,
        choices=("light", "zero-shot", "one-stage", "offsite"),
        help="how the model goes",
    )
    add("--role", required=True, choices=("owner", "receiver"), help="which side this is")
    add("--to", required=True, action="append", metavar="FILE", help="a recipient's public file; repeatable")
    add("--sign", required=True, metavar="FILE", help="your identity: see  masquerade keys new")
    add("-o", "--output", required=True, metavar="OUT", help="the sealed package")
    add("--name", metavar="NAME", help="what it is called (default: by recipe and role)")
    add("--force", action="store_true", help="write over a file that is there")
    add("--data", metavar="PATH", help="owner: the private pictures; offsite: lines of text")
    add("--epsilon", type=float, metavar="E", help="owner: what the training may cost")
    add("--delta", type=float, default=1e-5, metavar="D", help="of that price and budget (default: 1e-5)")
    add("--budget", type=float, metavar="E", help="of data that is new to the ledger (default: --epsilon)")
    add("--examples", type=int, metavar="N", help="owner: about how many there are: a public number")
    add(
        "--features",
        choices=("pixels", "hog", "scattering", "all"),
        help="what a model sees (default: hog for the owner's, all for the receiver's)",
    )
    add(
        "--steps",
        type=int,
        metavar="N",
        help="of training (default: 280 for the owner, 800 for the receiver; --synthetic: 12 rounds; "
        "offsite: 100, and 10 passes)",
    )
    add("--batch", type=int, metavar="N", help="owner: expected, a step (default: 8192; offsite: 1024)")
    add("--rate", type=float, metavar="X", help="owner: learning rate (default: 32; offsite: 0.002)")
    add("--ledger", metavar="FILE", help="owner: where budgets are kept (default: ledger.db by the key file)")
    add(
        "--classifier",
        choices=("linear", "cnn"),
        help="owner: what is trained (default: linear on --features; a cnn sees pixels)",
    )
    add("--cpu-seconds", type=float, metavar="S", help="owner: what it may take; refused before it pays")
    add("--memory", type=float, metavar="MB", help="owner: what it may take; refused before it pays")
    add("--package", metavar="FILE", help="what the other side sealed")
    add("--key", metavar="FILE", help="your identity to open it with (default: --sign)")
    add("--older", action="store_true", help="take it though a newer one was opened here")
    add("--from", dest="signer", metavar="FILE", help="the other side's public file")
    add("--public", metavar="PATH", help="receiver: public, masked or synthetic pictures, or lines")
    add("--synthetic", action="store_true", help="receiver, light: draw pictures instead, and teach a CNN")
    add("--descriptions", metavar="JSON", help="zero-shot: what is said of classes, so that others are known")
    add(
        "--labels",
        type=int,
        metavar="N",
        help="receiver: use the labels of N only, evenly from first to last",
    )
    add("--test", metavar="PATH", help="receiver: public pictures or lines to measure the model on")
    add("--report", metavar="HTML", help="receiver: a page on the full model, with pictures of --test")
    add("--plot", metavar="FILE.svg", help="learning curves; the owner's are of private data, and stay there")
    add("--model", metavar="FILE", help="offsite, receiver: your full model, as you sealed it")
    for name, default, what in (
        ("--kept", 2, "blocks of its middle that the emulator keeps"),
        ("--blocks", 8, "of a new full model"),
        ("--width", 64, "of a new full model"),
        ("--length", 64, "bytes of a line that it sees"),
    ):
        add(name, type=int, metavar="N", help=f"offsite: {what} (default: {default})")
    add("-q", "--quiet", action="store_true", help="say nothing but errors")
    add("--json", action="store_true", help="print JSON, a line for what happens and one for the result")


def _delimiter(text: str) -> str:
    """A tab as it can be written in a shell."""
    return {"\\t": "\t", "tab": "\t"}.get(text, text)
