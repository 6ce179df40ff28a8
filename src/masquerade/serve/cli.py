"""The command ``masquerade``.

Exit codes, the same for every verb (after sysexits.h where it has one):

    0    done
    1    find --exit-code: something was found; mask: the policy blocks this text;
         verify: something got through that the policy does not keep
    2    the command line is wrong
    65   the input is malformed; a vault, masked array, package or journal was changed; a package is outdated
    66   the input cannot be read
    69   something is not there: a package, or enough of a privacy budget
    70   a fault of Masquerade's own
    73   an output file cannot be made, or exists
    74   writing failed: the disk is full, or the reader of a pipe has gone
    76   a secure sum was refused: too few are left, a rule was broken, or the mailbox is not there
    77   a key is missing, malformed, badly kept, or the wrong one
    78   the policy is impossible
    130  interrupted (143: told to stop, 129: the terminal has gone); nothing half-written is left

An error is one line on standard error. ``MASQUERADE_DEBUG=1`` adds the places in the code that led to it,
without any value.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, cast

from masquerade.errors import (
    BadInput,
    Blocked,
    BudgetExceeded,
    EngineProblem,
    JournalProblem,
    KeyProblem,
    MasqueradeError,
    MissingPackage,
    Outdated,
    OutputProblem,
    PolicyProblem,
    ProtocolProblem,
    StoreProblem,
    Tampered,
    UpstreamProblem,
)
from masquerade.keys import Key
from masquerade.mask.policy import Policy, explain, explain_replies
from masquerade.mask.span import Finder
from masquerade.mask.text import Masker
from masquerade.serve import keyfile
from masquerade.serve.bar import bytes_bar
from masquerade.serve.files import (
    FORMATS,
    Format,
    Options,
    Summary,
    find_file,
    mask_file,
    restore_file,
)
from masquerade.serve.finders import Model, finders
from masquerade.serve.landing import Landing, alone
from masquerade.serve.options import Run, parser_of
from masquerade.serve.source import Source, Unreadable, Usage
from masquerade.serve.vault import Vault

if TYPE_CHECKING:
    from masquerade.serve.settings import Settings

_CODES: tuple[tuple[type[MasqueradeError], int], ...] = (
    (Unreadable, 66),
    (BadInput, 65),
    (Tampered, 65),
    (Outdated, 65),
    (BudgetExceeded, 69),
    (MissingPackage, 69),
    (EngineProblem, 70),
    (JournalProblem, 74),
    (StoreProblem, 69),
    (KeyProblem, 77),
    (PolicyProblem, 78),
    (Blocked, 1),
    (ProtocolProblem, 76),
    (UpstreamProblem, 70),
)


_ARRAY = b"MQARRAY1"  # as mask.array has it, which is not loaded for texts


class _Stopped(BaseException):
    """SIGTERM or SIGHUP, as an exception with its number, so that unfinished files are cleared away."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code of the table above."""
    parser = command_line()
    try:
        args = parser.parse_args(argv)
    except SystemExit as done:
        return int(done.code or 0)
    try:
        _open_streams()
        with _stoppable(args.run not in (_serve, _mailbox)):
            code: int = args.run(args)
            sys.stdout.flush()
            return code
    except KeyboardInterrupt:
        return _fail("interrupted; nothing half-written is left", 130)
    except _Stopped as stopped:
        return _fail("told to stop; nothing half-written is left", 128 + stopped.args[0])
    except BrokenPipeError:
        return _fail("the reader of the output has gone", 74)
    except OSError as problem:
        return _fail(f"cannot write the output: {problem.strerror}", 74)
    except OutputProblem as problem:
        return _fail(str(problem), 74 if problem.made else 73)
    except Usage as problem:
        return _fail(f"{problem}; see  masquerade {args.verb} --help", 2)
    except MasqueradeError as problem:
        return _fail(str(problem), next(code for error, code in _CODES if isinstance(problem, error)))
    except Exception as fault:
        where = traceback.extract_tb(fault.__traceback__)[-1]
        place = f"{Path(where.filename).name}, line {where.lineno}"
        return _fail(f"a fault of Masquerade's own: {type(fault).__name__} in {place}; please report it", 70)


