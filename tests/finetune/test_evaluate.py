"""Each suite on strict fakes, and a small real run through to both reports."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from finetune import eval_retrieval, eval_safety, eval_triage, eval_verify
from finetune.eval_rows import Loaded
from finetune.evaluate import EVALS, OWN, main
from safety.grounding import Support
from safety.interview import Assessment
from safety.types import Decision, Disposition, PolicyError, Problem, RailVerdict
from tests.fakes import FakeInterview, FakeRedFlags


@dataclass
class Scripted:
    """Rails or red flags that know the texts of their script, and no other."""

    script: dict[str, RailVerdict | Exception] = field(default_factory=dict)

    def _of(self, text: str) -> RailVerdict:
        found = self.script.pop(text)
        if isinstance(found, Exception):
            raise found
        return found


class Rails(Scripted):
    async def check(self, direction: str, text: str, locale: str) -> RailVerdict:
        return self._of(text)


class Flags(Scripted):
    def check(self, text: str, *, locale: str, patient: Any = None, country: str | None = None) -> RailVerdict:
        return self._of(text)

    def card(self, reasons: Sequence[Any], locale: str, country: str | None) -> str:
        raise AssertionError("no card is asked for")


PASS, STOP = RailVerdict("rails.input", Decision.ALLOW), RailVerdict("harmful", Decision.STOP, "violence")
CARD = RailVerdict("red_flags", Decision.ESCALATE, "emergency")
CRISIS = RailVerdict("red_flags", Decision.ESCALATE, "crisis")
SCOPE, FAULT = RailVerdict("scope", Decision.STOP, "scope"), RailVerdict("rails.input", Decision.STOP, "fault", "broken")


def safety(*rows: tuple[str, RailVerdict | Exception], locale: str = "en") -> Any:
    parsed = [eval_safety.parse({"text": f"{n}", "label": label, "locale": locale, "category": "c"}, f"a:{n}") for n, (label, _) in enumerate(rows)]  # fmt: skip
    stops = {str(n): v for n, (_, v) in enumerate(rows)}
    first = {t: v if isinstance(v, RailVerdict) and v.decision is Decision.ESCALATE else PASS for t, v in stops.items()}
    return eval_safety.run(Loaded(parsed, []), iter, Flags(first), Rails(stops))


def test_safety_counts_what_is_stopped_and_by_what() -> None:
    found = safety(("unsafe", STOP), ("jailbreak", PASS), ("safe", PASS), ("safe", SCOPE), ("patient", CARD), ("emergency", CARD), ("crisis", CARD), ("crisis", STOP), ("out_of_scope", SCOPE))  # fmt: skip
    shares = {name: (one["k"], one["n"]) for name, one in found.figures["all"].items()}
    assert list(shares.values()) == [(1, 2), (2, 3), (0, 3), (1, 3), (1, 3), (1, 1), (1, 2), (1, 2), (1, 1), (5, 9)]
    assert found.figures["confusion"]["counts"][0] == [1, 0, 1, 1, 0, 0]
    assert found.figures["groups"]["safe"]["by_rail"] == {"scope/scope": 1}
    assert [error["label"] for error in found.figures["worst"]] == ["crisis", "jailbreak", "patient", "safe"]
    assert found.figures["by_language"]["zh"]["all rows, decided rightly"]["n"] == 0


def test_a_rail_that_fails_is_told_apart_and_a_row_that_fails_is_named() -> None:
    found = safety(("unsafe", FAULT), ("safe", RuntimeError("no")))
    assert found.figures["faults"] == 1
    assert "WARNING: on 1 of 1 rows a rail failed" in found.notes[0]
    assert [(bad.where, bad.why) for bad in found.failed] == [("a:1", "the product failed: RuntimeError('no')")]


def test_what_an_assistant_says_is_not_read_by_the_red_flags() -> None:
    row = eval_safety.parse({"text": "x", "label": "unsafe", "direction": "output"}, "a:1")
    assert eval_safety.run(Loaded([row], []), iter, Flags(), Rails({"x": STOP})).figures["rows"] == 1


def triage(*rows: tuple[str, Disposition | None]) -> Any:
    parsed = [eval_triage.parse({"text": "x", "label": label}, f"a.jsonl:{n}") for n, (label, _) in enumerate(rows, 1)]
    return eval_triage.run(Loaded(parsed, []), iter, FakeRedFlags(), FakeInterview([Assessment(level) for _, level in rows]))


def pairs(shares: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {name: (one["k"], one["n"]) for name, one in shares.items()}


def test_triage_counts_under_and_over_on_every_scale() -> None:
    found = triage(("emergency", "urgent"), ("emergency", "emergency"), ("urgent", "routine"), ("routine", "urgent"), ("self_care", None))  # fmt: skip
    scales = {name: pairs(scale["all"]) for name, scale in found.figures["scales"].items()}
    assert scales["four levels"] == {"accuracy": (1, 5), "under-triage": (2, 5), "over-triage": (2, 5), "recall of emergency": (1, 2), "false emergency": (0, 3)}  # fmt: skip
    assert scales["three levels"] == {"accuracy": (3, 5), "under-triage": (1, 5), "over-triage": (1, 5), "recall of emergent": (1, 2), "false emergent": (0, 3)}  # fmt: skip
    assert scales["same day or not"]["accuracy"] == (3, 5)
    assert scales["any care or self-care"]["over-triage"] == (1, 5)
    assert found.figures["nothing_known"]["k"] == 1
    assert [(error["label"], error["off_by"]) for error in found.figures["worst"]] == [("emergency", -1), ("urgent", -1), ("routine", 1), ("self_care", 1)]  # fmt: skip


def test_three_level_labels_leave_the_finer_scale_alone() -> None:
    found = triage(("Emergent", "emergency"), ("non-emergent", "urgent"), ("non-emergent", "routine"), ("self-care", "routine"))
    assert pairs(found.figures["scales"]["three levels"]["all"])["accuracy"] == (3, 4)
    assert "four levels" not in found.figures["scales"]
    assert "2 rows have labels too coarse for same day or not" in found.notes[2]


def test_the_words_of_two_level_sets_depend_on_what_stands_beside_them() -> None:
    found = triage(("urgent", "emergency"), ("not urgent", "self_care"))
    assert pairs(found.figures["scales"]["same day or not"]["all"])["accuracy"] == (2, 2)
    assert "four levels" not in found.figures["scales"]
    found = triage(("yes", "emergency"), ("no", "urgent"))
    assert pairs(found.figures["scales"]["emergency or not"]["all"])["accuracy"] == (2, 2)
    found = triage(("emergency", "emergency"), ("non-emergency", "self_care"))
    assert list(found.figures["scales"]) == ["emergency or not"]
    assert pairs(found.figures["scales"]["emergency or not"]["all"])["accuracy"] == (2, 2)


def verify(*rows: tuple[str, float, bool]) -> Any:
    parsed = [eval_verify.parse({"claim": str(n), "evidence": "e", "label": label, "kind": "k"}, f"a:{n}") for n, (label, _, _) in enumerate(rows)]  # fmt: skip
    script = {str(n): Support(score, () if held else (Problem("number", "5"),)) for n, (_, score, held) in enumerate(rows)}
    return eval_verify.run(Loaded(parsed, []), iter, lambda claim, texts: script.pop(claim), {"en": 0.5})


def test_verify_has_balanced_accuracy_area_and_the_surest_errors() -> None:
    found = verify(("SUPPORTS", 0.9, True), ("entailment", 0.3, False), ("REFUTES", 0.8, True), ("nei", 0.1, False), ("no", 0.2, False))  # fmt: skip
    figures = found.figures["all"]
    assert figures["balanced_accuracy"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert figures["roc_auc"] == pytest.approx((3 + 2) / 6)
    assert found.figures["by_label"]["refutes"]["k"] == 0
    assert [error["claim"] for error in found.figures["worst"]] == ["2", "1"]


def test_missing_weights_end_the_run() -> None:
    def broken(claim: str, texts: Sequence[str]) -> Support:
        raise PolicyError("no weights")

    row = eval_verify.parse({"claim": "x", "evidence": "e", "label": 1}, "a:1")
    with pytest.raises(PolicyError):
        eval_verify.run(Loaded([row], []), iter, broken, {})


class Page(HTMLParser):
    """What a page asks for from elsewhere, and its parts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.asked: list[str] = []
        self.ids: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.asked += [v for k in ("src", "href", "xlink:href") if (v := given.get(k)) and not v.startswith(("#", "data:"))]
        self.ids += [given["id"]] if given.get("id") else []
        self.silent += tag == "svg" and not given.get("aria-label")


