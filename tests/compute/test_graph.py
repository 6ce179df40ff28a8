"""Degrees and thresholds: the probabilities behind them, and the shape of the graph."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from masquerade.compute.graph import FULL, Graph, Plan, _tail, plan
from masquerade.errors import ProtocolProblem


@pytest.mark.parametrize(
    ("population", "marked", "drawn"), [(10, 3, 4), (99, 20, 30), (999, 330, 102), (5, 5, 5)]
)
def test_tails_are_those_of_the_hypergeometric_distribution(population: int, marked: int, drawn: int) -> None:
    whole = comb(population, drawn)
    tail = _tail(population, marked, drawn)
    for x in range(drawn + 2):
        exact = sum(
            comb(marked, i) * comb(population - marked, drawn - i) for i in range(x, min(drawn, marked) + 1)
        )
        assert tail[x] == pytest.approx(exact / whole, rel=1e-8, abs=1e-300)


@pytest.mark.parametrize(("corrupt", "degree"), [(0.10, 45), (0.20, 67), (0.33, 102)])
def test_degrees_of_a_thousand_agree_with_figures_found_elsewhere(corrupt: float, degree: int) -> None:
    """For an aggregator that follows the protocol: 45, 67, 102; ours are even, a ring has two sides."""
    found = plan(1000, corrupt, 0.1, semi_honest=True).degree
    assert degree <= found <= degree + 1


@pytest.mark.parametrize("clients", [301, 1000, 10_000])
@pytest.mark.parametrize("semi_honest", [False, True])
def test_a_plan_keeps_its_two_promises_and_a_smaller_degree_would_not(
    clients: int, semi_honest: bool
) -> None:
    made = plan(clients, 0.2, 0.1, semi_honest)

    def at_least(marked: int, x: int, drawn: int, population: int = clients - 1) -> float:
        ways = sum(
            comb(marked, i) * comb(population - marked, drawn - i) for i in range(max(x, 0), drawn + 1)
        )
        return ways / comb(population, drawn)

    def holds(degree: int, threshold: int) -> bool:
        opened = threshold if semi_honest else 2 * threshold - degree - 1
        cut = (
            at_least(clients // 5 + clients // 10, degree, degree)
            if semi_honest
            else at_least(clients // 5, threshold - degree // 2 - 1, degree // 2, clients) ** 2
        )
        return (
            clients * at_least(clients // 5, opened, degree) <= 2**-40
            and clients * (clients - 1) / 2 * cut <= 2**-40
            and clients * at_least(clients // 10, degree - threshold + 1, degree) <= 2**-20
        )

    assert holds(made.degree, made.threshold)
    assert made.minimum == clients - clients // 10
    assert not any(holds(made.degree - 2, threshold) for threshold in range(1, made.degree - 1))


@pytest.mark.parametrize("clients", [3, 4, 5, 10, 100, 255, 256, 300])
@pytest.mark.parametrize("corrupt", [0.0, 0.1, 0.2, 1 / 3])
def test_nobody_gets_both_secrets_in_a_full_graph(clients: int, corrupt: float) -> None:
    made = plan(clients, corrupt, 0.0)
    bad = max(1, int(corrupt * clients))
    assert made.full
    assert 2 * made.threshold > clients + bad
    assert made.minimum >= bad + 2
    assert made.threshold <= clients


def test_up_to_300_clients_the_graph_is_full() -> None:
    """In bytes as long as their places are enough, then in 16 bits."""
    for clients in (3, 255, 256, 280, 300):
        assert plan(clients).full
        assert plan(clients).degree == clients - 1
        assert plan(clients).element.itemsize == (1 if clients <= 255 else 2)
    assert plan(301).degree < 110
    assert plan(301).element == np.uint8


@pytest.mark.parametrize(
    ("told", "words"),
    [((2,), "at least three"), ((0,), "at least three"), ((10, 0.5, 0.5), "no plan"),
     ((5000, 0.4, 0.2), "no plan"), ((10, -0.1), "fractions"),
     ((10, 0.1, 1.0), "fractions"),
     ((10, float("nan")), "fractions")],
)  # fmt: skip
def test_impossible_plans_are_refused(told: tuple[float, ...], words: str) -> None:
    with pytest.raises(ProtocolProblem, match=words):
        plan(*told)  # type: ignore[arg-type]


@pytest.mark.parametrize("clients", [3, 30, 255, 256, FULL, 301, 1000])
def test_neighbours_are_mutual_and_hold_shares_at_different_places(clients: int) -> None:
    made = plan(clients)
    graph = Graph(made, bytes(range(16)))
    near = [graph.neighbours(i) for i in range(clients)]
    edges = {(i, int(j)) for i in range(clients) for j in near[i]}
    assert edges == {(j, i) for i, j in edges}
    for client in range(0, clients, 7):
        assert len(set(near[client].tolist())) == made.degree
        assert client not in near[client]
        assert (np.diff(near[client]) > 0).all()
        holders = np.append(near[client], client)
        places = graph.places(client, holders)
        assert places.min() >= 1
        assert places.max() <= made.degree + 1
        assert len(set(places.tolist())) == made.degree + 1
        back = graph.places(near[client], client)
        assert back.tolist() == [int(graph.places(int(j), np.array([client]))[0]) for j in near[client]]


def test_another_session_has_another_ring() -> None:
    made = plan(400)
    one, other = (Graph(made, bytes([i] * 16)) for i in (1, 2))
    same = sum(len(np.intersect1d(one.neighbours(i), other.neighbours(i))) for i in range(400))
    assert same / (400 * made.degree) == pytest.approx(made.degree / 399, rel=0.1)


def cuts(made: Plan, corrupt: float, rings: int) -> int:
    """In how many of so many rings a coalition finds two places to cut: runs of half a degree so full of the
    corrupt that, the honest in them named as dropped, the clients beside them still have their threshold."""
    run, found = made.degree // 2, 0
    marked = np.arange(made.clients) < int(corrupt * made.clients)
    for seed in range(rings):
        ring = Graph(made, seed.to_bytes(16, "little"))._ring
        around = np.concatenate([marked[ring], marked[ring][: run - 1]]).astype(int)
        bad = np.convolve(around, np.ones(run, int), "valid")
        places = np.flatnonzero(made.degree + 1 - (run - bad) >= made.threshold)
        apart = np.subtract.outer(places, places) % made.clients
        found += bool(((apart >= run) & (made.clients - apart >= run)).any())
    return found


def test_a_lying_aggregator_finds_no_place_to_cut() -> None:
    """With thresholds for one that does not lie it would: the honest in a run are simply named as dropped."""
    assert cuts(plan(301), 0.2, 300) == 0
    assert cuts(plan(1000), 0.2, 100) == 0
    assert cuts(plan(301, semi_honest=True), 0.2, 300) > 150


@pytest.mark.parametrize("semi_honest", [False, True])
def test_a_plan_leaves_two_honest_clients(semi_honest: bool) -> None:
    """With one, those that conspire subtract themselves from the sum and have its value."""
    for clients, corrupt in ((3, 0.67), (4, 0.75), (10, 0.9)):
        with pytest.raises(ProtocolProblem, match="the only other one"):
            plan(clients, corrupt, 0.0, semi_honest)
    for clients in range(3, 301):
        for corrupt in (0.0, 0.2, 0.33, 0.5, 0.8):
            bad = max(1, int(corrupt * clients))
            if bad <= clients - 2:
                found = plan(clients, corrupt, 0.0, semi_honest)
                assert found.minimum >= bad + 2
                assert found.threshold > bad
                assert semi_honest or 2 * found.threshold > clients + bad