def _open_streams() -> None:
    """Python has None for a standard stream that was closed: input is empty then, and output an error."""
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:  # what is open for reading only refuses the first thing written
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115


def _fail(message: str, code: int) -> int:
    if os.environ.get("MASQUERADE_DEBUG") and (fault := sys.exc_info()[1]):
        # The frames show code and never values; the exception's own text might.
        sys.stderr.write("".join(traceback.format_tb(fault.__traceback__)))
    with contextlib.suppress(OSError):
        sys.stderr.write(f"masquerade: {message}\n")
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        return code
    # The interpreter flushes once more at its end, and would complain about the same closed pipe.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


@contextlib.contextmanager
def _stoppable(wanted: bool) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise _Stopped(number)

    before: dict[int, Any] = {}
    if wanted:
        with contextlib.suppress(ValueError):  # not in the main thread, which alone may do this
            for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
                if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                    before.setdefault(number, signal.signal(number, stop))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# The verbs ----------------------------------------------------------------------------------------------


def _mask(args: argparse.Namespace) -> int:
    if args.array:
        return _mask_array(args)
    vault = _vault_path(args)
    policy, options = _policy(args.policy), _options(args)
    key = keyfile.load_or_create()
    masker = Masker(key, policy, args.tenant, finders(policy, _source(args.policy)))
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(Source.open(args.input))
        landing = stack.enter_context(_landing(args, vault=vault))
        book = stack.enter_context(landing.vault(key, args.tenant)) if vault else None
        with _progress(source, "masking", args):
            summary = mask_file(source, landing, masker, options, book)
        landing.land()
    _report(args, summary, _masked_words(summary, key), key=key.id, policy=policy.version)
    return 0


def _mask_array(args: argparse.Namespace) -> int:
    from masquerade.mask.array import RandomMask
    from masquerade.serve import arrays

    _only_for_arrays(args)
    key = keyfile.load_or_create()
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(Source.open(args.input))
        landing = stack.enter_context(_landing(args))
        with _progress(source, "masking", args):
            summary = arrays.mask_file(source, landing, RandomMask(key, args.tenant))
        landing.land()
    _report(args, summary, [f"masked all of it; to restore it: the key {key.id}"], key=key.id)
    return 0


def _restore_array(args: argparse.Namespace) -> int:
    from masquerade.mask.array import RandomMask
    from masquerade.serve import arrays

    _only_for_arrays(args)
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(Source.open(args.input))
        mask = RandomMask(keyfile.load(), args.tenant)
        landing = stack.enter_context(_landing(args, private=True))
        with _progress(source, "restoring", args):
            summary = arrays.restore_file(source, landing, mask)
        landing.land()
    _report(args, summary, ["restored all of it"], key=mask.key_id)
    return 0


def _only_for_arrays(args: argparse.Namespace) -> None:
    """Arrays are masked whole: nothing is looked for in them, and restoring needs their key and no vault."""
    for name in (
        *("format", "encoding", "delimiter", "policy", "vault", "no_vault", "column", "field", "no_header"),
        "rejected",
    ):
        if getattr(args, name, None):
            raise Usage(f"--{name.replace('_', '-')} is for texts: with --array, all bytes are masked")
    if args.on_error != "stop":
        raise Usage("--on-error is for texts: with --array, all bytes are masked")


def _vault_path(args: argparse.Namespace) -> Path | None:
    if args.no_vault:
        if args.vault:
            raise Usage("--vault and --no-vault contradict each other")
        return None
    if args.vault:
        return Path(args.vault)
    target = Path(args.output)
    if args.output == "-" or (target.exists() and not target.is_file() and not target.is_dir()):
        raise Usage(
            "writing to a pipe leaves no place for the vault that restoring needs: "
            "name one with --vault, or say --no-vault"
        )
    return target.with_name(target.name + ".vault")


