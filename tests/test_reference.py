"""The computable knowledge keeps its form, and a fault is named."""

from pathlib import Path
from typing import Any

import pytest

from retrieval.forms import Dose
from retrieval.reference import FILES, load, main, rows
from retrieval.types import KnowledgeError


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_without_fault_and_every_row_was_looked_up(name: str) -> None:
    for row in load(name):
        assert row.checked == "none" or (row.sources and row.checked_on), row.id


def test_the_files_are_as_large_as_the_readme_says() -> None:
    counts = {name: len(load(name)) for name in FILES}
    assert counts["interactions"] >= 400
    assert counts["formulary"] >= 300
    assert sum(row.onc_high_priority for row in load("interactions")) >= 15
    assert main() == 0


def test_doses_of_the_formulary_stay_below_their_own_maximum_where_the_units_are_the_same() -> None:
    for medicine in load("formulary"):
        for dose in medicine.doses:
            if dose.high and dose.max_day and dose.high.split(" ", 1)[1] == dose.max_day.split(" ", 1)[1]:
                assert float(dose.high.split()[0]) <= float(dose.max_day.split()[0]), f"{medicine.id}: {dose}"


def dose(**given: Any) -> dict[str, Any]:
    return {
        "who": "adult",
        "route": "oral",
        "for": {"en": "pain", "zh": "疼痛"},
        "low": "1 mg",
        "high": "2 mg",
        "every": "8 h",
    } | given


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"low": "3 mg"}, "more than high"),
        ({"every": None}, "needs low, high and every"),
        ({"low": "1mcg"}, "pattern"),
        ({"every": "daily"}, "pattern"),
        ({"who": "baby"}, "adult"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_a_dose_that_cannot_be_is_refused(given: dict[str, Any], why: str) -> None:
    assert Dose.model_validate(dose())
    with pytest.raises(ValueError, match=why):
        Dose.model_validate(dose(**given))


def test_doses_that_nobody_looked_up_are_refused(tmp_path: Path) -> None:
    text = "- {id: x, names: {en: [x], zh: [某]}, atc: A01, class: {en: c, zh: 类}, indications: {en: [], zh: []}, checked: none, renal: {en: a, zh: 甲, limits: []}}"
    (tmp_path / "formulary.yaml").write_text(
        text + "\n" + text.replace("checked: none, renal: {en: a, zh: 甲, limits: []}", "checked: two"), "utf-8"
    )
    with pytest.raises(KnowledgeError, match="it has facts that need a source") as error:
        load("formulary", tmp_path)
    assert "without sources" in str(error.value)


def test_a_broken_file_and_a_repeated_id_are_named(tmp_path: Path) -> None:
    (tmp_path / "labs.yaml").write_text("a: [", "utf-8")
    with pytest.raises(KnowledgeError, match=r"labs\.yaml"):
        load("labs", tmp_path)
    (tmp_path / "labs.yaml").write_text("a: 1", "utf-8")
    with pytest.raises(KnowledgeError, match="a list of rows"):
        load("labs", tmp_path)
    row = "- {id: x, names: {en: [x], zh: [某]}, atc: A01, class: {en: c, zh: 类}, indications: {en: [], zh: []}, checked: none}\n"
    (tmp_path / "formulary.yaml").write_text(row * 2, "utf-8")
    with pytest.raises(KnowledgeError, match="stands twice"):
        rows(FILES["formulary"], tmp_path / "formulary.yaml")
