"""The suite `triage`: the level that one message alone gets, against a label on four, three or two levels."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from finetune.charts import Chart, bars, histogram, matrix
from finetune.eval_rows import Loaded, Raw, Skipped, label_of, locale_of, patient_of, text_of
from finetune.metrics import Gap, Share, confusion, grouped, latency, share
from finetune.report import Findings, Table
from retrieval.types import LOCALES, Locale
from safety.interview_rules import LEVELS
from safety.triage import Asks, Flags, Triaged, triage
from safety.types import Disposition, PatientContext

Scale = Literal["four levels", "three levels", "emergency or not", "same day or not", "any care or self-care"]
# Each scale from the least to the most serious, as the sets of our own levels that each of its steps covers.
SCALES: dict[Scale, dict[str, tuple[Disposition, ...]]] = {
    "four levels": {"self_care": ("self_care",), "routine": ("routine",), "urgent": ("urgent",), "emergency": ("emergency",)},
    "three levels": {"self-care": ("self_care",), "non-emergent": ("routine", "urgent"), "emergent": ("emergency",)},
    "emergency or not": {"not emergency": ("self_care", "routine", "urgent"), "emergency": ("emergency",)},
    "same day or not": {"can wait": ("self_care", "routine"), "same day": ("urgent", "emergency")},
    "any care or self-care": {"self-care": ("self_care",), "care": ("routine", "urgent", "emergency")},
}
Levels = tuple[Disposition, ...]  # what a label may mean on our own scale: one level, or several
_MEANINGS: dict[Levels, str] = {
    (
        "emergency",
    ): "emergency emergent emergency_care em ambulance call_911 call_999 call_120 911 999 ed er emergency_department a_e",
    ("urgent",): "urgent urgent_care same_day within_a_day within_1_day 24h see_doctor_today today",
    ("routine",): "routine primary_care gp appointment within_a_week within_1_week see_doctor semi_urgent soon",
    ("self_care",): "self_care selfcare sc home home_care self_management pharmacy no_care",
    ("routine", "urgent"): "non_emergent nonemergent ne non_emergency nonemergency non_emergency_care professional_care doctor",
    ("self_care", "routine", "urgent"): "not_emergency no_emergency not_emergent no false 0",
    ("self_care", "routine"): "not_urgent non_urgent nonurgent can_wait",
    ("urgent", "emergency"): "urgent_or_emergency care_needed_now same_day_or_emergency",
    ("routine", "urgent", "emergency"): "care any_care care_needed seek_care medical_care",
}
_YES = "yes true 1"  # alone they answer: an emergency?
LABELS: dict[str, Levels] = {word: levels for levels, line in _MEANINGS.items() for word in line.split()}
LABELS |= dict.fromkeys(_YES.split(), ("emergency",))
_NAMES = {word: line.split()[0] for line in _MEANINGS.values() for word in line.split()} | dict.fromkeys(
    _YES.split(), "emergency"
)


@dataclass(frozen=True, slots=True)
class TriageRow:
    where: str
    text: str
    label: str  # as in LABELS
    locale: Locale
    patient: PatientContext
    kind: str = ""

    @property
    def file(self) -> str:
        return self.where.rpartition(":")[0]


@dataclass(frozen=True, slots=True)
class Levelled:
    """A row with the level that the product gave; `known` is False where the message told it nothing."""

    row: TriageRow
    meant: Levels
    level: Disposition
    known: bool
    open_questions: int
    took_ms: float

    def on(self, scale: Scale) -> tuple[str, str] | None:
        """Label and decision on a scale; None where the label is not fine enough for it."""
        steps = SCALES[scale]
        true = next((name for name, levels in steps.items() if set(self.meant) <= set(levels)), None)
        said = next(name for name, levels in steps.items() if self.level in levels)
        return None if true is None else (true, said)

    @property
    def off_by(self) -> int:
        """Levels below (negative: under-triage) or above what the label may mean; 0 within it."""
        meant, said = [LEVELS.index(level) for level in self.meant], LEVELS.index(self.level)
        return min(0, said - min(meant)) + max(0, said - max(meant))


def parse(row: Raw, where: str) -> TriageRow:
    """One row; a history is read after the text, as /triage reads it. Raises ValueError that names the field."""
    text, history = text_of(row, "text", "vignette", "case"), row.get("history")
    if isinstance(history, list) and all(isinstance(line, str) for line in history):
        history = "\n".join(history)
    if history is not None and not isinstance(history, str):
        raise ValueError(f"history {history!r:.40} is not a text")
    told = f"{text}\n{history}" if history else text
    kind = str(row.get("kind") or row.get("category") or "")
    return TriageRow(where, told, label_of(row, _NAMES), locale_of(row, told), patient_of(row), kind)


def meanings(rows: Sequence[TriageRow]) -> dict[str, Mapping[str, Levels]]:
    """By file: what its labels mean, for two words depend on what stands beside them.

    Where nothing is labelled self-care, "non-emergent" is everything that is no emergency. Beside "not urgent" and without
    an emergency, "urgent" is urgent or emergency.
    """
    found: dict[str, Mapping[str, Levels]] = {}
    for file, own in grouped(rows, lambda row: row.file).items():
        used = {LABELS[row.label] for row in own}
        changed: dict[Levels, Levels] = {}
        if ("self_care",) not in used:
            changed["routine", "urgent"] = ("self_care", "routine", "urgent")
        if ("self_care", "routine") in used and ("emergency",) not in used:
            changed["urgent",] = ("urgent", "emergency")
        found[file] = {word: changed.get(levels, levels) for word, levels in LABELS.items()}
    return found


def judge(rows: Sequence[TriageRow], bar: Any, flags: Flags, interview: Asks) -> tuple[list[Levelled], list[Skipped]]:
    """The level of each message, with no question answered: what /triage gives to its first call."""
    meant, judged, failed = meanings(rows), [], []
    for row in bar(rows):
        started = time.perf_counter()
        try:
            given: Triaged = triage(flags, interview, row.text, locale=row.locale, patient=row.patient)
        except Exception as error:  # one text that breaks a part must not end a run of thousands; it is named in the report
            failed.append(Skipped(row.where, f"the product failed: {error!r:.200}"))
            continue
        took = (time.perf_counter() - started) * 1e3
        levels = meant[row.file][row.label]
        judged.append(Levelled(row, levels, given.level or "routine", given.level is not None, len(given.questions), took))
    return judged, failed


def run(loaded: Loaded[TriageRow], bar: Any, flags: Flags, interview: Asks) -> Findings:
    """Judges all rows and counts."""
    judged, failed = judge(loaded.rows, bar, flags, interview)
    return replace(found(judged), failed=tuple(failed))


def shares(judged: Iterable[Levelled], scale: Scale) -> dict[str, Share]:
    """Accuracy, under- and over-triage over all rows that the scale can hold; and the gravest step's recall."""
    steps = list(SCALES[scale])
    pairs = [pair for one in judged if (pair := one.on(scale)) is not None]
    off = [steps.index(said) - steps.index(true) for true, said in pairs]
    return {
        "accuracy": share(step == 0 for step in off),
        "under-triage": share(step < 0 for step in off),
        "over-triage": share(step > 0 for step in off),
        f"recall of {steps[-1]}": share(said == true for true, said in pairs if true == steps[-1]),
        f"false {steps[-1]}": share(said == steps[-1] for true, said in pairs if true != steps[-1]),
    }