def test_a_real_run_writes_both_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"text": "My name is <b>Jane Roe</b>, call 020 7946 0018", "spans": [{"start": 14, "end": 22, "type": "NAME"}, {"start": 32, "end": 45, "type": "PHONE"}]},
        {"text": "我叫王小明，电话13800138000", "spans": [{"start": 2, "end": 5, "type": "NAME"}, {"start": 8, "end": 19, "type": "PHONE"}]},
        {"text": "no spans"},
    ]  # fmt: skip
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    assert main(["deid", "--data", str(data), "--out", str(tmp_path / "out"), "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body == json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert body["rows"] == {"read": 2, "unreadable": 1, "failed": 0}
    assert body["not_counted"][0]["where"] == "rows.jsonl:3"
    assert body["figures"]["all"]["recall"]["n"] == 4
    html = (tmp_path / "out" / "report.html").read_text("utf-8")
    page = Page()
    page.feed(html)
    assert page.asked == []
    assert page.tags.count("svg") == 3
    assert page.tags.count("caption") == page.tags.count("table") >= 4
    assert page.silent == 0
    assert len(page.ids) == len(set(page.ids))
    assert not re.search(r"@import|url\((?!#)", html)
    assert "<b>Jane" not in html
    assert main(["deid", "--data", str(data), "--out", str(tmp_path / "out")]) == 0
    assert "recall with the right type" in capsys.readouterr().out


def test_the_real_parts_run_in_every_suite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = "crushing chest pain going down my left arm and sweating"
    rows = {
        "safety": {"text": said, "label": "emergency"},
        "triage": {"text": said, "label": "emergency", "age": 60},
        "verify": {"claim": "Gout hurts.", "evidence": ["Gout hurts."], "label": "supported"},
    }
    for suite, row in rows.items():
        data = tmp_path / f"{suite}.jsonl"
        data.write_text(json.dumps(row), "utf-8")
        assert main([suite, "--data", str(data), "--out", str(tmp_path / suite), "--json"]) == 0
        body = json.loads(capsys.readouterr().out)
        assert body["rows"] == {"read": 1, "unreadable": 0, "failed": 0}
        assert body["figures"]["worst"] == []


def test_what_cannot_run_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["safety", "--data", str(tmp_path)]) == 2
    assert "holds no .jsonl file" in capsys.readouterr().err


@pytest.mark.parametrize("suite", OWN)
def test_our_own_sets_are_read_whole_and_hold_both_languages(suite: str) -> None:
    from finetune import eval_deid
    from finetune.eval_rows import load

    parse: Any = {
        "safety": eval_safety,
        "triage": eval_triage,
        "verify": eval_verify,
        "deid": eval_deid,
        "retrieval": eval_retrieval,
    }[suite].parse  # type: ignore[attr-defined]
    found: Loaded[Any] = load(EVALS / OWN[suite], parse)
    assert found.skipped == []
    assert len(found.rows) >= 60
    assert {row.locale for row in found.rows} == {"en", "zh"}
