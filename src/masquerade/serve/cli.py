"""The command ``masquerade``.

Exit codes, the same for every verb (after sysexits.h where it has one):

    0    done
    1    find --exit-code: something was found; mask: the policy blocks this text
    2    the command line is wrong
    65   the input is malformed; a vault, masked array or package was changed; or a package is outdated
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
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, cast

from masquerade import __version__
from masquerade.errors import (
    BadInput,
    Blocked,
    BudgetExceeded,
    EngineProblem,
    KeyProblem,
    MasqueradeError,
    MissingPackage,
    Outdated,
    OutputProblem,
    PolicyProblem,
    ProtocolProblem,
    Tampered,
    UpstreamProblem,
)
from masquerade.keys import Key
from masquerade.mask.policy import Policy, explain
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
from masquerade.serve.landing import Landing, alone
from masquerade.serve.options import train_options
from masquerade.serve.source import Source, Unreadable, Usage
from masquerade.serve.vault import Vault

_CODES: tuple[tuple[type[MasqueradeError], int], ...] = (
    (Unreadable, 66),
    (BadInput, 65),
    (Tampered, 65),
    (Outdated, 65),
    (BudgetExceeded, 69),
    (MissingPackage, 69),
    (EngineProblem, 70),
    (KeyProblem, 77),
    (PolicyProblem, 78),
    (Blocked, 1),
    (ProtocolProblem, 76),
    (UpstreamProblem, 70),
)


_ARRAY = b"MQARRAY1"  # as mask.array has it, which is not loaded for texts
_QUESTIONS = ("count", "sum", "mean", "variance", "histogram", "quantiles", "regression")
"""Those of ``compute/questions.py``, whose libraries a command line that asks none need not load."""


class _Stopped(BaseException):
    """SIGTERM or SIGHUP, as an exception with its number, so that unfinished files are cleared away."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code of the table above."""
    parser = _parser()
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
    masker = Masker(key, policy, args.tenant)
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
    masker = Masker(Key.generate(), _policy(args.policy))
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
    rows = explain(policy)
    sample = args.sample
    if args.sample_file:
        try:
            sample = Path(args.sample_file).read_text(encoding="utf-8")
        except OSError as problem:
            raise Unreadable(f"cannot read it: {problem.strerror}", source=args.sample_file) from None
        except UnicodeDecodeError:
            raise BadInput("the sample is no utf-8 text", source=args.sample_file) from None
    tried = _tried(policy, sample) if sample is not None else None
    if args.json:
        told: dict[str, Any] = {"version": policy.version, "kinds": [row._asdict() for row in rows]}
        print(json.dumps(told | ({"sample": tried} if tried else {}), ensure_ascii=False))
        return 0
    width = max(len(row.kind) for row in rows)
    print(f"{args.file}: policy {policy.version}, good for use\n")
    for row in rows:
        by = ", ".join(row.by) or "nothing here: a finder of your own"
        note = f"; {row.note}" if row.note else ""
        print(f"  {row.kind:{width}}  {row.fate:9}  from {row.threshold:g}  found by {by}{note}")
    if tried:
        print("\nOn the sample:")
        for found in tried["found"]:
            place = f"{found['start']} to {found['end']}"
            print(f"  characters {place}: {found['kind']} {found['score']:.2f}, {found['fate']}")
        print("  nothing would be found" if not tried["found"] else "")
        print(f"  blocked: {tried['blocked']}" if tried["blocked"] else f"sent:\n{tried['sent']}")
    return 0


def _tried(policy: Policy, sample: str) -> dict[str, Any]:
    """What the policy makes of a sample. Its tokens come from a key that is thrown away."""
    masker = Masker(Key.generate(), policy)
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


def _serve(args: argparse.Namespace) -> int:
    from masquerade.serve.gateway import serve
    from masquerade.serve.settings import Settings

    known = {field.name for field in dataclasses.fields(Settings)}
    told = {name: value for name, value in vars(args).items() if name in known and value is not None}
    serve(Settings(**told))
    return 0


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


