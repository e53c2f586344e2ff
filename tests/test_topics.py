"""Guideline files: the real ones are without fault, and each kind of fault is named with its line."""

from pathlib import Path

import pytest

from retrieval.topics import KNOWLEDGE, load_topic, load_topics, main
from retrieval.types import KnowledgeError

GOOD = """\
id: gout
title: {en: Gout, zh: 痛风}
names: {en: [gout], zh: [痛风]}
icd10: [M10]
reviewed_on: 2026-01-01
review_due: 2027-01-01
sources:
  who: {publisher: WHO, title: "Gout: a page", year: 2024, url: null, country: null}
overview:
  - {id: what, en: "Gout is a kind of arthritis.", zh: "痛风是一种关节炎。", source: [who]}
get_help:
  emergency:
    - {id: e, en: "Call an ambulance if you are confused.", zh: "神志不清时，请立即拨打急救电话。", source: [who]}
  urgent:
    - {id: u, en: "Get medical advice the same day if a joint is hot.", zh: "关节发热时，请当天就医。", source: [who]}
  routine:
    - {id: r, en: "Book a visit if attacks come back.", zh: "反复发作时，请预约就诊。", source: [who]}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "gout.yaml"
    path.write_text(text, "utf-8")
    return path


def test_every_topic_of_the_project_is_without_fault() -> None:
    topics = load_topics()
    assert len(topics) >= 40
    assert {t.id for t in topics} >= {"hypertension", "suicidal-thoughts", "fever-in-children"}


def test_every_topic_has_enough_claims_and_says_when_to_get_help() -> None:
    for topic in load_topics():
        assert sum(map(len, topic.sections.values())) >= 30, topic.id
        assert {"get_help.emergency", "get_help.urgent", "get_help.routine"} <= topic.sections.keys(), topic.id


def test_a_claim_has_a_stable_id_both_languages_and_its_documents(tmp_path: Path) -> None:
    claim = load_topic(written(tmp_path, GOOD)).sections["overview"][0]
    assert claim.id == "gout/overview#what"
    assert claim.say("zh") == "痛风是一种关节炎。"
    assert claim.sources[0].publisher == "WHO"


FAULTS = {
    "an unknown section": ("overview:", "overvue:\n  - {}\noverview:", 9, "overvue"),
    "a claim without Chinese": (', zh: "痛风是一种关节炎。"', "", 10, "zh"),
    "an uncited claim": ("zh: \"痛风是一种关节炎。\", source: [who]", "zh: \"痛风是一种关节炎。\", source: []", 10, "source"),
    "an unknown source": ("zh: \"痛风是一种关节炎。\", source: [who]", "zh: \"痛风是一种关节炎。\", source: [nhs]", 10, "'nhs'"),
    "a dose without frequency": ("Gout is a kind of arthritis.", "Take colchicine 0.5 mg for gout.", 10, "frequency"),
    "a number in one language only": ("Gout is a kind of arthritis.", "Gout hurts for 17 days.", 10, "17"),
    "no urgent claims": ("  urgent:\n    - {id: u, en: \"Get medical advice the same day if a joint is hot.\", zh: \"关节发热时，请当天就医。\", source: [who]}\n", "", 11, "urgent"),
    "a source without a year": ("year: 2024, ", "", 8, "year"),
    "a repeated key": ("icd10: [M10]", "icd10: [M10]\nicd10: [M11]", 5, "twice"),
    "a wrong id": ("id: gout\n", "id: Gout!\n", 1, "id"),
    "an id that differs from the file": ("id: gout\n", "id: gout-2\n", 1, "differs"),
    "a review date in the past of the review": ("review_due: 2027-01-01", "review_due: 2025-01-01", 6, "not after"),
    "a repeated claim id": ("get_help:", "  - {id: what, en: \"Gout hurts.\", zh: \"痛风很痛。\", source: [who]}\nget_help:", 11, "twice"),
    "broken YAML": ("overview:\n", "overview: [\n", 10, "not YAML"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_the_loader_names_the_line_of(fault: str, tmp_path: Path) -> None:
    old, new, line, word = FAULTS[fault]
    assert old in GOOD
    with pytest.raises(KnowledgeError) as raised:
        load_topic(written(tmp_path, GOOD.replace(old, new, 1)))
    first = str(raised.value).splitlines()[0]
    assert f"gout.yaml:{line}:" in str(raised.value), first
    assert word in str(raised.value)


@pytest.mark.parametrize("content", ["", "- a\n- b\n", "\x00\x01", "id: !!python/object:os.system x\n"])
def test_a_file_that_is_no_topic_at_all_is_refused(content: str, tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match=r"gout\.yaml:\d+:"):
        load_topic(written(tmp_path, content))


def test_binary_content_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gout.yaml"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(KnowledgeError):
        load_topic(path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match="no topic files"):
        load_topics(tmp_path)


def test_the_command_prints_each_fault_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(written(tmp_path, GOOD))]) == 0
    assert main([str(written(tmp_path, GOOD.replace("[who]", "[nhs]")))]) == 1
    assert capsys.readouterr().out.count("'nhs'") == 4


def test_no_claim_is_said_twice_in_one_topic() -> None:
    for topic in load_topics(KNOWLEDGE / "topics"):
        said = [c.text["en"] for claims in topic.sections.values() for c in claims]
        assert len(said) == len(set(said)), topic.id