def _masked_words(summary: Summary, key: Key) -> Iterator[str]:
    kept = {
        kind: sum(n for fate, n in fates.items() if fate != "redact")
        for kind, fates in summary.counts.items()
    }
    yield f"masked {_listed(kept) or 'nothing: nothing private was found'}"
    if summary.redacted:
        yield f"redacted {_listed(summary.redacted)}: these do not come back"
    if summary.vault:
        yield f"to restore it: {summary.vault}, and the key {key.id}"


def _restore(args: argparse.Namespace) -> int:
    if args.array or _is_masked_array(args):
        return _restore_array(args)
    if not args.vault and args.input == "-":
        raise Usage("a pipe has no vault beside it: name it with --vault")
    path = Path(args.vault or args.input + ".vault")
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(Source.open(args.input))
        vault = stack.enter_context(Vault.open(path, keyfile.load()))
        options = _options(args, vault.notes, own=not args.vault)
        landing = stack.enter_context(_landing(args, private=True))
        with _progress(source, "restoring", args):
            summary = restore_file(source, landing, vault, options)
        landing.land()
    _report(args, summary, _restored_words(summary), key=vault.key_id)
    return 0


def _is_masked_array(args: argparse.Namespace) -> bool:
    """A masked array says itself what it is, where it is a file and nothing was said about a vault."""
    if args.vault or args.input == "-" or Path(args.input + ".vault").exists():
        return False
    try:
        if not Path(args.input).is_file():  # a pipe would be read here
            return False
        with Path(args.input).open("rb") as file:
            return file.read(len(_ARRAY)) == _ARRAY
    except OSError:
        return False


def _restored_words(summary: Summary) -> Iterator[str]:
    yield f"restored {summary.restored:,} places"
    if summary.unresolved:
        yield f"left {summary.unresolved:,} that look like tokens, and are damaged or of another vault"


def _find(args: argparse.Namespace) -> int:
    counts: dict[str, int] = {}
    policy = _policy(args.policy)
    masker = Masker(Key.generate(), policy, finders=finders(policy, _source(args.policy)))
    with Source.open(args.input) as source, _progress(source, "searching", args):
        for found in find_file(source, masker, _options(args)):
            counts[found.kind] = counts.get(found.kind, 0) + 1
            value = {"value": found.value} if args.show else {}
            if args.json:
                place = {"line": found.line, "column": found.column, "kind": found.kind, "score": found.score}
                print(json.dumps(place | value, ensure_ascii=False))
            else:
                shown = "".join(f"  {json.dumps(text, ensure_ascii=False)}" for text in value.values())
                print(f"{found.line}:{found.column}: {found.kind} {found.score:.2f}{shown}")
    if not args.json:
        _say(args, f"{source.name}: found {_listed(counts) or 'nothing private'}")
    return 1 if counts and args.exit_code else 0


