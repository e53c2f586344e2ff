"""Fits, calibrates and measures the heads of `safety/guard.py`: `python -m finetune.guard --data DIR`.

Rows come from `finetune/evals/guard.jsonl` (contrast pairs that we wrote) and from public sets under DIR, which stay
there. Groups (a pair, a way of attack, an author, a diagnosis) are kept whole: three fifths fit, one fifth calibrates and
chooses the thresholds, one fifth is only measured. The released heads are then fitted on all of it.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.guard_data import SEED, Row, documents, own, policy, public
from retrieval.embed import Embedder, MiniLM
from retrieval.types import LOCALES, Locale
from safety.guard import CHARACTERS, HEADS, RELEASED, WORDS, Head, embedded, ngrams, readable, stopped

WEIGHTS = {"own": 4.0, "policy": 4.0, "medsafetybench": 3.0, "jailbreakbench-goals": 3.0, "cvalues": 2.0, "dangerousqa": 2.0}
STRENGTH = 1.0  # inverse of the L2 penalty
NGRAM_SCALE, DENSE_SCALE = 3.0, 2.0  # of the n-grams and of the sentence vector, the best of eleven tried
ALLOWED: dict[str, tuple[Head, dict[str, float]]] = {  # threshold: head, and the share of each kind of safe text it may stop
    "harmful": ("harmful", {"patient": 0.006, "benign": 0.08}),
    "misuse": ("misuse", {"patient": 0.004, "benign": 0.07}),
    "injection": ("injection", {"patient": 0.003, "benign": 0.02, "document": 0.03}),
    "scope": ("scope", {"patient": 0.006, "benign": 0.06}),
    "sure": ("harmful", {"out_of_scope": 0.02}),
}
Array = NDArray[np.float32]


def main() -> None:
    """Print the figures of the held-out groups and write weights, thresholds and figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public sets")
    parser.add_argument("--out", type=Path, default=RELEASED)
    arguments = parser.parse_args()
    rows = [*own(), *policy(), *public(arguments.data)]
    rows += documents(rows)
    embedder = MiniLM()
    tensors: dict[str, Array] = {}
    card: dict[str, Any] = {"seed": SEED, "rows": len(rows), "thresholds": {}, "figures": {}}
    card["categories"] = sorted({row.category for row in rows if row.kind == "harmful" and row.category})
    for locale in LOCALES:
        mine = [row for row in rows if row.locale == locale]
        features = Features.of(mine, locale, embedder)
        relabel(mine, features)
        heads = fitted(mine, features, [row.part == "fit" for row in mine])
        calibration, thresholds = calibrated(mine, features.logits(heads))
        card["thresholds"][locale] = thresholds
        card["figures"][locale] = figures(mine, probabilities(features.logits(heads), calibration), thresholds)
        print(json.dumps({locale: card["figures"][locale], "thresholds": thresholds}, indent=1), flush=True)
        everything = [True] * len(mine)
        tensors |= packed(locale, fitted(mine, features, everything), categories(mine, features), calibration)
    examples = [row for row in rows if row.source == "own" and row.category][::6]
    card["examples"] = [row.text for row in examples]
    tensors["examples"] = np.concatenate([embedded(embedder, [readable(row.text)], row.locale) for row in examples])
    save(arguments.out, tensors, card)


@dataclass(frozen=True, slots=True)
class Features:
    """N-grams and sentence vectors of rows: sparse, shape (rows, CHARACTERS + WORDS + 384)."""

    matrix: Any

    @classmethod
    def of(cls, rows: Sequence[Row], locale: Locale, embedder: Embedder) -> "Features":
        from scipy.sparse import csr_matrix, hstack  # type: ignore[import-untyped]
        from tqdm import tqdm

        texts = [readable(row.text) for row in rows]
        order = sorted(range(len(texts)), key=lambda n: len(texts[n]))  # texts of one length together: less padding
        vectors = np.zeros((len(texts), 384), np.float32)
        for at in tqdm(range(0, len(order), 256), desc=f"{locale} vectors", file=sys.stderr):
            batch = order[at : at + 256]
            vectors[batch] = embedded(embedder, [texts[n] for n in batch], locale)
        return cls(
            hstack([ngrams(texts, locale) * NGRAM_SCALE, csr_matrix(vectors * DENSE_SCALE)], format="csr", dtype=np.float32)
        )

    def logits(self, heads: Sequence[Any]) -> Array:
        return np.stack([head.decision_function(self.matrix) for head in heads], 1).astype(np.float32)


def relabel(rows: Sequence[Row], features: Features) -> None:
    """Some of HarmfulQA's questions are harmless: a first head, fitted without them, labels the clear ones."""
    doubtful = [n for n, row in enumerate(rows) if row.kind == "doubtful"]
    if not doubtful:
        return
    first = fitted(rows, features, [row.part == "fit" for row in rows], heads=("harmful",))[0]
    for n, p in zip(doubtful, first.predict_proba(features.matrix[doubtful])[:, 1], strict=True):
        if p > 0.6 or p < 0.1:
            rows[n].labels["harmful"] = int(p > 0.6)


