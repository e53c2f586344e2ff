"""Fits and measures `retrieval/relevance.json`: which claim answers a question, and is its topic the right one.

`python -m finetune.relevance` reads `finetune/evals/questions.jsonl` (questions that we wrote: `text`, `locale`, `topic` or
null when the guidelines do not answer, `claims` that answer, `group`, and `also`: other topics that answer it too), cross-validates by topic (no topic is in both
halves of a fold) and writes weights that are fitted on all of it.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.embed import Bilingual
from retrieval.index import IndexPlace, build, fresh, open_index
from retrieval.relevance import FEATURES, WEIGHTS, Ranked
from retrieval.retriever import FLOOR, GuidelineRetriever
from retrieval.store import ChromaStore
from retrieval.types import LOCALES, Locale

QUESTIONS = Path(__file__).parent / "evals" / "questions.jsonl"
FOLDS = 5
Row = dict[str, Any]


def main() -> None:
    """Print the cross-validated figures of each language and write the weights."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    rows = [json.loads(line) for line in QUESTIONS.read_text("utf-8").splitlines()]
    retriever = opened()
    models: dict[str, Any] = {}
    for locale in LOCALES:
        asked = with_topics_taken_away([row for row in rows if row["locale"] == locale])
        tables = [table(retriever, row, locale) for row in asked]
        print(json.dumps({"locale": locale, **measured(asked, tables, FLOOR[locale])}))
        models[locale] = fitted(asked, tables)
    WEIGHTS.write_text(json.dumps({"features": FEATURES, "models": models}, indent=1), "utf-8")


def opened() -> GuidelineRetriever:
    """The guidelines' index in `var/`, built when it is missing or stale. Works before there are any weights."""
    if not WEIGHTS.exists():
        zero = {"coefficients": [0.0] * len(FEATURES), "intercept": 0.0}
        models = {locale: {"claim": zero, "topic": zero} for locale in LOCALES}
        WEIGHTS.write_text(json.dumps({"features": FEATURES, "models": models}), "utf-8")
    place, embedder = IndexPlace(Path("var") / "index"), Bilingual()
    store = ChromaStore.embedded(place.folder / "chroma")
    if not fresh(place, store, embedder):
        build(place, store, embedder, lambda batches: batches)
    return open_index(place, store, embedder)


def table(retriever: GuidelineRetriever, row: Row, locale: Locale) -> tuple[list[Any], NDArray[np.float64]]:
    """The candidate claims (with their passages) of a question and their features."""
    without = row.get("without", "")
    asked = retriever.relevance.read(row["text"], locale)
    asked = replace(asked, named=asked.named - {without})
    candidates, bm25 = retriever.candidates(asked, locale)
    bm25 = [i for i in bm25 if i.partition("/")[0] != without]
    left_out = {without, *row.get("also", ())}  # other topics that answer it too: neither right nor wrong
    claims = [(claim, p) for p in candidates if p.section != "clinician" and p.topic not in left_out for claim in p.claims]
    if not claims or not asked.words:
        return [], np.zeros((0, len(FEATURES)))
    return claims, retriever.relevance.features(asked, claims, bm25, locale, without)


def with_topics_taken_away(rows: Sequence[Row]) -> list[Row]:
    """Each question also as one that the guidelines do not answer: its topic is treated as if it were not there."""
    taken = [{**row, "topic": None, "claims": [], "without": row["topic"]} for row in rows if row["topic"]]
    return [*rows, *taken]


def fitted(rows: Sequence[Row], tables: Sequence[Any]) -> dict[str, Any]:
    """Both models on all rows, the scaling folded into the coefficients."""
    from sklearn.linear_model import LogisticRegression

    features = np.concatenate([t[1] for t in tables])
    labels = {
        "claim": [claim.id in row["claims"] for row, (claims, _) in zip(rows, tables, strict=True) for claim, _ in claims],
        "topic": [p.topic == row["topic"] for row, (claims, _) in zip(rows, tables, strict=True) for _, p in claims],
    }
    mean, scale = features.mean(0), features.std(0) + 1e-9
    out = {}
    for part, wanted in labels.items():
        model = LogisticRegression(C=1.0, max_iter=3000).fit((features - mean) / scale, wanted)
        coefficients = model.coef_[0] / scale
        intercept = float(model.intercept_[0] - coefficients @ mean)
        out[part] = {"coefficients": [round(float(c), 5) for c in coefficients], "intercept": round(intercept, 5)}
    return out


def measured(rows: Sequence[Row], tables: Sequence[Any], floor: float) -> dict[str, float]:
    """Shares over the questions, each scored by a model that never saw its topic."""
    groups = sorted({row["group"] for row in rows})
    tests = {group: number % FOLDS for number, group in enumerate(groups)}
    hits: list[dict[str, bool]] = []
    for fold in range(FOLDS):
        train = [n for n, row in enumerate(rows) if tests[row["group"]] != fold]
        models = fitted([rows[n] for n in train], [tables[n] for n in train])
        for n, row in enumerate(rows):
            if tests[row["group"]] == fold:
                hits.append(_hit(row, tables[n][0], tables[n][1], models, floor))
    inside, outside = [h for h in hits if h["inside"]], [h for h in hits if not h["inside"]]
    answered = [h for h in inside if h["answered"]]
    return {
        "questions": len(inside), "answered": _mean(inside, "answered"), "right_topic_of_answered": _mean(answered, "topic"),
        "first_claim_right_of_answered": _mean(answered, "first"), "answer_holds_right_claim_of_answered": _mean(answered, "any"),
        "right_topic_ranked_first": _mean(inside, "topic"), "confusers": len(outside),
        "confusers_abstained": 1.0 - _mean(outside, "answered"),
    }  # fmt: skip


def _hit(row: Row, claims: list[Any], features: NDArray[np.float64], models: dict[str, Any], floor: float) -> dict[str, bool]:
    if not claims:
        return {"inside": row["topic"] is not None, "answered": False, "topic": False, "first": False, "any": False}
    scores = {part: features @ np.asarray(m["coefficients"]) + m["intercept"] for part, m in models.items()}
    probability = {part: 1.0 / (1.0 + np.exp(-s)) for part, s in scores.items()}
    ranked = [
        Ranked(claim, p, float(a), float(b))
        for (claim, p), a, b in zip(claims, probability["claim"], probability["topic"], strict=True)
    ]
    found = GuidelineRetriever._evidence(sorted(ranked, key=lambda r: -r.answers), 0.0, 4)
    shown = sorted(((p, i) for e in found for i, p in e.answers.items()), reverse=True)[:4]
    return {
        "inside": row["topic"] is not None, "answered": found[0].score >= floor, "topic": found[0].passage.topic == row["topic"],
        "first": shown[0][1] in row["claims"], "any": any(i in row["claims"] for _, i in shown),
    }  # fmt: skip


def _mean(rows: Sequence[dict[str, bool]], key: str) -> float:
    return round(sum(row[key] for row in rows) / len(rows), 3) if rows else 0.0


if __name__ == "__main__":
    main()