def found(judged: Sequence[Levelled]) -> Findings:
    """Every figure of the suite."""
    scales = [scale for scale in SCALES if _tells(judged, scale)] or [
        scale for scale in SCALES if any(one.on(scale) for one in judged)
    ]
    wrong = worst(judged)
    figures: dict[str, Any] = {
        "rows": len(judged),
        "nothing_known": share(not one.known for one in judged).figures(),
        "questions_open": share(one.open_questions > 0 for one in judged).figures(),
        "scales": {scale: _scale(judged, scale) for scale in scales},
        "latency_ms": latency([one.took_ms for one in judged]),
        "worst": [_described(one) for one in wrong],
    }
    return Findings(figures, _tables(judged, scales, wrong), _charts(judged, scales), _notes(judged, scales))


def _tells(judged: Iterable[Levelled], scale: Scale) -> bool:
    """Whether the labels use the scale: two of its steps, and one between its ends where it has any."""
    steps = list(SCALES[scale])
    used = {pair[0] for one in judged if (pair := one.on(scale)) is not None}
    return len(used) > 1 and (len(steps) == 2 or bool(used & set(steps[1:-1])))


def _scale(judged: Sequence[Levelled], scale: Scale) -> dict[str, Any]:
    steps = list(SCALES[scale])
    spoken = {locale: shares([one for one in judged if one.row.locale == locale], scale) for locale in LOCALES}
    overall = shares(judged, scale)
    return {
        "all": {name: one.figures() for name, one in overall.items()},
        "by_language": {locale: {name: one.figures() for name, one in found.items()} for locale, found in spoken.items()},
        "gap_en_less_zh": {name: Gap(spoken["en"][name], spoken["zh"][name]).figures() for name in overall},
        "confusion": {"labels": steps, "decided": steps, "counts": _counts(judged, scale)},
    }


