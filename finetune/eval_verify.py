"""The suite `verify`: whether the claim gate's reader tells claims that their evidence supports from those that it does not."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from finetune.charts import Chart, bars, curve, histogram, matrix
from finetune.eval_rows import Loaded, Raw, Skipped, label_of, locale_of, plain, text_of
from finetune.metrics import Gap, Share, auc, balanced_accuracy, bootstrap, confusion, grouped, latency, roc, share
from finetune.report import Findings, Table
from retrieval.types import LOCALES, Locale
from safety.grounding import Support
from safety.types import SafetyError

MOST = 500  # texts of evidence, as /verify takes them
_SUPPORTED = (
    "supported supports support entailment entailed entails yes true correct grounded consistent faithful factual 1 1.0"
)
_NOT = (
    "not_supported not unsupported refutes refuted refute contradiction contradicted contradicts contradict not_enough_info nei "
    "not_enough_information neutral unknown no false incorrect ungrounded not_grounded hallucinated hallucination inconsistent "
    "unfaithful not_entailment not_entailed maybe irrelevant 0 0.0"
)
LABELS = dict.fromkeys(_SUPPORTED.split(), "supported") | dict.fromkeys(_NOT.split(), "not supported")
SAID = ("supported", "not supported")
Best = Callable[[str, Sequence[str]], Support]


@dataclass(frozen=True, slots=True)
class VerifyRow:
    where: str
    claim: str
    evidence: tuple[str, ...]
    supported: bool
    label: str  # as it is written
    locale: Locale
    kind: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A row with what the gate said of it."""

    row: VerifyRow
    said: bool
    score: float
    problems: tuple[str, ...]
    took_ms: float

    @property
    def right(self) -> bool:
        return self.said == self.row.supported


def parse(row: Raw, where: str) -> VerifyRow:
    """One row. Raises ValueError that names the field."""
    claim = text_of(row, "claim", "text")
    if "evidence" not in row:
        raise ValueError("no field 'evidence': a text, or a list of texts (an empty one where there is none)")
    given = row["evidence"]
    texts = [given] if isinstance(given, str) else [] if given is None else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"evidence {given!r:.60} is neither a text nor a list of texts")
    if len(texts) > MOST:
        raise ValueError(f"evidence of {len(texts)} texts; give at most {MOST}")
    supported = label_of(row, LABELS) == "supported"
    kind = row.get("kind") or row.get("perturbation") or ""
    return VerifyRow(where, claim, tuple(texts), supported, plain(row["label"]), locale_of(row, claim), str(kind))


def judge(rows: Iterable[VerifyRow], best: Best) -> tuple[list[Checked], list[Skipped]]:
    """Checks each claim as /verify does. Raises SafetyError when the gate's weights are not there."""
    checked, failed = [], []
    for row in rows:
        started = time.perf_counter()
        try:
            held = best(row.claim, row.evidence)
        except SafetyError:
            raise
        except Exception as error:  # one text that breaks a part must not end a run of thousands; it is named in the report
            failed.append(Skipped(row.where, f"the product failed: {error!r:.200}"))
            continue
        problems = tuple(problem.kind for problem in held.problems)
        checked.append(Checked(row, held.supported, held.score, problems, (time.perf_counter() - started) * 1e3))
    return checked, failed


def run(loaded: Loaded[VerifyRow], bar: Any, best: Best, thresholds: dict[str, float]) -> Findings:
    """Checks all rows and counts. `thresholds`: from which score on the gate says supported, by language of the pair."""
    checked, failed = judge(bar(loaded.rows), best)
    return replace(found(checked, thresholds), failed=tuple(failed))


@dataclass(frozen=True, slots=True)
class Quality:
    """How well the gate tells the two apart."""

    n: int
    balanced: float | None
    interval: tuple[float, float] | None
    auc: float | None
    auc_interval: tuple[float, float] | None
    recall: Share  # of supported claims, said to be supported
    false: Share  # of the others, said to be supported

    def figures(self) -> dict[str, Any]:
        return {"rows": self.n, "balanced_accuracy": self.balanced, "balanced_accuracy_interval": self.interval, "roc_auc": self.auc,
                "roc_auc_interval": self.auc_interval, "supported_accepted": self.recall.figures(),
                "not_supported_accepted": self.false.figures()}  # fmt: skip


def quality(checked: Sequence[Checked]) -> Quality:
    """Balanced accuracy and ROC AUC with bootstrap intervals; both shares with Wilson's."""
    truth, said = [one.row.supported for one in checked], [one.said for one in checked]
    scores = [one.score for one in checked]
    return Quality(
        len(checked),
        balanced_accuracy(truth, said),
        bootstrap(truth, said, balanced_accuracy),
        auc(truth, scores),
        bootstrap(truth, scores, auc),
        share(one.said for one in checked if one.row.supported),
        share(one.said for one in checked if not one.row.supported),
    )


