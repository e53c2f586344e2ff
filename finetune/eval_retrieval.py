"""The suite `retrieval`: does search find the right topic or document, and does it keep silent when there is none; against each search alone."""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from finetune.charts import Chart, bars, curve, histogram
from finetune.eval_rows import Loaded, Raw, Skipped, locale_of, text_of
from finetune.metrics import Gap, auc, latency, roc, share
from finetune.report import Findings, Table
from retrieval.types import LOCALES, Locale

CUTS = (1, 3, 5, 10)
SYSTEMS = ("fused", "BM25 alone", "dense alone")


@dataclass(frozen=True, slots=True)
class RetrievalRow:
    where: str
    text: str
    locale: Locale
    right: frozenset[str]  # topics or documents that answer it; none: it should not be answered


@dataclass(frozen=True, slots=True)
class Search:
    """What the searches made of a question: topics or documents in their order, the best one's probability, and whether it is answered."""

    ranked: dict[str, list[str]]  # by SYSTEMS
    score: float
    answered: bool


class Searcher(Protocol):
    def __call__(self, text: str, locale: Locale) -> Search: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A row with what search made of it."""

    row: RetrievalRow
    found: Search
    took_ms: float

    def place(self, system: str) -> int | None:
        """The place of the first right one, from 1."""
        return next((n for n, one in enumerate(self.found.ranked[system], 1) if one in self.row.right), None)


def parse(row: Raw, where: str) -> RetrievalRow:
    """One row. Raises ValueError that names the field."""
    text = text_of(row, "text", "question", "query")
    if "topic" not in row and "document" not in row:
        raise ValueError("no field 'topic' (an id, or null where nothing should answer)")
    topic, also = row.get("topic", row.get("document")), row.get("also") or []
    if not (topic is None or isinstance(topic, str)) or not isinstance(also, list):
        raise ValueError(f"topic {topic!r:.40} and also {also!r:.40}: expected an id or null, and a list of ids")
    return RetrievalRow(where, text, locale_of(row, text), frozenset([topic, *map(str, also)] if topic else ()))


def distinct(ids: Iterable[str]) -> list[str]:
    """The topics of passages in their order, each once."""
    return list(dict.fromkeys(i.partition("/")[0] for i in ids))


def judge(rows: Iterable[RetrievalRow], search: Searcher) -> tuple[list[Asked], list[Skipped]]:
    asked, failed = [], []
    for row in rows:
        started = time.perf_counter()
        try:
            found = search(row.text, row.locale)
        except Exception as error:  # one text that breaks a part must not end a run; it is named in the report
            failed.append(Skipped(row.where, f"the product failed: {error!r:.200}"))
            continue
        asked.append(Asked(row, found, (time.perf_counter() - started) * 1e3))
    return asked, failed


def run(loaded: Loaded[RetrievalRow], bar: Any, search: Searcher, notes: tuple[str, ...] = ()) -> Findings:
    """Asks all rows and counts."""
    asked, failed = judge(bar(loaded.rows), search)
    return replace(found(asked), failed=tuple(failed), notes=notes)


def gains(places: Sequence[int | None]) -> dict[str, Any]:
    """hit@k, the mean reciprocal rank and nDCG@10 (one right answer is enough: its ideal is the first place)."""
    n = len(places) or 1
    return {
        **{f"hit@{k}": share(p is not None and p <= k for p in places).figures() for k in CUTS},
        "mrr": sum(1 / p for p in places if p) / n,
        "ndcg@10": sum(1 / math.log2(p + 1) for p in places if p and p <= 10) / n,
    }


def found(asked: Sequence[Asked]) -> Findings:
    """Every figure of the suite."""
    inside, outside = [a for a in asked if a.row.right], [a for a in asked if not a.row.right]
    groups: dict[str, list[Asked]] = {"all": inside} | {
        locale: [a for a in inside if a.row.locale == locale] for locale in LOCALES
    }
    by = {name: {system: gains([a.place(system) for a in rows]) for system in SYSTEMS} for name, rows in groups.items() if rows}
    silent = {name: _silence([a for a in asked if name == "all" or a.row.locale == name]) for name in groups}
    truth, scores = [bool(a.row.right) for a in asked], [a.found.score for a in asked]
    five = {locale: share((p := a.place("fused")) is not None and p <= 5 for a in groups[locale]) for locale in LOCALES}
    figures = {
        "rows": len(asked), "inside": len(inside), "outside": len(outside), "by_group": by, "silence": silent,
        "gap_en_less_zh": {"hit@5": Gap(five["en"], five["zh"]).figures()}, "abstention_roc_auc": auc(truth, scores),
        "latency_ms": latency([a.took_ms for a in asked]), "worst": [_described(a) for a in worst(asked)],
    }  # fmt: skip
    return Findings(figures, _tables(groups, asked, figures), _charts(asked, inside, truth, scores))


def _silence(asked: Sequence[Asked]) -> dict[str, Any]:
    inside, outside = [a for a in asked if a.row.right], [a for a in asked if not a.row.right]
    answered = [a for a in inside if a.found.answered]
    return {
        "abstained_outside": share(not a.found.answered for a in outside).figures(),
        "answered_inside": share(a.found.answered for a in inside).figures(),
        "right_of_answered": share(a.place("fused") == 1 for a in answered).figures(),
    }


def worst(asked: Sequence[Asked], most: int = 10) -> list[Asked]:
    """Questions that were answered from the wrong place, the surest first."""
    wrong = [a for a in asked if a.found.answered and a.place("fused") != 1]
    return sorted(wrong, key=lambda a: -a.found.score)[:most]


def _described(one: Asked) -> dict[str, Any]:
    return {"where": one.row.where, "text": one.row.text[:300], "locale": one.row.locale, "right": sorted(one.row.right),
            "first": one.found.ranked["fused"][:3], "score": one.found.score}  # fmt: skip


def _tables(groups: dict[str, list[Asked]], asked: Sequence[Asked], figures: dict[str, Any]) -> tuple[Table, ...]:
    lines = []
    for name, rows in groups.items():
        for system in SYSTEMS if rows else ():
            places = [a.place(system) for a in rows]
            hits = [str(share(p is not None and p <= k for p in places)) for k in CUTS]
            told = gains(places)
            lines.append((f"{name}, {system}", str(len(rows)), *hits, f"{told['mrr']:.3f}", f"{told['ndcg@10']:.3f}"))
    columns = ("questions, search", "n", *(f"hit@{k}" for k in CUTS), "MRR", "nDCG@10")
    quiet = []
    for name in groups:
        mine = [a for a in asked if name == "all" or a.row.locale == name]
        inside, outside = [a for a in mine if a.row.right], [a for a in mine if not a.row.right]
        answered = [a for a in inside if a.found.answered]
        quiet.append((
            name, str(share(not a.found.answered for a in outside)), str(share(a.found.answered for a in inside)),
            str(share(a.place("fused") == 1 for a in answered)),
        ))  # fmt: skip
    errors = tuple(
        (d["where"], d["text"], ", ".join(d["right"]) or "nothing", f"{d['first'][0]} {d['score']:.2f}")
        for d in figures["worst"]
    )
    ms = figures["latency_ms"]
    return (
        Table("The right topic or document among the first k (95% intervals, Wilson)", columns, tuple(lines)),
        Table("Silence", ("questions", "kept silent where nothing answers", "answered where something does", "of those, right"), tuple(quiet)),
        Table("Milliseconds a question, all three searches", ("n", "mean", "p50", "p95", "most"), (tuple(str(value) for value in ms.values()),)),
        Table("Answered from the wrong place, the surest first", ("row", "question", "right", "answered from"), errors),
    )  # fmt: skip


def _charts(
    asked: Sequence[Asked], inside: Sequence[Asked], truth: Sequence[bool], scores: Sequence[float]
) -> tuple[Chart, ...]:
    hits = [(system, share((p := a.place(system)) is not None and p <= 5 for a in inside)) for system in SYSTEMS]
    points = roc(truth, scores)
    return (
        *([bars("The right one among the first five", hits)] if inside else []),
        *([curve("Is there an answer? ROC of the best score", points, auc(truth, scores) or 0.0)] if points else []),
        histogram("Time a question takes", [a.took_ms for a in asked], "ms"),
    )
