"""Figures of an evaluation: shares with their intervals, confusion matrices, balanced accuracy, ROC, latency. Pure functions."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

Z = 1.959964  # two-sided 95%
DRAWS, SEED = 2_000, 7  # of the bootstrap
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Share:
    """`k` of `n`, with the 95% Wilson score interval; all shares are 0..1 and None where there is nothing to count."""

    k: int
    n: int

    @property
    def rate(self) -> float | None:
        return self.k / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        return wilson(self.k, self.n) if self.n else None

    def __str__(self) -> str:
        if not self.n:
            return "–"
        low, high = wilson(self.k, self.n)
        return f"{self.k / self.n:.1%} ({low:.1%} to {high:.1%})"

    def figures(self) -> dict[str, Any]:
        """For report.json."""
        low, high = self.interval or (None, None)
        return {"k": self.k, "n": self.n, "rate": self.rate, "low": low, "high": high}


def share(hits: Iterable[bool]) -> Share:
    """How many of them are true."""
    found = list(hits)
    return Share(sum(found), len(found))


def wilson(k: int, n: int) -> tuple[float, float]:
    """The 95% score interval of a proportion (Wilson 1927). Raises ValueError unless 0 <= k <= n and n > 0."""
    if not 0 <= k <= n or n == 0:
        raise ValueError(f"{k!r} of {n!r} is no share: give 0 <= k <= n and n > 0")
    p, square = k / n, Z * Z / n
    middle, half = (p + square / 2) / (1 + square), Z * math.sqrt(p * (1 - p) / n + square / (4 * n)) / (1 + square)
    return (0.0 if k == 0 else middle - half), (1.0 if k == n else middle + half)


@dataclass(frozen=True, slots=True)
class Gap:
    """One share less another, with the 95% interval of the difference (Newcombe 1998, method 10)."""

    a: Share
    b: Share

    def figures(self) -> dict[str, Any]:
        low, high = self.interval or (None, None)
        return {"difference": self.difference, "low": low, "high": high}

    @property
    def difference(self) -> float | None:
        return None if self.a.rate is None or self.b.rate is None else self.a.rate - self.b.rate

    @property
    def interval(self) -> tuple[float, float] | None:
        if self.difference is None or self.a.interval is None or self.b.interval is None:
            return None
        (la, ha), (lb, hb), a, b = self.a.interval, self.b.interval, self.a.rate or 0.0, self.b.rate or 0.0
        return self.difference - math.hypot(a - la, hb - b), self.difference + math.hypot(ha - a, b - lb)

    def __str__(self) -> str:
        if self.difference is None or self.interval is None:
            return "–"
        low, high = self.interval
        return f"{self.difference * 100:+.1f} points ({low * 100:+.1f} to {high * 100:+.1f})"


def confusion(pairs: Iterable[tuple[str, str]], rows: Sequence[str], columns: Sequence[str]) -> list[list[int]]:
    """Counts of (true, decided), shape (rows, columns)."""
    counts = Counter(pairs)
    return [[counts[row, column] for column in columns] for row in rows]


def balanced_accuracy(labels: Sequence[bool], said: Sequence[bool]) -> float | None:
    """The mean of sensitivity and specificity, 0..1; None where one of the classes is missing."""
    truth, told = np.asarray(labels, bool), np.asarray(said, bool)
    if truth.all() or not truth.any():
        return None
    return float((told[truth].mean() + (~told[~truth]).mean()) / 2)


def bootstrap(
    labels: Sequence[bool], values: Sequence[T], figure: Callable[[Any, Any], float | None]
) -> tuple[float, float] | None:
    """The 95% percentile interval of a figure, rows drawn within each class so that no draw lacks one; the seed is fixed."""
    truth, told = np.asarray(labels, bool), np.asarray(values)
    classes = [np.flatnonzero(truth), np.flatnonzero(~truth)]
    if min(map(len, classes)) < 2:
        return None
    random = np.random.default_rng(SEED)
    drawn = []
    for _ in range(DRAWS):
        at = np.concatenate([random.choice(one, len(one)) for one in classes])
        value = figure(truth[at], told[at])
        drawn += [value] if value is not None else []
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def auc(labels: Sequence[bool], scores: Sequence[float]) -> float | None:
    """Area under the ROC curve: how often a true row scores above a false one, ties counted half. None without both."""
    truth, score = np.asarray(labels, bool), np.asarray(scores, float)
    if truth.all() or not truth.any():
        return None
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, score))


def roc(labels: Sequence[bool], scores: Sequence[float]) -> list[tuple[float, float]]:
    """Points (false alarm rate, recall) from the strictest threshold to the laxest; empty without both classes."""
    if all(labels) or not any(labels):
        return []
    from sklearn.metrics import roc_curve

    false_alarms, recall, _ = roc_curve(labels, scores)
    return [(float(x), float(y)) for x, y in zip(false_alarms, recall, strict=True)]


def latency(ms: Sequence[float]) -> dict[str, float | int | None]:
    """Milliseconds: n, mean, p50, p95, most."""
    if not ms:
        return {"n": 0, "mean": None, "p50": None, "p95": None, "most": None}
    p50, p95 = np.percentile(ms, [50, 95])
    found = {"mean": float(np.mean(ms)), "p50": float(p50), "p95": float(p95), "most": max(ms)}
    return {"n": len(ms), **{name: round(value, 2) for name, value in found.items()}}


def grouped(rows: Iterable[T], key: Callable[[T], str]) -> Mapping[str, list[T]]:
    """Rows by key, keys in alphabetical order."""
    found: dict[str, list[T]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return dict(sorted(found.items()))
