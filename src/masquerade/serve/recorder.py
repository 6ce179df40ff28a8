"""What a gateway writes into its journal: a line for each request, and what happens to the gateway itself."""

from __future__ import annotations

from time import perf_counter
from urllib.parse import urlsplit

from masquerade import __version__
from masquerade.errors import JournalProblem
from masquerade.keys import Key
from masquerade.mask.policy import Policy
from masquerade.serve import keyfile, log
from masquerade.serve.call import Call
from masquerade.serve.journal import Entry, Journal, Verdict
from masquerade.serve.refusal import Refusal
from masquerade.serve.settings import Settings

_OURS = frozenset(("page", "health", "ready", "metrics", "other"))
"""Routes that carry nobody's data."""
_FAULTS = frozenset(("client_gone", "internal_error", "masking_failed"))
_NOBODY = "unidentified"


class Recorder:
    """The journal of one process, from its start to its end; without one, where the settings say so.

    If a line cannot be written, the gateway goes on and :meth:`check` says so; where ``journal_required`` is
    set, it refuses all further requests until one can be written again.
    """

    def __init__(self, settings: Settings, key: Key) -> None:
        self._settings, self._key = settings, key
        self._journal: Journal | None = None
        self._problem: str | None = None
        self._recipients = {
            api: urlsplit(service.base).netloc.rpartition("@")[2].lower() if service.base else "mirror"
            for api, service in settings.services.items()
        }

    def start(self, policy: Policy) -> None:
        """Begin a journal file of this process.

        Raises:
            JournalProblem: it cannot be made where the settings name a folder, or require it.
        """
        told = self._settings
        if told.no_journal:
            return
        try:
            journal = Journal(told.journal or keyfile.home() / "journal", self._key)
            journal.policy(policy)
            settings = {"workers": told.workers, "playground": told.playground, "store": bool(told.store)}
            journal.started(__version__, policy.version, self._recipients["openai"], settings)
            self._journal = journal
        except JournalProblem as problem:
            if told.journal or told.journal_required:
                raise
            self._failed(problem)

    def policy(self, policy: Policy) -> None:
        """Another policy is in force."""
        if self._journal is not None:
            try:
                self._journal.policy(policy)
            except JournalProblem as problem:
                self._failed(problem)

    def admit(self) -> None:
        """Refuse a request where a line of it could not be written, and must be.

        Raises:
            Refusal: that is so (503).
        """
        if self._problem is not None and self._settings.journal_required:
            later = [(b"retry-after", b"5")]
            raise Refusal(503, "journal_unavailable", "the journal cannot be written", headers=later)

    def record(self, call: Call, policy: str) -> None:
        """The line of one request that has ended; ``policy`` is the version in force."""
        if self._journal is None or call.route in _OURS or not (call.sent or call.code):
            return  # what went nowhere, and was not refused, is nobody's business
        try:
            self._journal.record(
                Entry(
                    tenant=call.tenant or _NOBODY,
                    request=call.id,
                    endpoint=call.route,
                    policy=call.policy or policy,
                    verdict=_verdict(call),
                    code=call.code,
                    status=call.status,
                    recipient=self._recipients.get(call.api, "") if call.sent else "",
                    found=call.counts,
                    withheld=call.withheld,
                    restored=call.restored,
                    unresolved=call.unresolved,
                    bytes_in=call.bytes_in,
                    bytes_out=call.bytes_out,
                    mask_seconds=call.mask_seconds,
                    upstream_seconds=call.upstream_seconds,
                    seconds=perf_counter() - call.started,
                )
            )
            self._problem = None
        except JournalProblem as problem:
            self._failed(problem)

    def check(self) -> str | None:
        """Why the last line was not written, or None."""
        return self._problem

    def close(self) -> None:
        """The process stops."""
        if self._journal is not None:
            try:
                self._journal.close()
            except JournalProblem as problem:
                self._failed(problem)

    def _failed(self, problem: JournalProblem) -> None:
        if self._problem is None:
            log.event(self._settings.log, "journal", problem=str(problem))
        self._problem = str(problem)


def _verdict(call: Call) -> Verdict:
    if call.code in ("blocked_by_policy", "blocked"):
        return Verdict.BLOCKED
    if call.sent:
        return Verdict.SENT if call.code in ("", "upstream_error") else Verdict.FAILED
    return Verdict.FAILED if call.code in _FAULTS else Verdict.REFUSED
