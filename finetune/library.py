"""Fits and measures `retrieval/library.json`, the ranking of a site's own documents: `python -m finetune.library`.

Our topics stand in for a site's documents: a document for each topic and language, its sections as headings. The questions are
those of `finetune/evals/questions.jsonl`; a document is never in both halves of a fold. Each question is also asked with its
document taken away: from that comes the floor below which nothing is answered.
"""

import argparse
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.relevance import FOLDS, QUESTIONS
from retrieval.embed import Bilingual
from retrieval.ingest import ingest
from retrieval.library import FEATURES, WEIGHTS, SiteLibrary
from retrieval.readers.document import Document, Part
from retrieval.topics import Topic, load_topics
from retrieval.types import LOCALES, Locale

HEADINGS: dict[Locale, dict[str, str]] = {
    "en": {
        "overview": "What it is", "symptoms": "Symptoms", "causes": "Causes", "self_care": "What you can do yourself",
        "get_help.emergency": "When to call an ambulance", "get_help.urgent": "When to see a doctor the same day", "get_help.routine": "When to book an appointment",
        "diagnosis": "Tests", "clinician": "For clinicians", "medicines": "Treatment and medicines", "special_groups": "Children, pregnancy and others",
        "prevention": "Prevention",
    },
    "zh": {
        "overview": "概述", "symptoms": "症状", "causes": "病因", "self_care": "自我护理", "get_help.emergency": "何时叫急救", "get_help.urgent": "何时当天就医",
        "get_help.routine": "何时预约就诊", "diagnosis": "检查", "clinician": "供医务人员", "medicines": "治疗与用药", "special_groups": "儿童、孕妇等特殊人群", "prevention": "预防",
    },
}  # fmt: skip
ABSTAIN = 0.92  # share of questions whose document is not there that the floor must leave without an answer
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Told:
    """A document that is there already."""

    document: Document

    @property
    def name(self) -> str:
        return self.document.name

    def documents(self) -> list[Document]:
        return [self.document]


def main() -> None:
    """Print the cross-validated figures of each language and write the weights."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    topics = load_topics()
    said = {claim.id: claim.text for topic in topics for claims in topic.sections.values() for claim in claims}
    rows = [row for line in QUESTIONS.read_text("utf-8").splitlines() if (row := json.loads(line))]
    with tempfile.TemporaryDirectory() as folder:
        shelf = SiteLibrary.at(Path(folder), None, Bilingual())
        ingest((Told(d) for d in documents(topics)), shelf, lambda text, locale: "", "Virtual Doctor")
        keys = {entry.name: entry.key for entry in shelf.manifest.entries()}
        models = {locale: of_language(shelf, rows, keys, said, locale) for locale in LOCALES}
    WEIGHTS.write_text(json.dumps({"features": FEATURES, "models": models}, indent=1) + "\n", "utf-8")


def documents(topics: Iterable[Topic]) -> Iterator[Document]:
    """Each topic as a document of a site's own, in each language."""
    for topic in topics:
        for locale in LOCALES:
            parts = [
                Part(HEADINGS[locale][section], ("" if locale == "zh" else " ").join(claim.say(locale) for claim in claims))
                for section, claims in topic.sections.items()
            ]
            yield Document(f"{topic.id}.{locale}", topic.title[locale], tuple(parts))


def of_language(shelf: SiteLibrary, rows: Sequence[Any], keys: dict[str, str], said: Any, locale: Locale) -> dict[str, Any]:
    """The model of a language; prints how it does on documents that it was not fitted on."""
    tables, labels, folds, inside = [], [], [], []
    for row in (r for r in rows if r["locale"] == locale):
        key = keys.get(f"{row['topic']}.{locale}", "")
        for without in {"", key}:
            found = shelf.candidates(row["text"], locale, without)
            answers = [said[c][locale] for c in row["claims"] if c in said] if key and not without else []
            labels.append([p.topic == key and any(a[:40] in p.say(locale) for a in answers) for p, _ in found])
            tables.append((found, key if not without else ""))
            folds.append(sum(map(ord, row["group"])) % FOLDS)
            inside.append(bool(answers))
    scores = [_out_of_fold(tables, labels, folds, n) for n in range(FOLDS)]
    tops = [scores[fold][n] for n, fold in enumerate(folds)]
    outside = sorted(float(t.max()) if len(t) else 0.0 for t, held in zip(tops, inside, strict=True) if not held)
    floor = outside[min(len(outside) - 1, int(ABSTAIN * len(outside)))]
    told = [(tables[n], tops[n], labels[n]) for n, held in enumerate(inside) if held and len(tops[n])]
    first = [table[0][int(t.argmax())][0].topic == table[1] for table, t, _ in told]
    five = [table[1] in [table[0][i][0].topic for i in np.argsort(-t)[:5]] for table, t, _ in told]
    right = [bool(label[int(t.argmax())]) for _, t, label in told]
    answered = [bool(t.max() >= floor) for _, t, _ in told]
    print(json.dumps({
        "locale": locale, "questions": len(told), "right_document_first": _mean(first), "right_document_in_5": _mean(five),
        "right_passage_first": _mean(right), "answered": _mean(answered), "right_document_of_answered": _mean([f for f, a in zip(first, answered, strict=True) if a]),
        "abstained_without_it": _mean([value < floor for value in outside]),
    }))  # fmt: skip
    coefficients, intercept = fitted(tables, labels, list(range(len(tables))))
    return {
        "coefficients": [round(float(c), 5) for c in coefficients],
        "intercept": round(intercept, 5),
        "floor": round(floor, 4),
    }


def _out_of_fold(tables: Sequence[Any], labels: Sequence[list[bool]], folds: Sequence[int], fold: int) -> dict[int, Array]:
    coefficients, intercept = fitted(tables, labels, [n for n, f in enumerate(folds) if f != fold])
    scores: dict[int, Array] = {}
    for n, (found, _) in enumerate(tables):
        if folds[n] == fold:
            z = np.asarray([features for _, features in found]).reshape(-1, len(FEATURES)) @ coefficients + intercept
            scores[n] = 1.0 / (1.0 + np.exp(-z))
    return scores


def fitted(tables: Sequence[Any], labels: Sequence[list[bool]], chosen: Sequence[int]) -> tuple[Array, float]:
    """Coefficients and intercept, the scaling folded in."""
    from sklearn.linear_model import LogisticRegression

    features = np.concatenate([np.asarray([f for _, f in tables[n][0]]).reshape(-1, len(FEATURES)) for n in chosen])
    wanted = [label for n in chosen for label in labels[n]]
    mean, scale = features.mean(0), features.std(0) + 1e-9
    model = LogisticRegression(max_iter=3000).fit((features - mean) / scale, wanted)
    coefficients = model.coef_[0] / scale
    return coefficients, float(model.intercept_[0] - coefficients @ mean)


def _mean(values: Sequence[bool]) -> float:
    return round(float(np.mean(values)), 3) if values else 0.0


if __name__ == "__main__":
    main()