def fitted(rows: Sequence[Row], features: Features, used: Sequence[bool], heads: Sequence[str] = HEADS) -> list[Any]:
    """One logistic regression a head, on the rows that are used and have its label."""
    from sklearn.linear_model import LogisticRegression

    out = []
    for head in heads:
        mine = [n for n, row in enumerate(rows) if used[n] and head in row.labels]
        weights = [WEIGHTS.get(rows[n].source, 1.0) for n in mine]
        model = LogisticRegression(C=STRENGTH, max_iter=200, random_state=SEED)
        out.append(model.fit(features.matrix[mine], [rows[n].labels[head] for n in mine], sample_weight=weights))
    return out


def calibrated(rows: Sequence[Row], logits: Array) -> tuple[Array, dict[str, float]]:
    """Platt's slope and offset of each head, and thresholds, from the groups set aside for it."""
    from sklearn.linear_model import LogisticRegression

    out = np.zeros((len(HEADS), 2), np.float32)
    for column, head in enumerate(HEADS):
        mine = [n for n, row in enumerate(rows) if row.part == "calibrate" and head in row.labels]
        platt = LogisticRegression(C=1e3).fit(logits[mine, column : column + 1], [rows[n].labels[head] for n in mine])
        out[column] = platt.coef_[0, 0], platt.intercept_[0]
    p = probabilities(logits, out)
    limits = {}
    for name, (wanted, allowed) in ALLOWED.items():
        safe = {kind: [n for n, r in enumerate(rows) if r.part == "calibrate" and r.kind == kind] for kind in allowed}
        column = HEADS.index(wanted)
        limits[name] = max(float(np.quantile(p[safe[kind], column], 1 - share)) for kind, share in allowed.items())
    return out, {name: round(limit, 4) for name, limit in limits.items()}


def probabilities(logits: Array, calibration: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-(logits * calibration[:, 0] + calibration[:, 1]))), np.float32)


def figures(rows: Sequence[Row], p: Array, thresholds: dict[str, float]) -> dict[str, str]:
    """Shares of the held-out rows that are stopped, with Wilson's 95 % interval."""
    groups: dict[str, list[tuple[Any, ...]]] = {}
    for row, scores in zip(rows, p, strict=True):
        if row.part == "test":
            kind = f"{row.source} {row.kind}" + (" (clinician)" if row.category == "professional_misuse" else "")
            groups.setdefault(kind, []).append(stopped(dict(zip(HEADS, scores, strict=True)), thresholds))
    tests: dict[str, Callable[[tuple[Any, ...]], bool]] = {
        "stopped": bool, "as harm": lambda s: bool({"harmful", "misuse"} & set(s)), "as injection": lambda s: "injection" in s,
        "as outside": lambda s: s[:1] == ("scope",),
    }  # fmt: skip
    return {
        kind: f"n={len(stops)}; "
        + "; ".join(f"{name} {wilson(sum(map(test, stops)), len(stops))}" for name, test in tests.items())
        for kind, stops in sorted(groups.items())
    }


def wilson(hits: int, n: int) -> str:
    """A share in per cent with its 95 % interval (Wilson 1927). n > 0."""
    share, z2 = hits / n, 1.96**2
    centre, half = share + z2 / 2 / n, 1.96 * (share * (1 - share) / n + z2 / 4 / n / n) ** 0.5
    low, high = ((centre + sign * half) / (1 + z2 / n) for sign in (-1, 1))
    return f"{100 * share:.1f} ({100 * low:.1f}-{100 * high:.1f})"


def packed(locale: Locale, heads: Sequence[Any], kinds: Any, calibration: Array) -> dict[str, Array]:
    """The tensors of one language; the scales are folded into the weights."""
    weights = np.concatenate([*(head.coef_ for head in heads), kinds.coef_])
    bias = np.concatenate([*(head.intercept_ for head in heads), kinds.intercept_])
    at = CHARACTERS + WORDS
    tensors = {
        "ngrams": weights[:, :at] * NGRAM_SCALE,
        "dense": weights[:, at:] * DENSE_SCALE,
        "bias": bias,
        "calibration": calibration,
    }
    return {f"{locale}.{name}": np.ascontiguousarray(t) for name, t in tensors.items()}


def categories(rows: Sequence[Row], features: Features) -> Any:
    """Which kind of harm it is, given that it is harm."""
    from sklearn.linear_model import LogisticRegression

    mine = [n for n, row in enumerate(rows) if row.kind == "harmful" and row.category]
    return LogisticRegression(C=STRENGTH, max_iter=40, tol=1e-3).fit(features.matrix[mine], [rows[n].category for n in mine])


def save(out: Path, tensors: dict[str, Array], card: dict[str, Any]) -> None:
    from safetensors.numpy import save_file

    out.mkdir(parents=True, exist_ok=True)
    save_file({name: t.astype(np.float16) for name, t in tensors.items()}, out / "guard.safetensors")
    (out / "guard.safetensors").chmod(0o644)  # the library writes it for its owner only
    (out / "guard.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