def _check(args: argparse.Namespace) -> int:
    policy = _policy(args.file)
    looking = finders(policy, args.file)
    by_models: dict[str, list[str]] = {}
    for model in looking:
        if isinstance(model, Model):
            for kind in model.kinds:
                by_models.setdefault(kind, []).append(model.name)
    rows = explain(policy, by_models)
    sample = args.sample
    if args.sample_file:
        try:
            sample = Path(args.sample_file).read_text(encoding="utf-8")
        except OSError as problem:
            raise Unreadable(f"cannot read it: {problem.strerror}", source=args.sample_file) from None
        except UnicodeDecodeError:
            raise BadInput("the sample is no utf-8 text", source=args.sample_file) from None
    tried = _tried(policy, looking, sample) if sample is not None else None
    if args.json:
        told: dict[str, Any] = {"version": policy.version, "kinds": [row._asdict() for row in rows]}
        told["replies"] = explain_replies(policy)
        print(json.dumps(told | ({"sample": tried} if tried else {}), ensure_ascii=False))
        return 0
    width = max(len(row.kind) for row in rows)
    print(f"{args.file}: policy {policy.version}, good for use\n")
    for row in rows:
        by = ", ".join(row.by) or "nothing here: a finder of your own"
        note = f"; {row.note}" if row.note else ""
        print(f"  {row.kind:{width}}  {row.fate:9}  from {row.threshold:g}  found by {by}{note}")
    print("\nIn replies:")
    for line in explain_replies(policy):
        print(f"  {line}")
    if tried:
        print("\nOn the sample:")
        for found in tried["found"]:
            place = f"{found['start']} to {found['end']}"
            print(f"  characters {place}: {found['kind']} {found['score']:.2f}, {found['fate']}")
        print("  nothing would be found" if not tried["found"] else "")
        print(f"  blocked: {tried['blocked']}" if tried["blocked"] else f"sent:\n{tried['sent']}")
    return 0


def _tried(policy: Policy, looking: Sequence[Finder], sample: str) -> dict[str, Any]:
    """What the policy makes of a sample. Its tokens come from a key that is thrown away."""
    masker = Masker(Key.generate(), policy, finders=looking)
    found = [span._asdict() | {"fate": policy.fate(span.kind).value} for span in masker.find(sample)]
    try:
        return {"found": found, "sent": masker.mask(sample).text, "blocked": None}
    except Blocked as blocked:
        return {"found": found, "sent": None, "blocked": str(blocked)}


def _keys(args: argparse.Namespace) -> int:
    if args.action == "client":
        return _client_key(args)
    if args.action in ("new", "recipient"):
        from masquerade.serve import sealing

        return sealing.run_keys(args)
    if args.action == "identity":
        print(keyfile.new_identity(Path(args.file)).public)
        _say(args, "give others this line for their roster, and the file to nobody")
        return 0
    path = keyfile.default_path()
    if args.action == "path":
        print(path)
    elif args.action == "create":
        existed = path.exists()
        key = keyfile.load_or_create()
        if existed or keyfile.ENVIRONMENT in os.environ:
            _say(args, "there is a key already; 'masquerade keys rotate' puts a new one before it")
        print(key.id)
    elif args.action == "rotate":
        key = keyfile.rotate()
        _say(args, f"new masks use the key {key.id}; what the old keys masked still restores")
        _say(args, "restart gateways that are running, and keep a copy of the key file")
    elif args.action == "export":
        _export(args)
    else:
        _show_keys(args, path)
    return 0


def _show_keys(args: argparse.Namespace, path: Path) -> None:
    history = keyfile.history()
    where = f"${keyfile.ENVIRONMENT}" if keyfile.ENVIRONMENT in os.environ else str(path)
    if args.json:
        active, *retired = [kept._asdict() for kept in history]
        print(json.dumps({"from": where, "active": active, "retired": retired}))
        return
    print(f"from     {where}")
    for i, kept in enumerate(history):
        print(
            f"{'retired' if i else 'active':8} {kept.id}  created {kept.created or 'at a time not recorded'}"
        )


def _export(args: argparse.Namespace) -> None:
    if not args.reveal_secret:
        raise Usage(
            "this prints the key itself, and whoever has it can undo every mask: "
            "say --reveal-secret if you mean it"
        )
    if sys.stdout.isatty():
        raise Usage("a key is not shown on a terminal, which remembers it: send it into a file or a program")
    sys.stdout.write(keyfile.load().export())