def found(checked: Sequence[Checked], thresholds: dict[str, float]) -> Findings:
    """Every figure of the suite."""
    overall = quality(checked)
    languages = {locale: quality([one for one in checked if one.row.locale == locale]) for locale in LOCALES}
    kinds = grouped((one for one in checked if one.row.kind), lambda one: one.row.kind)
    labels = grouped(checked, lambda one: one.row.label)
    wrong = worst(checked)
    figures: dict[str, Any] = {
        "rows": len(checked),
        "thresholds": thresholds,
        "all": overall.figures(),
        "by_language": {locale: one.figures() for locale, one in languages.items()},
        "gap_en_less_zh": {
            "balanced_accuracy": _less(languages["en"].balanced, languages["zh"].balanced),
            "supported_accepted": Gap(languages["en"].recall, languages["zh"].recall).figures(),
            "not_supported_accepted": Gap(languages["en"].false, languages["zh"].false).figures(),
        },
        "by_kind": {kind: share(one.right for one in rows).figures() for kind, rows in kinds.items()},
        "by_label": {label: share(one.right for one in rows).figures() for label, rows in labels.items()},
        "confusion": {"labels": SAID, "decided": SAID, "counts": _counts(checked)},
        "latency_ms": latency([one.took_ms for one in checked]),
        "worst": [_described(one) for one in wrong],
    }
    named: dict[str, Quality] = {"all": overall, **{str(locale): one for locale, one in languages.items()}}
    return Findings(figures, _tables(checked, named, thresholds, wrong), _charts(checked, overall, kinds))


def _less(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _counts(checked: Iterable[Checked]) -> list[list[int]]:
    return confusion(((SAID[not one.row.supported], SAID[not one.said]) for one in checked), SAID, SAID)


def worst(checked: Sequence[Checked], most: int = 10) -> list[Checked]:
    """The errors that the score is surest of; a false claim let through before a true one held back."""
    wrong = [one for one in checked if not one.right]
    through = sorted((one for one in wrong if one.said), key=lambda one: -one.score)
    held = sorted((one for one in wrong if not one.said), key=lambda one: one.score)
    room = max(most - len(held), most - most // 2)
    return [*through[:room], *held[: most - len(through[:room])]]


def _described(one: Checked) -> dict[str, Any]:
    return {"where": one.row.where, "claim": one.row.claim[:300], "evidence": " | ".join(one.row.evidence)[:300], "label": one.row.label,
            "kind": one.row.kind, "locale": one.row.locale, "said": SAID[not one.said], "score": one.score, "problems": one.problems}  # fmt: skip


def _tables(
    checked: Sequence[Checked], named: dict[str, Quality], thresholds: dict[str, float], wrong: Sequence[Checked]
) -> tuple[Table, ...]:
    lines = tuple(
        (name, str(q.n), _with(q.balanced, q.interval), _with(q.auc, q.auc_interval), str(q.recall), str(q.false))
        for name, q in named.items()
        if q.n
    )
    columns = ("rows of", "n", "balanced accuracy", "ROC AUC", "supported, accepted", "not supported, accepted")
    counted = tuple((said, *map(str, line)) for said, line in zip(SAID, _counts(checked), strict=True))
    ms = latency([one.took_ms for one in checked])
    errors = [
        (d["where"], d["label"], f"{d['said']} {d['score']:.2f}", d["claim"], d["evidence"] or "–")
        for d in map(_described, wrong)
    ]
    return (
        Table("Verify: with 95% intervals (bootstrap; shares: Wilson)", columns, lines),
        Table("Label down, decided across", ("label", *SAID), counted),
        Table("Right, by label as it is written", ("label", "rows", "right"), _right_by(checked, lambda one: one.row.label)),
        Table("Right, by kind", ("kind", "rows", "right"), _right_by((o for o in checked if o.row.kind), lambda one: one.row.kind)),
        Table("Threshold of the score, by language of claim and text", ("pair", "threshold"), tuple((k, f"{v:.3f}") for k, v in thresholds.items())),
        Table("Milliseconds a claim", ("n", "mean", "p50", "p95", "most"), (tuple(str(value) for value in ms.values()),)),
        Table("Ten worst errors, the surest first", ("row", "label", "decided", "claim", "evidence"), tuple(errors)),
    )  # fmt: skip


def _with(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")


def _right_by(checked: Iterable[Checked], key: Callable[[Checked], str]) -> tuple[tuple[str, ...], ...]:
    return tuple((name, str(len(rows)), str(share(one.right for one in rows))) for name, rows in grouped(checked, key).items())


def _charts(checked: Sequence[Checked], overall: Quality, kinds: Any) -> tuple[Chart, ...]:
    points = roc([one.row.supported for one in checked], [one.score for one in checked])
    by_kind = [(kind, share(one.right for one in rows)) for kind, rows in kinds.items()]
    return (
        matrix("Label and decision", SAID, SAID, _counts(checked)),
        *([curve("ROC of the score", points, overall.auc or 0.0)] if points else []),
        *([bars("Right, by kind", by_kind)] if by_kind else []),
        histogram("Time a claim takes", [one.took_ms for one in checked], "ms"),
    )
