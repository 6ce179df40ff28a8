"""Offsite tuning: what each side does, with nothing between the two but the files of a hand-over.

The model is real and small: trained here from nothing on made-up profiles, tuned on made-up notes. Figures
found (seeds as here, perplexity a word of notes about others): zero-shot 3.66; tuned at epsilon 8 emulator
2.92, plug-in 2.65, all of the model 2.54 (at the rate that is best for it).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed to train with")
pytest.importorskip("dp_accounting", reason="dp-accounting is not installed to price noise with")
pytest.importorskip("safetensors", reason="safetensors is not installed to hand weights over with")

from bench import notes  # noqa: E402

from masquerade.dp.ledger import Budget, Ledger  # noqa: E402
from masquerade.errors import BadInput, BudgetExceeded  # noqa: E402
from masquerade.transfer import offsite  # noqa: E402
from masquerade.transfer.models import Decoder  # noqa: E402
from masquerade.transfer.offsite import Cut, Handover, Owning, Receiving, perplexity  # noqa: E402
from masquerade.transfer.recipes import Fitting  # noqa: E402
from masquerade.transfer.train import Plan, Progress, train  # noqa: E402
from tests.transfer.files import edited  # noqa: E402

CUT = Cut(first=0, last=2, kept=2)
OWNING = Owning(8.0, 1e-5, 6000, batch=512, steps=30, rate=1e-3)
QUICK = Owning(8.0, 1e-5, 64, batch=64, steps=3)
"""All in each step: what is not sampled is priced at once."""
SMALL = Decoder(40, 8, width=16, heads=2, blocks=7)


def drawn(texts: Iterator[str], count: int) -> Any:
    return torch.tensor([notes.tokens(text) for text in islice(texts, count)])


def a_ledger(epsilon: float = 8.0) -> Ledger:
    return Ledger(Budget(epsilon, 1e-5), ("notes",), unit="line")


def through(handover: Handover) -> Handover:
    """As it is on the other side."""
    return Handover.of(dict(handover.files()))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def full() -> Handover:
    """Small, untrained, and quick."""
    return Handover("full", SMALL, dict(SMALL.build(1).named_parameters()))


@pytest.fixture(scope="module")
def public() -> Any:
    return torch.randint(0, 40, (64, 9), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def emulator(full: Handover, public: Any) -> Handover:
    return offsite.emulate(full, CUT, public, Receiving(epochs=1))


# -- what it is for --------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_what_was_tuned_far_away_fits_the_full_model() -> None:
    """Private throughout: the full model with the adapter is better than before, better than the emulator
    that the owner has, and nearly as good as if all of it had been tuned on the notes at that price."""
    torch.set_num_threads(1)
    public, private = drawn(notes.profiles(1), 8000), drawn(notes.notes(1), 6000)
    held = drawn(notes.others(3), 1500)
    shape = Decoder(len(notes.WORDS), notes.LENGTH, width=48, heads=4, blocks=6)
    full = offsite.fit(shape, public, Receiving(epochs=8, rate=4e-3))
    given = through(offsite.emulate(full, CUT, public, Receiving(epochs=1)))
    ledger = a_ledger()
    back = through(offsite.tune(given, lambda: private, OWNING, ledger))
    assert 7.5 < ledger.spent <= 8.0 and back.privacy["epsilon"] <= 8.0
    emulated = given.module()
    emulated.load_state_dict(offsite.plugged(emulated, back.weights, CUT).state_dict())
    plugged = offsite.plug(full, back)

    model = full.module().train()
    plan = Plan(**back.privacy["plan"])
    train(
        model, offsite.pairs(private), plan, ledger=a_ledger(8.1), losses=offsite.by_sequence, microbatch=256,
        optimizer=torch.optim.Adam(model.parameters(), lr=5e-4), average=0.3,
    )  # fmt: skip
    zero, near, plug, far = (
        perplexity(each, held) for each in (full.module(), emulated, plugged.module(), model.eval())
    )
    assert plug < 0.85 * zero, "it learnt the notes' style"
    assert plug < 0.96 * near, "and knows more than the emulator"
    assert plug < 1.1 * far, "as if all of it had been tuned"
    assert perplexity(plugged.module(), drawn(notes.profiles(2), 500)) < 4


# -- laws ------------------------------------------------------------------------------------------------


def test_a_model_that_tells_nothing_has_no_perplexity_and_no_fault(full: Handover, public: Any) -> None:
    for far in (1e5, 1e38):
        weights = {name: value * far for name, value in full.weights.items()}
        assert not perplexity(replace(full, weights=weights).module(), public) < 1e300


def test_what_was_paid_before_stays_said(full: Handover, public: Any) -> None:
    """A model that was tuned once holds what that cost, and so does all that is made of it."""
    first, second = (replace(QUICK, epsilon=epsilon) for epsilon in (8.0, 4.0))
    given = offsite.emulate(full, CUT, public, Receiving(epochs=1))
    once = offsite.plug(full, through(offsite.tune(given, lambda: public, first, a_ledger())))
    emulator = through(offsite.emulate(through(once), CUT, public, Receiving(epochs=1)))
    again = through(offsite.tune(emulator, lambda: public, second, a_ledger()))
    for told in (emulator, again, offsite.plug(once, again), offsite.plug(full, again)):
        assert [each["epsilon"] for each in told.privacy["earlier"]] == [once.privacy["epsilon"]]
    assert again.privacy["epsilon"] <= 4 < once.privacy["epsilon"] and "earlier" not in once.privacy
    for wrong in (3, [3], {"epsilon": 1}):
        told = edited(once.files(), lambda told, wrong=wrong: {**told, "privacy": {"earlier": wrong}})
        with pytest.raises(BadInput):
            Handover.of(told)


@pytest.mark.parametrize("cut", [Cut(0, 2, 5), Cut(2, 1, 4), Cut(1, 1, 5)])
def test_an_emulator_without_dropped_blocks_is_the_model(full: Handover, public: Any, cut: Cut) -> None:
    emulator = offsite.emulate(full, cut, public, Receiving(epochs=1))
    assert emulator.weights.keys() == full.weights.keys()
    assert all(torch.equal(emulator.weights[name], value) for name, value in full.weights.items())


@pytest.mark.parametrize("cut", [CUT, Cut(1, 1, 1), Cut(2, 2, 3)])
def test_an_adapter_that_was_not_tuned_changes_no_bit(full: Handover, public: Any, cut: Cut) -> None:
    given = offsite.emulate(full, cut, public, Receiving(epochs=1))
    assert given.model.blocks == cut.blocks
    weights = {name: value.detach() for name, value in offsite.adapter(given.module(), cut).items()}
    back = offsite.plug(full, through(replace(given, stage="adapter", weights=weights)))
    assert all(torch.equal(back.weights[name], value) for name, value in full.weights.items())
    x = public[:, :-1]
    assert torch.equal(back.module()(x), full.module()(x))


def test_blocks_are_dropped_evenly() -> None:
    assert Cut(1, 1, 3).of(11) == [0, 1, 5, 9, 10]
    assert Cut(0, 2, 2).of(6) == [0, 3, 4, 5]
    assert Cut(2, 1, 1).of(6) == [0, 1, 2, 5]
    assert Cut(1, 2, 4).of(7) == list(range(7))
    for first, last, kept, blocks in ((0, 2, 5, 6), (3, 3, 1, 6), (4, 4, 1, 2)):
        with pytest.raises(BadInput, match="in the middle"):
            Cut(first, last, kept).of(blocks)
    for wrong in ((0, 0, 1), (1, 1, 0), (-1, 1, 1), (1, 1.0, 1), (1, True, 1), (1, 1, 257)):
        with pytest.raises(BadInput):
            Cut(*wrong)  # type: ignore[arg-type]


def test_distilling_moves_the_middle_alone(full: Handover, public: Any, emulator: Handover) -> None:
    raw = offsite.dropped(full.module(), CUT)
    losses: list[float] = []
    offsite.emulate(full, CUT, public, Receiving(epochs=5), lambda told: losses.append(told.loss))
    assert losses[-1] < losses[0]
    moved = {name for name, value in raw.named_parameters() if not torch.equal(value, emulator.weights[name])}
    assert moved and all(name.startswith(("blocks.0.", "blocks.1.")) for name in moved)
    assert full.module().blocks[0] is not raw.get_submodule("blocks.0"), "the full model is as it was"


def test_the_loss_of_a_sequence_is_its_own() -> None:
    model = SMALL.build(3).eval()
    rows = torch.randint(0, 40, (6, 9))
    rows[2, 5:] = offsite.NOTHING
    x, y = offsite.pairs(rows)
    together = offsite.by_sequence(model, x, y)
    alone = torch.cat([offsite.by_sequence(model, x[i : i + 1], y[i : i + 1]) for i in range(6)])
    assert torch.allclose(together, alone, atol=1e-6)
    rows[3] = 0
    changed = offsite.by_sequence(model, *offsite.pairs(rows))
    assert torch.allclose(changed[[0, 1, 2, 4, 5]], together[[0, 1, 2, 4, 5]], atol=1e-6)
    later = x.clone()
    later[:, 5:] = 1
    assert torch.allclose(model(x)[:, :5], model(later)[:, :5], atol=1e-5), "it sees what came before alone"


def test_the_same_seed_gives_the_same_bytes(public: Any) -> None:
    before = torch.get_rng_state()

    def made(seed: int) -> dict[str, bytes]:
        full = offsite.fit(SMALL, public, Receiving(epochs=1, seed=seed))
        return offsite.emulate(full, CUT, public, Receiving(epochs=1, seed=seed)).files()

    assert made(1) == made(1) != made(2)
    assert torch.equal(torch.get_rng_state(), before)


# -- the owner -------------------------------------------------------------------------------------------


def test_what_goes_back_is_the_adapter_and_no_more(emulator: Handover, public: Any) -> None:
    how, steps, ledger = QUICK, list[float](), a_ledger()

    def told(progress: Progress) -> None:
        steps.append(ledger.spent)

    back = offsite.tune(emulator, lambda: public, how, ledger, told)
    files = back.files()
    from safetensors.torch import load

    tensors = load(files["model.safetensors"])
    assert tensors.keys() == offsite.adapter(emulator.module(), CUT).keys()
    assert all(name.startswith(("last.0.", "last.1.")) for name in tensors)
    assert len(steps) == 3 and steps[0] == steps[-1] == pytest.approx(back.privacy["epsilon"]), "paid before"
    assert any(not torch.equal(tensors[n], v) for n, v in offsite.adapter(emulator.module(), CUT).items())
    assert "epsilon" in back.card and back.privacy["unit"] == "line"
    assert set(files) == {"configuration.json", "model.safetensors"}


def test_the_ledger_is_asked_before_the_text_is_read(emulator: Handover) -> None:
    def tripwire() -> Any:
        raise AssertionError("the private reader was opened")

    poor = a_ledger(0.5)
    with pytest.raises(BudgetExceeded):
        offsite.tune(emulator, tripwire, QUICK, poor)
    assert poor.spent == 0


def test_nothing_private_is_in_what_leaves(capsys: pytest.CaptureFixture[str]) -> None:
    shape = Decoder(256, 24, width=16, heads=2, blocks=4)
    public = offsite.encoded(["a public line", "another one"] * 8, 24)
    private = ["the canary sings", "canary 4111 1111"] * 8
    full = offsite.fit(shape, public, Receiving(epochs=1))
    given = offsite.emulate(full, Cut(0, 1, 2), public, Receiving(epochs=1))
    how = replace(QUICK, steps=2)
    back = offsite.tune(given, lambda: offsite.encoded(private, 24), how, a_ledger())
    for handover in (given, back, offsite.plug(full, back)):
        told = b"".join(handover.files().values()) + repr(handover).encode()
        assert b"canary" not in told and b"4111" not in told
    with pytest.raises(BadInput) as caught:
        offsite.tune(given, lambda: offsite.encoded(private, 23), how, a_ledger())
    out, err = capsys.readouterr()
    assert "canary" not in str(caught.value) + out + err


def test_an_emulator_that_spies_gets_no_more_of_one_sequence() -> None:
    """However large its weights make a gradient, a step's sum moves by the bound at most."""
    from masquerade.transfer.gradient import PerExample

    weights = {name: 50 * value.detach() for name, value in SMALL.build(5).named_parameters()}
    model = Handover("emulator", replace(SMALL, blocks=4), _fewer(weights, 4), CUT).module()
    model.requires_grad_(False)
    for value in offsite.adapter(model, CUT).values():
        value.requires_grad_(True)
    x, y = offsite.pairs(torch.randint(0, 40, (8, 9)))
    with PerExample(model, 0.3) as private:
        whole = private(lambda: offsite.by_sequence(model, x, y)).gradients
        less = private(lambda: offsite.by_sequence(model, x[1:], y[1:])).gradients
    moved = sum(float((whole[name] - less[name]).square().sum()) for name in whole) ** 0.5
    assert 0 < moved <= 0.3 * 1.001