def _delimiter(text: str) -> str:
    """A tab as it can be written in a shell."""
    return {"\\t": "\t", "tab": "\t"}.get(text, text)


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


# The command line ---------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    codes = (__doc__ or "").partition("\n\n")[2]
    parser = argparse.ArgumentParser(
        prog="masquerade",
        description="Private data goes out masked, and the answer comes back whole.",
        epilog=codes,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"masquerade {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".", epilog=codes,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        made.set_defaults(run=run)
        return made

    mask = verb("mask", _mask, "cover what is private in a file or pipe")
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

    restore = verb("restore", _restore, "put the originals back, from the vault beside the masked file")
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

    find = verb("find", _find, "say where something private stands: line, column, kind and score")
    _reads(find)
    _selects(find)
    find.add_argument("--policy", metavar="FILE", help="what to look for (default: the built-in policy)")
    find.add_argument("--show", action="store_true", help="print the values too")
    find.add_argument("--json", action="store_true", help="print a JSON object a line")
    find.add_argument("--exit-code", action="store_true", help="exit with 1 if anything was found")
    find.add_argument(
        "--on-error", choices=("stop", "skip"), default="stop", help="at a line that cannot be read"
    )

    check = verb("check", _check, "explain a policy, or name the line that makes it impossible")
    check.add_argument("file", metavar="POLICY")
    sample = check.add_mutually_exclusive_group()
    sample.add_argument(
        "--sample", metavar="TEXT", help="show what would be found in TEXT, and what would be sent"
    )
    sample.add_argument("--sample-file", metavar="FILE", help="the same for the text of a file")
    check.add_argument("--json", action="store_true", help="print one JSON object")

    _sum_parser(verb("sum", _sum, "ask a question about columns of files, with noise that a budget pays for"))
    _seal_parser(verb("seal", _seal, "seal files and folders to recipients, signed, in one package"))
    _open_parser(verb("open", _open, "open a package that was sealed to you, once all of it is verified"))
    _inspect_parser(
        verb("inspect", _inspect, "say who sealed a package, to whom, and at which privacy budget")
    )
    _keys_parser(verb("keys", _keys, "show, make, rotate and hand out keys"))
    train_options(verb("train", _train, "train on private data, and hand the model over sealed, by a recipe"))
    _serve_parser(verb("serve", _serve, "run the gateway that OpenAI clients talk through"))
    _mailbox_parser(verb("mailbox", _mailbox, "relay the sealed messages of secure sums, over TLS"))
    _join_parser(verb("join", _join, "take part in a secure sum, as client or aggregator"))
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
    add("--question", choices=_QUESTIONS, help="what to ask")
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
    add("--recogniser", type=Path, metavar="FOLDER", help="serve this trained classifier of pictures instead")
    add(
        "--upstream-key-env",
        metavar="NAME",
        help="the variable with its key (default: the client's own passes)",
    )
    add("--upstream-key-file", type=Path, metavar="FILE", help="the same from a file")
    add(
        "--client-keys",
        type=Path,
        metavar="FILE",
        help="who may use this gateway: see  masquerade keys client",
    )
    add("--policy", type=Path, metavar="FILE", help="what becomes of each kind")
    add("--workers", type=int, metavar="N", help="processes (default: 1)")
    add("--max-body", type=int, metavar="BYTES", help="largest request (default: 32 MiB)")
    add("--max-held", type=int, metavar="BYTES", help="of all requests of one process (default: 256 MiB)")
    add("--threads", type=int, metavar="N", help="of one process, for large bodies (default: 4)")
    add("--timeout", type=float, metavar="SECONDS", help="for one request in all (default: 600)")
    add("--connect-timeout", type=float, metavar="SECONDS", help="to reach the upstream (default: 10)")
    add("--idle-timeout", type=float, metavar="SECONDS", help="silence of the upstream (default: 120)")
    add("--grace", type=float, metavar="SECONDS", help="for running replies when told to stop (default: 30)")
    add("--log", choices=("json", "text", "off"), help="default: json")
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


if __name__ == "__main__":
    raise SystemExit(main())
