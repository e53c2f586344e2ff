"""Rows of unknown files: what is read, and what is named instead."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune import eval_deid, eval_safety, eval_triage, eval_verify
from finetune.eval_rows import EvalError, load, locale_of, patient_of
from safety.types import PatientContext


def written(path: Path, *rows: Any) -> Path:
    lines = [row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode() for row in rows]
    path.write_bytes(b"\n".join(lines))
    return path


def test_an_empty_folder_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(EvalError, match=r"holds no \.jsonl file; expected .*docs/eval\.md"):
        load(tmp_path, eval_safety.parse)


def test_a_place_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvalError, match="neither a folder nor a file"):
        load(tmp_path / "nowhere", eval_safety.parse)


def test_a_file_without_a_row_that_can_be_read_names_the_first_ones(tmp_path: Path) -> None:
    with pytest.raises(EvalError, match=r"a\.jsonl:1: no field 'text'"):
        load(written(tmp_path / "a.jsonl", {"label": "safe"}), eval_safety.parse)


def test_every_bad_row_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    good = {"text": "I have a\u2028cough", "label": "Benign"}
    written(tmp_path / "a.jsonl", b"\xef\xbb\xbf" + json.dumps(good).encode(), b"", b"{", b"\xff\xfe", [1], {"text": "x", "label": "odd"}, {"text": 7, "label": "safe"})  # fmt: skip
    written(tmp_path / "deep" / "b.jsonl", {"text": "x", "label": "safe", "locale": "fr"}, good)
    found = load(tmp_path, eval_safety.parse)
    assert [row.where for row in found.rows] == ["a.jsonl:1", "deep/b.jsonl:2"]
    assert [bad.where for bad in found.skipped] == [*(f"a.jsonl:{n}" for n in (3, 4, 5, 6, 7)), "deep/b.jsonl:1"]
    assert [len(bad.why) > 10 for bad in found.skipped] == [True] * 6
    assert "docs/eval.md" in found.skipped[3].why


@given(st.binary(max_size=200))
def test_no_file_ends_a_run_with_a_stack_trace(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(data)
    with pytest.raises(EvalError):
        load(path, eval_safety.parse)


def test_the_language_is_read_or_guessed() -> None:
    assert locale_of({"locale": "zh-CN"}, "hello") == "zh"
    assert locale_of({"language": "English"}, "你好") == "en"
    assert locale_of({}, "我头疼") == "zh"
    assert locale_of({}, "my head hurts") == "en"


def test_a_patient_is_read_from_years_and_from_words() -> None:
    assert patient_of({"age": "42", "sex": "F", "pregnant": "yes"}) == PatientContext(42.0, "female", True)
    assert patient_of({"age": "6 weeks"}).age_years == pytest.approx(42 / 365.25)
    assert patient_of({"age": "3个月", "sex": "男"}) == PatientContext(0.25, "male", None)
    assert patient_of({"age": None, "sex": "other"}) == PatientContext()
    with pytest.raises(ValueError, match="age 'old' cannot be read"):
        patient_of({"age": "old"})


@pytest.mark.parametrize("row", [{"claim": "x", "label": 1}, {"claim": "x", "evidence": [1], "label": 1}, {"claim": "x", "evidence": "y", "label": "perhaps"}])  # fmt: skip
def test_a_claim_needs_evidence_and_a_known_label(row: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"evidence|label"):
        eval_verify.parse(row, "a:1")


def test_claims_are_read_in_the_forms_of_public_sets() -> None:
    assert eval_verify.parse({"claim": "x", "evidence": ["y"], "label": "NOT ENOUGH INFO"}, "a:1").supported is False
    assert eval_verify.parse({"text": "x", "evidence": None, "label": "SUPPORTS"}, "a:1").supported is True
    assert eval_verify.parse({"text": "x", "evidence": "y", "label": True}, "a:1").evidence == ("y",)


@pytest.mark.parametrize("span", [{"start": 3, "end": 2, "type": "NAME"}, {"start": 0, "end": 99, "type": "NAME"}, {"start": 0, "end": 1}, 7])  # fmt: skip
def test_a_span_outside_the_text_is_refused(span: Any) -> None:
    with pytest.raises(ValueError, match="span"):
        eval_deid.parse({"text": "Jane", "spans": [span]}, "a:1")


def test_types_of_public_sets_are_translated() -> None:
    row = {"text": "Jane", "spans": [{"start_position": 0, "end_position": 4, "entity_type": "person"}]}
    assert eval_deid.parse(row, "a:1").spans == ((0, 4, "NAME"),)


def test_the_documents_list_every_label_that_is_read() -> None:
    told = (Path(__file__).parents[2] / "docs" / "eval.md").read_text("utf-8")
    words = set(told.replace(",", " ").replace("`", " ").replace(".", " ").split())
    for known in (eval_safety.LABELS, eval_triage.LABELS, eval_verify.LABELS):
        assert set(known) - {"1.0", "0.0"} <= words
