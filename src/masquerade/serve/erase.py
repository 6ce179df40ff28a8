"""``masquerade erase``: what is remembered of a tenant, person or conversation is destroyed, and logged."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from masquerade.errors import BadInput
from masquerade.serve import keyfile
from masquerade.serve.journal import Journal
from masquerade.serve.source import Usage
from masquerade.serve.store import Store

_ALL = "all"


def run(args: argparse.Namespace) -> int:
    """Erase, write a line into the journal, and print what was destroyed; the exit code is 0.

    Raises:
        Usage: nothing is named, or a conversation of no tenant.
        BadInput, JournalProblem, KeyProblem, StoreProblem, Tampered: as the store and the journal say.
    """
    subject = sys.stdin.read().strip() if args.subject == "-" else args.subject
    if not (args.tenant or subject or args.conversation):
        raise Usage("name whose: --tenant, --subject, --conversation, or some of them")
    if args.conversation and not args.tenant:
        raise Usage("a conversation belongs to a tenant: name it with --tenant")
    key = keyfile.load()
    place = args.store or keyfile.home() / "store.db"
    if isinstance(place, Path) and not place.exists():
        raise BadInput("there is no store here, so nothing is remembered", source=str(place))
    scope, asked = _asked(args.tenant, subject, args.conversation)
    with Journal(Path(args.journal) if args.journal else keyfile.home() / "journal", key) as journal:
        store = Store.open(place, key)
        try:
            conversation = args.conversation
            if conversation is not None:
                conversation = store.conversation_of(args.tenant, conversation) or conversation
            erased = store.erase(args.tenant, subject=subject, conversation=conversation)
        finally:
            store.close()
        counts = {"conversations": erased.conversations, "entries": erased.entries, "links": erased.links}
        digest = journal.erased(args.tenant or _ALL, scope, asked, counts)
    if args.json:
        print(json.dumps({"scope": scope, "asked": digest, **counts}))
    else:
        print(", ".join(f"{n:,} {what}" for what, n in counts.items()) + " erased")
    return 0


def _asked(tenant: str | None, subject: str | None, conversation: str | None) -> tuple[str, str]:
    if conversation:
        return "conversation", conversation
    return ("subject", subject) if subject else ("tenant", tenant or "")