def _fewer(weights: dict[str, Any], blocks: int) -> dict[str, Any]:
    return {n: v for n, v in weights.items() if not n.startswith("blocks.") or int(n.split(".")[1]) < blocks}


# -- what does not fit -----------------------------------------------------------------------------------


def test_what_does_not_fit_is_refused(full: Handover, emulator: Handover, public: Any) -> None:
    how = QUICK
    back = offsite.tune(emulator, lambda: public, how, a_ledger())
    other = Handover(
        "full", replace(SMALL, vocabulary=41), dict(replace(SMALL, vocabulary=41).build().named_parameters())
    )
    for wrong, why in (
        (lambda: offsite.tune(full, lambda: public, how, a_ledger()), "what came is of stage 'full'"),
        (lambda: offsite.tune(back, lambda: public, how, a_ledger()), "what came is of stage 'adapter'"),
        (lambda: offsite.tune(emulator, lambda: public[:, :-1], how, a_ledger()), "9 tokens"),
        (lambda: offsite.tune(emulator, lambda: public + 1, how, a_ledger()), "vocabulary"),
        (lambda: offsite.plug(full, emulator), "is of stage 'emulator'"),
        (lambda: offsite.plug(other, back), "another model"),
        (back.module, "plug it"),
        (lambda: offsite.emulate(full, Cut(0, 2, 6), public, Receiving()), "in the middle"),
        (lambda: offsite.emulate(emulator, Cut(0, 2, 1), public, Receiving()), "of a full model"),
        (lambda: offsite.fit(SMALL, public[:0], Receiving()), "no public text"),
        (lambda: replace(emulator, cut=None), "where they were cut"),
        (lambda: replace(full, cut=CUT), "where they were cut"),
        (lambda: replace(emulator, cut=Cut(0, 2, 1)), "number of blocks"),
        (lambda: offsite.plugged(full.module(), {}, CUT), "another model"),
    ):  # fmt: skip
        with pytest.raises(BadInput, match=why):
            wrong()


