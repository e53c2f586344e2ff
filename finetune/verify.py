"""Tunes, calibrates and measures the reader of the claim gate: `python -m finetune.verify --data DIR` (about 50 minutes).

Pairs come from `finetune/examples/claims.jsonl` (ours: an evidence, claims on it, their labels) and, made by rule, from the
topics and public sets (`finetune/verify_data.py`). An evidence, topic, article or patient is kept whole: a seventh is only
measured on, of ours half of that calibrates. A training that is kept in --work already is not done again.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from finetune.metrics import auc, balanced_accuracy
from finetune.tuned import changed, keep
from finetune.verify_data import SEED, Row, pairs
from finetune.verify_tune import logits, tune
from retrieval.e5 import WordFile
from retrieval.types import LOCALES
from safety.entailment import LAYERS, RELEASED, Reader, relevant
from safety.grounding import forbidden, numbers_differ

CLAIMS = Path(__file__).parent / "examples" / "claims.jsonl"
MADE = {  # rows made of a source for one epoch
    "knowledge": 2_000, "pubmedqa": 1_700, "medquad": 600, "mts-dialog": 700, "evidence-inference": 700, "medec": 150,
    "chineseblue": 700, "huatuo": 800, "toyhom": 1_000,
}  # fmt: skip
EPOCHS = ((1.0, 1), (0.3, 1), (0.3, 1))  # share of MADE and how often ours, in each
APART, CALIBRATES = 14, 7  # of a hundred groups: not fitted, of which these choose slope, offset and threshold
Array = NDArray[np.float32]


def main() -> None:
    """Print the figures; write weights, calibration and figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public sets")
    parser.add_argument("--work", type=Path, default=Path("var/verify"), help="where a training is kept between runs")
    parser.add_argument("--out", type=Path, default=RELEASED)
    parser.add_argument("--go-on", action="store_true", help="start from the released weights, not from the base")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(arguments.threads)
    ours = claims()
    made = [replace(row, evidence=relevant(row.claim, row.evidence)) for row in pairs(arguments.data)]
    fit = unstyled([row for row in ours if _place(row) >= APART])
    epochs = [fit * often + some(made, share, number) for number, (share, often) in enumerate(EPOCHS)]
    words, model = tune(epochs, arguments.work / "verify.pt", Reader().network() if arguments.go_on else None)
    apart = [row for row in ours if _place(row) < APART]
    far = [row for row in made if _place(row) < APART]
    card = measured(apart, far, logits(words, model, apart), logits(words, model, far)) | {"rows": len(fit), "seed": SEED}
    print(json.dumps(card, indent=1, ensure_ascii=False))
    write(arguments.out, words, model, card)


def claims() -> list[Row]:
    """Our own claims, each beside the sentences of its evidence that the reader would be given."""
    lines = map(json.loads, CLAIMS.read_text("utf-8").splitlines())
    return [
        Row(claim, relevant(claim, r["evidence"]), int(label == "supported"), r["locale"], "claims", r["evidence"], kind)
        for r in lines
        for claim, label, kind in r["claims"]
    ]


def _place(row: Row) -> int:
    return crc32(row.group.encode()) % 100


def some(made: Sequence[Row], share: float, seed: int) -> list[Row]:
    """Rows of each source and language for one epoch, at most `share` of MADE; other rows in each."""
    order = np.random.default_rng(seed).permutation(len(made))
    taken: dict[tuple[str, str], int] = {}
    out = []
    for row in (made[n] for n in order):
        key = row.source, row.locale
        if _place(row) >= APART and taken.get(key, 0) < share * MADE.get(row.source, 0):
            taken[key] = taken.get(key, 0) + 1
            out.append(row)
    return out


def unstyled(rows: Sequence[Row]) -> list[Row]:
    """The rows with weights under which a claim's wording alone says nothing of its label.

    Writers put what is true and what is not in different styles; a model of the n-grams, fitted on other evidences, tells by
    how much. Its probabilities are tempered until the weighted labels cannot be told any more.
    """
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import LogisticRegression

    out = []
    for locale in LOCALES:
        mine = [row for row in rows if row.locale == locale]
        kind, spans = ("char_wb", (2, 5)) if locale == "en" else ("char", (1, 4))
        matrix = HashingVectorizer(analyzer=kind, ngram_range=spans, n_features=1 << 18).transform([r.claim for r in mine])
        labels, folds = np.array([row.label for row in mine]), np.array([crc32(row.group.encode()) % 5 for row in mine])
        told = np.zeros(len(mine))
        for fold in range(5):
            model = LogisticRegression(C=20, max_iter=300).fit(matrix[folds != fold], labels[folds != fold])
            told[folds == fold] = model.decision_function(matrix[folds == fold])
        out += [replace(row, weight=float(w)) for row, w in zip(mine, tempered(told, labels), strict=True)]
    return out