def _client_key(args: argparse.Namespace) -> int:
    from masquerade.serve.clients import TENANT, Clients, new_key

    if not TENANT.fullmatch(args.tenant):
        raise Usage("a tenant is 1 to 64 of A-Z a-z 0-9 . _ -")
    path = Path(args.file) if args.file else keyfile.home() / "clients.toml"
    path = Path(os.path.realpath(path))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise OutputProblem(f"cannot make {path.parent}: {problem.strerror}", made=False) from None
    key, digest = new_key()
    name = json.dumps(args.name, ensure_ascii=False)
    with alone([path.parent]), Landing(str(path), force=True, private=True, locked=True) as landing:
        text = _read(path) if path.exists() else ""
        gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
        text += f'{gap}[[client]]\nname = {name}\ntenant = "{args.tenant}"\nhash = "{digest}"\n'
        Clients.parse(text, str(path))
        landing.write(text.encode())
        landing.land()
    print(key)
    _say(args, f"this is the only time that the key of {args.name} is shown; {path} holds its hash")
    return 0


def _sum(args: argparse.Namespace) -> int:
    from masquerade.serve import sums

    return sums.run(args)


def _train(args: argparse.Namespace) -> int:
    from masquerade.serve import transfer

    return transfer.run(args)


def _seal(args: argparse.Namespace) -> int:
    from masquerade.serve import sealing

    return sealing.run_seal(args)


def _open(args: argparse.Namespace) -> int:
    from masquerade.serve import sealing

    return sealing.run_open(args)


def _inspect(args: argparse.Namespace) -> int:
    from masquerade.serve import sealing

    return sealing.run_inspect(args)


def _erase(args: argparse.Namespace) -> int:
    from masquerade.serve import erase

    return erase.run(args)


def _report_record(args: argparse.Namespace) -> int:
    from masquerade.serve import report

    return report.run(args)


def _serve(args: argparse.Namespace) -> int:
    from masquerade.serve.gateway import serve

    serve(_settings(args))
    return 0


def _verify(args: argparse.Namespace) -> int:
    from masquerade.serve import verify

    return verify.run(args, _settings(args))


def _settings(args: argparse.Namespace) -> Settings:
    from masquerade.serve.settings import Settings

    known = {field.name for field in dataclasses.fields(Settings)}
    told = {name: value for name, value in vars(args).items() if name in known and value is not None}
    return Settings(**told)


def _mailbox(args: argparse.Namespace) -> int:
    from masquerade.serve.mailbox import Limits, serve

    told = {name: value for name, value in vars(args).items() if value is not None}
    limits = Limits(**{name: told[name] for name in Limits.__dataclass_fields__ if name in told})
    if min(dataclasses.astuple(limits)) <= 0:
        raise Usage("every limit of a mailbox is greater than 0")
    serve(args.host, args.port, Path(args.certificate), Path(args.certificate_key), limits)
    return 0


def _join(args: argparse.Namespace) -> int:
    from masquerade.serve.join import join
    from masquerade.serve.roster import Roster, read_values

    roster = Roster.parse(_read(args.roster), args.roster)
    identity = keyfile.load_identity(Path(args.identity))
    values = read_values(Path(args.values)) if args.values else None
    with Landing(args.output, force=args.force, private=True) as landing:
        outcome = join(
            roster, identity, values, weight=args.weight, clip=args.clip, patience=args.patience,
            timeout=args.timeout, ca=Path(args.ca) if args.ca else None, say=lambda text: _say(args, text),
        )  # fmt: skip
        told: dict[str, Any] = {"mean" if outcome.weight is not None else "sum": outcome.values.tolist()}
        if outcome.weight is not None:
            told["weight"] = outcome.weight
        told |= {"survivors": outcome.survivors, "clients": len(roster.clients), "clipped": outcome.clipped}
        landing.write((json.dumps(told, ensure_ascii=False) + "\n").encode())
        landing.land()
    _say(args, f"the sum of {len(outcome.survivors)} of {len(roster.clients)} clients")
    return 0


# What they share ----------------------------------------------------------------------------------------