def test_files_that_are_no_hand_over(emulator: Handover) -> None:
    from safetensors.torch import save

    files, weights = emulator.files(), dict(emulator.weights)
    assert b"pickle" not in files["model.safetensors"] and through(emulator).files() == files

    def with_model(**change: Any) -> dict[str, bytes]:
        return edited(files, lambda told: {**told, "model": {**told["model"], **change}})

    def with_weights(**change: Any) -> dict[str, bytes]:
        return {**files, "model.safetensors": save({**weights, **change})}

    norm = weights["norm.weight"]
    wrong = [
        {}, {"configuration.json": files["configuration.json"]}, {**files, "configuration.json": b"[" * 9999},
        *({**files, "configuration.json": raw} for raw in (b"{}", b"[]", b"3", b"null", b"\xff")),
        {**files, "model.safetensors": files["model.safetensors"][:-1]},
        *({**files, "model.safetensors": raw} for raw in (b"", b"\x80\x04.", b"\xff" * 64)),
        with_weights(more=norm.clone()), with_weights(**{"norm.weight": norm.double()}),
        with_weights(**{"norm.weight": norm[:-1].clone()}), with_weights(**{"norm.weight": norm / 0}),
        *(with_model(**{name: value}) for name in ("vocabulary", "length", "width", "heads", "blocks")
          for value in (0, -1, 1 << 40, 3.0, True, None, "x", [])),
        with_model(blocks=256, width=1024), with_model(more=1), with_model(heads=3),
        edited(files, lambda told: {**told, "masquerade": 2}),
        edited(files, lambda told: {**told, "recipe": "light"}),
        *(edited(files, lambda told, stage=stage: {**told, "stage": stage})
          for stage in ("adapter", "full", "x", [], None)),
        *(edited(files, lambda told, cut=cut: {**told, "cut": cut}) for cut in (
            None, 3, {}, {"first": 1, "last": 1, "kept": 1}, {"first": 0, "last": 2, "kept": 2, "run": "x"},
            {"first": 0, "last": 2, "kept": True})),
        edited(files, lambda told: {**told, "privacy": 3}),
    ]  # fmt: skip
    for number, each in enumerate(wrong):
        with pytest.raises(BadInput):
            raise AssertionError(f"not refused: {number} {Handover.of(each)}")


