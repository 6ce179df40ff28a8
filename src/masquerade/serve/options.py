"""Options of verbs whose work loads heavy packages: a command line that does not ask for it need not."""

from __future__ import annotations

import argparse


def train_options(parser: argparse.ArgumentParser) -> None:
    """Those of ``masquerade train``."""
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