def tempered(told: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weights of mean 1, each about half over the probability of the row's own label."""
    right, best = (told > 0) == (labels == 1), (np.inf, np.ones(len(labels)))
    for heat in np.linspace(0.05, 1.2, 47):
        own = 1 / (1 + np.exp(-heat * np.where(labels == 1, told, -told)))
        weights = np.clip(0.5 / own, 0.3, 4.0)
        best = min(best, (abs(float((weights * right).sum() / weights.sum()) - 0.5), weights), key=lambda pair: pair[0])
    return np.asarray(best[1] / best[1].mean())


def measured(apart: Sequence[Row], far: Sequence[Row], ours: Array, made: Array) -> dict[str, Any]:
    """Calibration of each language on ours, and figures on what neither fitted nor calibrated."""
    calibration: dict[str, Any] = {}
    figures: dict[str, Any] = {}
    for locale in LOCALES:
        mine = [n for n, row in enumerate(apart) if row.locale == locale]
        choose = [n for n in mine if _place(apart[n]) < CALIBRATES]
        calibration[locale] = calibrated([apart[n] for n in choose], ours[choose])
        test = [n for n in mine if _place(apart[n]) >= CALIBRATES]
        figures[f"ours {locale}"] = shown([apart[n] for n in test], ours[test], calibration[locale])
        for kind in sorted({apart[n].kind for n in test}):
            some_kind = [n for n in test if apart[n].kind == kind]
            said = decided([apart[n] for n in some_kind], ours[some_kind], calibration[locale])
            figures[f"ours {locale}, {kind}"] = f"right {np.mean([s == apart[n].label for s, n in zip(said, some_kind, strict=True)]):.2f} (n={len(some_kind)})"  # fmt: skip
    for source in sorted({(row.source, row.locale) for row in far}):
        mine = [n for n, row in enumerate(far) if (row.source, row.locale) == source][:400]
        figures[" ".join(("made:", *source))] = shown([far[n] for n in mine], made[mine], calibration[source[1]])
    return {"calibration": calibration, "figures": figures}


def calibrated(rows: Sequence[Row], z: Array) -> dict[str, float]:
    """Platt's slope and offset, and the threshold of the best balanced accuracy."""
    from sklearn.linear_model import LogisticRegression

    labels = np.array([row.label for row in rows])
    model = LogisticRegression(C=1e3, class_weight="balanced").fit(z[:, None], labels)
    fit = {"slope": round(float(model.coef_[0, 0]), 4), "offset": round(float(model.intercept_[0]), 4), "threshold": 0.5}
    truth = [bool(label) for label in labels]
    limits = np.linspace(0.3, 0.7, 41)
    score = {limit: balanced_accuracy(truth, decided(rows, z, fit | {"threshold": float(limit)})) or 0.0 for limit in limits}
    best = max(score.values())
    return fit | {"threshold": round(float(np.mean([limit for limit, value in score.items() if value >= best - 0.005])), 3)}


def decided(rows: Sequence[Row], z: Array, fit: dict[str, float]) -> list[bool]:
    """As `safety.entailment.held` decides."""
    p = 1 / (1 + np.exp(-(fit["slope"] * z + fit["offset"])))
    return [
        bool(one >= fit["threshold"]) and not (numbers_differ(row.claim, row.evidence) or forbidden(row.claim, row.evidence))
        for row, one in zip(rows, p, strict=True)
    ]


def shown(rows: Sequence[Row], z: Array, fit: dict[str, float]) -> str:
    truth = [bool(row.label) for row in rows]
    right = balanced_accuracy(truth, decided(rows, z, fit))
    return f"balanced accuracy {right or 0:.3f}, ROC AUC {auc(truth, [float(one) for one in z]) or 0:.3f} (n={len(rows)})"


def write(out: Path, words: WordFile, model: Any, card: dict[str, Any]) -> None:
    """What tuning changed in each weight of the base, and the head."""
    state = {name.removeprefix("encoder."): value for name, value in model.state_dict().items() if name.startswith("encoder.")}
    head = {f"head.{name}": value.numpy() for name, value in model.head.state_dict().items()}
    keep(out / "verify.safetensors", {f"encoder.{name}": t for name, t in changed(words, state, LAYERS).items()}, head)
    (out / "verify.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