def test_text_as_bytes() -> None:
    rows = offsite.encoded(["hé", "longer than it sees", "", "n\0ul"], 6)
    assert rows.tolist() == [
        [0, 104, 0xC3, 0xA9, 0, -1, -1],
        [0, *b"longer"],
        [0, 0, -1, -1, -1, -1, -1],
        [0, *b"nul", 0, -1, -1],
    ]
    x, y = offsite.pairs(rows)
    assert x.shape == y.shape == (4, 6) and x.min() == 0 and y.min() == -1
    assert offsite.encoded([], 6).shape == (0, 7)
    assert perplexity(SMALL.build(), rows[:0]) != perplexity(SMALL.build(), rows[:0]), "of nothing: NaN"


# -- anybody's model -------------------------------------------------------------------------------------


class Theirs(torch.nn.Module):
    """Not ours: its blocks lie elsewhere, and give tuples."""

    class Layer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Linear(12, 12)

        def forward(self, x: Any) -> Any:
            return (x + torch.tanh(self.inner(x)),)

    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.ModuleDict({"words": torch.nn.Embedding(9, 12)})
        self.body["layers"] = torch.nn.ModuleList(self.Layer() for _ in range(6))
        self.head = torch.nn.Linear(12, 9)

    def forward(self, x: Any) -> Any:
        inner = self.body["words"](x)
        for layer in self.body["layers"]:
            inner = layer(inner)[0]
        return self.head(inner)


def test_any_model_with_a_list_of_blocks() -> None:
    torch.manual_seed(0)
    model, cut, at = Theirs(), Cut(1, 1, 2), "body.layers"
    public = torch.randint(0, 9, (64, 5))
    before = copy.deepcopy(model.state_dict())
    emulator, losses = offsite.dropped(model, cut, at), list[Fitting]()
    offsite.distil(emulator, model, public, cut, Receiving(epochs=20), losses.append, at)
    assert losses[-1].loss < 0.7 * losses[0].loss
    with torch.no_grad():
        for value in offsite.adapter(emulator, cut, at).values():
            value.add_(1)
    plugged = offsite.plugged(model, offsite.adapter(emulator, cut, at), cut, at)
    changed = {name for name, value in plugged.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {f"body.layers.{i}.inner.{what}" for i in (0, 5) for what in ("weight", "bias")}
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