def _read(path: Path | str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise Unreadable("cannot read it", source=str(path)) from None


def _policy(path: str | None) -> Policy:
    if path is None:
        return Policy()
    try:
        return Policy.parse(Path(path).read_text(encoding="utf-8-sig"), source=path, finders=False)
    except OSError as problem:
        raise Unreadable(f"cannot read the policy: {problem.strerror}", source=path) from None
    except UnicodeDecodeError:
        raise PolicyProblem("this is no utf-8 text", source=path) from None


def _source(path: str | None) -> str:
    return path or "policy"


def _options(args: argparse.Namespace, notes: dict[str, str] | None = None, *, own: bool = False) -> Options:
    """The options of the command line; where it and the name say nothing, what the vault noted in masking.

    ``own`` says that the vault is the file's own: then its notes count for more than the name.
    """
    notes = notes or {}
    noted = cast("Format | None", notes.get("format"))
    return Options(
        format=args.format
        or (noted if own else None)
        or FORMATS.get(Path(args.input).suffix.lower())
        or noted,
        encoding=args.encoding or notes.get("encoding", "utf-8"),
        on_error=getattr(args, "on_error", "stop"),
        columns=tuple(getattr(args, "column", ())),
        fields=tuple(getattr(args, "field", ())),
        delimiter=args.delimiter or notes.get("delimiter"),
        header=not getattr(args, "no_header", False),
    )


def _landing(args: argparse.Namespace, *, vault: Path | None = None, private: bool = False) -> Landing:
    rejected = None
    if args.on_error == "skip":
        if args.rejected is None and args.output == "-":
            raise Usage("say with --rejected where lines that cannot be read are set aside")
        rejected = Path(args.rejected or args.output + ".rejected")
    return Landing(
        args.output, vault=vault, rejected=rejected, force=args.force, private=private, source=args.input
    )


def _say(args: argparse.Namespace, message: str) -> None:
    if not getattr(args, "quiet", False):
        print(message, file=sys.stderr)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{n:,} {kind}" for kind, n in sorted(counts.items()) if n)


def _report(args: argparse.Namespace, summary: Summary, words: Iterable[str], **more: str) -> None:
    """The end of a run: one JSON object, beside the output and never in it, or a few lines."""
    if args.json:
        told = {"command": args.verb, **dataclasses.asdict(summary), **more}
        print(json.dumps(told), file=sys.stderr if args.output == "-" else sys.stdout)
        return
    for line in words:
        _say(args, line)
    if summary.rejected:
        _say(args, f"set aside {summary.rejected:,} lines that could not be read; they are not masked")
    rate = f", {summary.bytes / 1e6 / summary.seconds:.1f} MB/s" if summary.seconds > 1 else ""
    _say(args, f"{summary.bytes:,} bytes in {summary.seconds:.1f} s{rate}")


@contextlib.contextmanager
def _progress(source: Source, verb: str, args: argparse.Namespace) -> Iterator[None]:
    """A bar on standard error, if a person is looking at it and nothing else is printed there."""
    busy = args.verb == "find" and sys.stdout.isatty()
    if args.quiet or busy or source.name == "standard input" or not sys.stderr.isatty():
        yield
        return
    with bytes_bar(verb, source.size, quiet=False) as told:
        source.on_read = told
        yield


_VERBS: dict[str, Run] = {
    "mask": _mask,
    "restore": _restore,
    "find": _find,
    "check": _check,
    "sum": _sum,
    "seal": _seal,
    "open": _open,
    "inspect": _inspect,
    "keys": _keys,
    "train": _train,
    "serve": _serve,
    "verify": _verify,
    "report": _report_record,
    "erase": _erase,
    "mailbox": _mailbox,
    "join": _join,
}


def command_line() -> argparse.ArgumentParser:
    """The parser of the whole command."""
    return parser_of(_VERBS, (__doc__ or "").partition("\n\n")[2])


if __name__ == "__main__":
    raise SystemExit(main())
