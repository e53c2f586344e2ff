"""What a question takes as given and the guidelines deny is found, and corrected in the guideline's own words."""

import json
from pathlib import Path
from typing import Any

import pytest

from retrieval.chunk import passages
from retrieval.topics import load_topics
from retrieval.types import Evidence, KnowledgeError, Passage
from safety.grounding import check_sentence
from safety.premises import Correction, Premises, correct
from safety.replies import reply

ROWS = [json.loads(line) for line in Path("finetune/evals/premises.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def premises(embedder: Any) -> Premises:
    return Premises.load(embedder)


@pytest.fixture(scope="module")
def by_claim() -> dict[str, Passage]:
    return {claim.id: passage for passage in passages(load_topics()) for claim in passage.claims}


def found(premises: Premises, question: str, locale: Any) -> str:
    belief = premises.find(question, locale)
    return belief.id if belief else ""


@pytest.mark.parametrize(
    ("question", "locale", "belief"),
    [
        ("Since antibiotics cure flu, which one should I take?", "en", "antibiotics-cure-colds-and-flu"),
        ("Since antibiotics cure flu should I buy amoxicillin?", "en", "antibiotics-cure-colds-and-flu"),
        ("I have a cold. Which antibiotic will get rid of it?", "en", "antibiotics-cure-colds-and-flu"),
        ("How much cranberry juice would cure my cystitis?", "en", "cranberry-cures-uti"),
        ("既然抗生素能治流感，我该买哪种？", "zh", "antibiotics-cure-colds-and-flu"),
        ("感冒了，吃什么消炎药好得快？", "zh", "antibiotics-cure-colds-and-flu"),
        ("血糖正常了就停二甲双胍，哪天开始停？", "zh", "stop-diabetes-pills-normal"),
    ],
)
def test_a_false_belief_that_a_question_takes_as_given_is_found(
    premises: Premises, question: str, locale: str, belief: str
) -> None:
    assert found(premises, question, locale) == belief


@pytest.mark.parametrize(
    ("question", "locale"),
    [
        ("Do antibiotics cure flu?", "en"),  # asks
        ("I have flu, can antibiotics cure it?", "en"),
        ("Since I have flu, should I take antibiotics?", "en"),
        ("Antibiotics don't cure flu, right?", "en"),  # true
        ("Since antibiotics don’t cure flu, what should I take?", "en"),
        ("Why can't antibiotics cure flu?", "en"),
        ("Is it true that antibiotics cure flu, and which one?", "en"),  # doubts
        ("Which antibiotic treats a kidney infection?", "en"),  # near it
        ("What is gout?", "en"),
        ("", "en"),
        ("抗生素能治流感吗？", "zh"),
        ("流感能不能用抗生素治？", "zh"),
        ("既然抗生素治不了流感，该吃什么药？", "zh"),
        ("为什么抗生素治不好感冒？", "zh"),
        ("血糖正常了也不能停二甲双胍，要吃多久？", "zh"),
        ("", "zh"),
    ],
)
def test_a_true_or_neutral_question_takes_nothing_false_as_given(premises: Premises, question: str, locale: str) -> None:
    assert found(premises, question, locale) == ""


def test_there_are_many_beliefs_each_once_in_both_languages(premises: Premises) -> None:
    assert len({belief.id for belief in premises.beliefs}) == len(premises.beliefs) >= 150


def test_every_correcting_claim_exists_and_passes_the_claim_gate(premises: Premises, by_claim: dict[str, Passage]) -> None:
    for belief in premises.beliefs:
        for locale in ("en", "zh"):
            said = correct(belief, locale, [], by_claim.__getitem__)
            assert said.lines
            for line in said.lines:
                assert check_sentence(line, said.evidence, locale).supported, (belief.id, line)


def test_every_wording_is_taken_for_its_own_belief(premises: Premises) -> None:
    wrong = [
        (belief.id, said, found(premises, said, locale))
        for belief in premises.beliefs
        for locale in ("en", "zh")
        for said in belief.said[locale]
        if found(premises, said, locale) != belief.id
    ]
    assert wrong == []


def test_no_true_neighbour_is_taken_for_a_belief(premises: Premises) -> None:
    near = [(text, locale) for belief in premises.beliefs for locale in ("en", "zh") for text in belief.neighbours[locale]]
    assert [text for text, locale in near if found(premises, text, locale)] == []


def test_what_the_guidelines_say_is_seldom_taken_for_a_belief(premises: Premises) -> None:
    claims = [claim for topic in load_topics() for section in topic.sections.values() for claim in section]
    hits = [claim.id for claim in claims if found(premises, f"Since {claim.text['en'].rstrip('.')}, what else helps?", "en")]
    hits += [claim.id for claim in claims if found(premises, f"既然{claim.text['zh'].rstrip('。')}，还要注意什么？", "zh")]
    assert len(hits) <= 0.01 * 2 * len(claims), hits


def test_the_set_shares_no_text_with_the_beliefs(premises: Premises) -> None:
    known = {text for b in premises.beliefs for locale in ("en", "zh") for text in (*b.said[locale], *b.neighbours[locale])}
    assert not known & {row["text"] for row in ROWS}
    assert {row["belief"] for row in ROWS} - {None} <= {belief.id for belief in premises.beliefs}


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_most_presuming_questions_are_found_and_few_others(premises: Premises, locale: str) -> None:
    rows = [row for row in ROWS if row["locale"] == locale]
    presuming = [row for row in rows if row["label"] == "presumes"]
    neutral = [row for row in rows if row["label"] == "open"]
    right = sum(found(premises, row["text"], locale) == row["belief"] for row in presuming)
    false = [row["text"] for row in neutral if found(premises, row["text"], locale)]
    assert right >= RECALL * len(presuming)
    assert len(false) <= 0.05 * len(neutral), false


RECALL = 0.6  # of the whole set, in each language; see finetune/LOG.md


def test_the_correction_is_labelled_on_from_the_evidence(premises: Premises, by_claim: dict[str, Passage]) -> None:
    belief = next(b for b in premises.beliefs if b.id == "antibiotics-cure-colds-and-flu")
    first = Evidence("E1", by_claim["gout/overview#what-is"], 0.9)
    said = correct(belief, "en", [first], by_claim.__getitem__)
    assert [item.label for item in said.evidence] == ["E2"]
    assert said.lead_in == reply("false_premise", "en")
    assert said.lines == ("Antibiotics do not work for colds or flu, because colds and flu are caused by viruses. [E2]",)


def test_a_passage_that_is_already_there_is_cited_by_its_own_label(premises: Premises, by_claim: dict[str, Passage]) -> None:
    belief = next(b for b in premises.beliefs if b.id == "antibiotics-cure-colds-and-flu")
    first = Evidence("E1", by_claim[belief.corrected_by[0]], 0.9)
    said = correct(belief, "zh", [first], by_claim.__getitem__)
    assert said.evidence == ()
    assert said.lines[0].endswith("[E1]")


async def test_nothing_is_said_when_nothing_is_wrong(premises: Premises, by_claim: dict[str, Passage]) -> None:
    assert await premises.correction("What is gout?", "en", [], by_claim.__getitem__) == Correction()


async def test_a_correction_is_made_for_the_question(premises: Premises, by_claim: dict[str, Passage]) -> None:
    said = await premises.correction("既然抗生素能治流感，我该买哪种？", "zh", [], by_claim.__getitem__)
    assert said.lead_in == reply("false_premise", "zh")
    assert len(said.lines) == 1


@pytest.mark.parametrize(
    ("text", "names"), [("beliefs: []", "cues"), ("- a", "dictionary"), ("cues: {presumes: {en: [a]}}", "zh")]
)
def test_a_faulty_file_is_named_with_its_fault(tmp_path: Path, text: str, names: str) -> None:
    path = tmp_path / "premises.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(KnowledgeError, match=names) as error:
        Premises.load(None, path)  # type: ignore[arg-type]
    assert str(path) in str(error.value)
