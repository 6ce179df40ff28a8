"""Choose a hyper-parameter over data that stays where it is: parts of the data times parts of the tasks.

    python examples/hybrid.py                  processes of this machine
    python examples/hybrid.py --engine ray     a Ray cluster of this machine; needs masquerade[ray]

Ridge regression, in three steps. Nobody sees what a single node computed:

1. split the data:    each node sums X'X and X'y over its training rows; only the total is opened
2. split both:        each node scores some candidates of the penalty on its validation rows, from the models
                      that the total gives; only the total of the squared errors is opened
3. the candidate with the smallest total is the one that all rows in one place would have chosen
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from masquerade.compute import Part, split_both, split_data, total

PENALTIES = [0.0, 0.1, 1.0, 10.0, 100.0, 1000.0]
FEATURES = 30


def make_rows(count: int = 400) -> Any:
    """Rows of FEATURES numbers and a target, made up: more noise than signal, so that a penalty pays."""
    random = np.random.default_rng(7)
    features = random.normal(size=(count, FEATURES))
    target = features @ (random.normal(size=FEATURES) / 10) + random.normal(size=count)
    return np.column_stack([features, target])


def halves(rows: Any) -> tuple[Any, Any]:
    """Rows to train on, and rows to validate on."""
    return rows[::2], rows[1::2]


def normal_equations(rows: Any) -> dict[str, Any]:
    """What ridge regression needs of training rows: a sum over them, whatever the penalty."""
    train, _ = halves(rows)
    features, target = train[:, :-1], train[:, -1]
    return {"gram": features.T @ features, "moment": features.T @ target, "rows": len(train)}


def solve(sums: dict[str, Any], penalty: float) -> Any:
    """Coefficients, float64 of shape (FEATURES,)."""
    return np.linalg.solve(sums["gram"] + penalty * np.eye(FEATURES), sums["moment"])


def errors(rows: Any, tasks: list[tuple[int, Any]]) -> Any:
    """Squared errors on validation rows, in the places of the tasks that this node has; 0 elsewhere."""
    _, valid = halves(rows)
    found = np.zeros(len(PENALTIES))
    for place, coefficients in tasks:
        found[place] = np.sum((valid[:, :-1] @ coefficients - valid[:, -1]) ** 2)
    return found


def choose(parts: list[Part], rows: Any, engine: str) -> tuple[float, Any]:
    """The best penalty, and the total error of each."""
    sums = total(normal_equations, parts, engine=engine, reveal="sum").value
    models = [(place, solve(sums, penalty)) for place, penalty in enumerate(PENALTIES)]
    grid = split_both(rows, models, (len(parts), 2))
    scores = total(errors, grid, engine=engine, reveal="sum").value
    return PENALTIES[int(np.argmin(scores))], scores


def main() -> None:
    """Choose over four parts, and check against all rows in one place."""
    parser = argparse.ArgumentParser(description="hyper-parameters over data that stays where it is")
    parser.add_argument("--engine", choices=("local", "ray"), default="local")
    engine = parser.parse_args().engine
    rows = make_rows()  # an even number of them in each of four parts: halves of parts are parts of halves
    best, scores = choose(split_data(rows, 4), rows, engine)
    models = [(place, solve(normal_equations(rows), penalty)) for place, penalty in enumerate(PENALTIES)]
    alone = errors(rows, models)
    for penalty, score, check in zip(PENALTIES, scores, alone, strict=True):
        print(f"penalty {penalty:6g}: squared error {score:9.4f}, in one place {check:9.4f}")
    print(f"chosen over 4 nodes: {best:g}; in one place: {PENALTIES[int(np.argmin(alone))]:g}")


if __name__ == "__main__":
    main()
