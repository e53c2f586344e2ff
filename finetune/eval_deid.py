"""The suite `deid`: which entities are masked, by type and language, counted as `finetune.deid_figures` counts them."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from finetune.charts import Chart, bars, histogram
from finetune.deid_figures import TYPES, Counts, Outcome, Span, outcomes
from finetune.eval_rows import Loaded, Raw, Skipped, locale_of
from finetune.metrics import Gap, Share, grouped, latency
from finetune.report import Findings, Table
from retrieval.types import LOCALES, Locale
from safety.deidentify import Deidentified

Deidentify = Callable[[str], Deidentified]


@dataclass(frozen=True, slots=True)
class DeidRow:
    where: str
    text: str
    spans: tuple[Span, ...]
    locale: Locale


@dataclass(frozen=True, slots=True)
class Masked:
    """A row with what became of each entity and each mask."""

    row: DeidRow
    outcomes: tuple[Outcome, ...]
    took_ms: float


def parse(row: Raw, where: str) -> DeidRow:
    """One row. Raises ValueError that names the field or the span."""
    text, spans = row.get("text"), row.get("spans", row.get("entities"))
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"text is {text!r:.40}, expected a text")
    if not isinstance(spans, list):
        raise ValueError("no field 'spans': a list of {start, end, type}, empty where nothing is to be masked")
    return DeidRow(where, text, tuple(_span(span, text) for span in spans), locale_of(row, text))


def _span(span: Any, text: str) -> Span:
    if not isinstance(span, dict):
        raise ValueError(f"span {span!r:.60} is not an object with start, end, type")
    start, end = (span.get(name, span.get(f"{name}_position")) for name in ("start", "end"))
    kind = next((span[name] for name in ("type", "entity_type", "label") if isinstance(span.get(name), str)), None)
    if not (isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= len(text)) or kind is None:
        raise ValueError(f"span {span!r:.80} does not lie in the text of {len(text)} characters, or has no type")
    name = kind.strip().upper().replace(" ", "_").replace("-", "_")
    return start, end, TYPES.get(name, name)


def judge(rows: Iterable[DeidRow], mask: Deidentify) -> tuple[list[Masked], list[Skipped]]:
    """Masks each text as /deidentify does."""
    masked, failed = [], []
    for row in rows:
        started = time.perf_counter()
        try:
            entities = mask(row.text).entities
        except Exception as error:  # one text that breaks a part must not end a run of thousands; it is named in the report
            failed.append(Skipped(row.where, f"the product failed: {error!r:.200}"))
            continue
        took = (time.perf_counter() - started) * 1e3
        masked.append(Masked(row, tuple(outcomes(row.text, row.spans, entities)), took))
    return masked, failed


def run(loaded: Loaded[DeidRow], bar: Any, mask: Deidentify) -> Findings:
    """Masks all rows and counts."""
    mask("Jane Roe, 020 7946 0018")  # so that the first row does not pay for loading
    masked, failed = judge(bar(loaded.rows), mask)
    return replace(found(masked), failed=tuple(failed))


def shares(counts: Counts) -> dict[str, Share]:
    """Recall: fully masked. Typed: and with the right type. Precision: masks that touch an entity."""
    return {
        "recall": Share(counts.masked, counts.gold),
        "recall with the right type": Share(counts.typed, counts.gold),
        "precision": Share(counts.right, counts.given),
    }


def counted(masked: Iterable[Masked], kind: str | None = None, locale: Locale | None = None) -> Counts:
    """Over rows of a language and outcomes of a type, or over all."""
    mine = (o for one in masked if locale in (None, one.row.locale) for o in one.outcomes if kind in (None, o.type))
    return sum((outcome.counts for outcome in mine), Counts())


def found(masked: Sequence[Masked]) -> Findings:
    """Every figure of the suite."""
    kinds = sorted({outcome.type for one in masked for outcome in one.outcomes})
    overall, spoken = shares(counted(masked)), {locale: shares(counted(masked, locale=locale)) for locale in LOCALES}
    wrong = worst(masked)
    figures: dict[str, Any] = {
        "rows": len(masked),
        "all": _figures(overall),
        "by_language": {locale: _figures(one) for locale, one in spoken.items()},
        "gap_en_less_zh": {name: Gap(spoken["en"][name], spoken["zh"][name]).figures() for name in overall},
        "by_type": {kind: _figures(shares(counted(masked, kind))) for kind in kinds},
        "by_type_and_language": {
            locale: {kind: _figures(shares(counted(masked, kind, locale))) for kind in kinds} for locale in LOCALES
        },
        "latency_ms": latency([one.took_ms for one in masked]),
        "latency_ms_by_language": {locale: latency(_times(masked, locale)) for locale in LOCALES},
        "worst": [_described(one, outcome) for one, outcome in wrong],
    }
    return Findings(figures, _tables(masked, kinds, wrong), _charts(masked, kinds))


def _figures(found: dict[str, Share]) -> dict[str, Any]:
    return {name.replace(" ", "_"): one.figures() for name, one in found.items()}


def _times(masked: Iterable[Masked], locale: Locale) -> list[float]:
    return [one.took_ms for one in masked if one.row.locale == locale]


def worst(masked: Sequence[Masked], most: int = 10) -> list[tuple[Masked, Outcome]]:
    """What was missed (two of a type at first, names before others), then what was masked in vain."""
    wrong = [(one, outcome) for one in masked for outcome in one.outcomes if outcome.problem in ("MISSED", "IN VAIN")]
    groups = grouped(wrong, lambda pair: f"{pair[1].problem != 'MISSED'} {pair[1].type != 'NAME'} {pair[1].type}")
    first = [pair for group in groups.values() for pair in group[:2]]
    rest = [pair for group in groups.values() for pair in group[2:]]
    ordered = sorted([*first, *rest], key=lambda pair: pair[1].problem != "MISSED")
    return ordered[:most]


def _described(one: Masked, outcome: Outcome) -> dict[str, Any]:
    text, start, end = one.row.text, outcome.start, outcome.end
    return {"where": one.row.where, "problem": outcome.problem.lower(), "type": outcome.type, "locale": one.row.locale, "span": text[start:end],
            "text": text[max(0, start - 40) : end + 40], "found": outcome.told}  # fmt: skip


def _tables(masked: Sequence[Masked], kinds: Sequence[str], wrong: Sequence[tuple[Masked, Outcome]]) -> tuple[Table, ...]:
    named: list[tuple[str, Locale | None]] = [("all", None), ("en", "en"), ("zh", "zh")]
    lines = [(name, *_cells(counted(masked, locale=locale))) for name, locale in named]
    en, zh = (shares(counted(masked, locale=locale)) for locale in LOCALES)
    lines.append(("gap, en less zh", "–", *(str(Gap(en[name], zh[name])) for name in en)))
    each = [
        (f"{kind}, {locale}", *_cells(counts))
        for kind in kinds
        for locale in LOCALES
        if (counts := counted(masked, kind, locale)) != Counts()
    ]
    times = [(locale, *map(str, latency(ms).values())) for locale in LOCALES if (ms := _times(masked, locale))]
    errors = [(d["where"], d["problem"], d["type"], d["span"], d["text"]) for d in (_described(*pair) for pair in wrong)]
    columns = ("entities", "recall", "recall with the right type", "precision")
    return (
        Table("De-identification: shares with 95% Wilson intervals", ("language", *columns), tuple(lines)),
        Table("By type and language", ("type", *columns), tuple(each)),
        Table("Milliseconds a text", ("language", "n", "mean", "p50", "p95", "most"), tuple(times)),
        Table("Ten worst errors: missed, then masked in vain", ("row", "problem", "type", "words", "around"), tuple(errors)),
    )


def _cells(counts: Counts) -> tuple[str, ...]:
    return (str(counts.gold), *(str(one) for one in shares(counts).values()))


def _charts(masked: Sequence[Masked], kinds: Sequence[str]) -> tuple[Chart, ...]:
    each = [(kind, shares(counted(masked, kind))) for kind in kinds]
    return (
        bars("Recall, by type", [(kind, one["recall"]) for kind, one in each]),
        bars("Precision, by type", [(kind, one["precision"]) for kind, one in each]),
        histogram("Time a text takes", [one.took_ms for one in masked], "ms"),
    )