def _counts(judged: Sequence[Levelled], scale: Scale) -> list[list[int]]:
    steps = list(SCALES[scale])
    return confusion((pair for one in judged if (pair := one.on(scale)) is not None), steps, steps)


def worst(judged: Sequence[Levelled], most: int = 10) -> list[Levelled]:
    """Under-triage before over-triage, the widest miss first; of the same width the gravest label first."""
    wrong = [one for one in judged if one.off_by]
    wrong.sort(key=lambda one: (one.off_by > 0, -abs(one.off_by), -max(LEVELS.index(level) for level in one.meant)))
    return wrong[:most]


def _described(one: Levelled) -> dict[str, Any]:
    return {"where": one.row.where, "text": one.row.text[:300], "label": one.row.label, "locale": one.row.locale, "level": one.level,
            "known": one.known, "off_by": one.off_by, "open_questions": one.open_questions}  # fmt: skip


def _tables(judged: Sequence[Levelled], scales: Sequence[Scale], wrong: Sequence[Levelled]) -> tuple[Table, ...]:
    tables = []
    for scale in scales:
        steps = list(SCALES[scale])
        counted = tuple((step, *map(str, line)) for step, line in zip(steps, _counts(judged, scale), strict=True))
        tables.append(Table(f"Triage, {scale}: label down, decided across", ("label", *steps), counted))
        en, zh = (shares([one for one in judged if one.row.locale == locale], scale) for locale in LOCALES)
        lines = tuple(
            (name, f"{one.k} of {one.n}", str(one), str(en[name]), str(zh[name]), str(Gap(en[name], zh[name])))
            for name, one in shares(judged, scale).items()
        )
        columns = ("what", "rows", "all", "en", "zh", "gap, en less zh")
        tables.append(Table(f"Triage, {scale}: shares with 95% Wilson intervals, by language", columns, lines))
    ms = latency([one.took_ms for one in judged])
    errors = [
        (d["where"], d["label"], d["level"] if d["known"] else "routine (nothing known)", d["text"])
        for d in map(_described, wrong)
    ]
    return (
        *tables,
        Table("By kind, all levels that the label allows", ("kind", "rows", "right", "under-triage", "over-triage"), _by_kind(judged)),
        Table("Milliseconds a text", ("n", "mean", "p50", "p95", "most"), (tuple(str(value) for value in ms.values()),)),
        Table("Ten worst errors, under-triage first", ("row", "label", "decided", "text"), tuple(errors)),
    )  # fmt: skip


def _by_kind(judged: Sequence[Levelled]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (kind, str(len(rows)), *(str(share(test(one.off_by) for one in rows)) for test in (_right, _under, _over)))
        for kind, rows in grouped((one for one in judged if one.row.kind), lambda one: one.row.kind).items()
    )


def _right(off: int) -> bool:
    return off == 0


def _under(off: int) -> bool:
    return off < 0


def _over(off: int) -> bool:
    return off > 0


def _charts(judged: Sequence[Levelled], scales: Sequence[Scale]) -> tuple[Chart, ...]:
    charts = [matrix(f"Triage, {scale}", list(SCALES[scale]), list(SCALES[scale]), _counts(judged, scale)) for scale in scales]
    each = [(f"{scale}: {name}", one) for scale in scales for name, one in shares(judged, scale).items() if "triage" in name]
    return (
        *charts,
        bars("Under- and over-triage", each),
        histogram("Time a text takes", [one.took_ms for one in judged], "ms"),
    )


def _notes(judged: Sequence[Levelled], scales: Sequence[Scale]) -> tuple[str, ...]:
    unknown, asks = sum(not one.known for one in judged), sum(one.open_questions > 0 for one in judged)
    left = {scale: sum(one.on(scale) is None for one in judged) for scale in scales}
    coarse = [f"{count} rows have labels too coarse for {scale}" for scale, count in left.items() if count]
    return (
        f"{unknown} of {len(judged)} messages told the product nothing it knows: they count as routine.",
        f"On {asks} of {len(judged)} it would still ask questions, whose answers can raise the level; here nobody answers.",
        *(["; ".join(coarse) + "."] if coarse else []),
    )
