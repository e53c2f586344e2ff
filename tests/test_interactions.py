"""Two medicines in one question: the rows about both are found by any of their names, and nothing is made up."""

import pytest

from retrieval.interactions import GRAVEST, Interactions
from retrieval.types import LOCALES, Evidence
from safety.grounding import check_sentence
from safety.rails import NemoRails, normalise


@pytest.fixture(scope="module")
def known() -> Interactions:
    return Interactions.load()


@pytest.mark.parametrize(
    ("question", "row"),
    [
        ("can I take ibuprofen with warfarin", "warfarin-nsaids"),
        ("advil while on xarelto", "doac-nsaids"),
        ("can you take paxlovid with simvastatin", "nirmatrelvir-statins"),
        ("Can I take Viagra with nitroglycerin?", "nitrates-pde5"),
        ("is grapefruit ok with my statin", "grapefruit-statins"),
        ("can I drink alcohol with metronidazole", "metronidazole-alcohol"),
        ("St John's wort with the pill", "sjw-contraceptives"),
        ("吃华法林能不能吃菠菜", "warfarin-vitamin-k-foods"),
        ("奥美拉唑和氯吡格雷能一起吃吗", "clopidogrel-omeprazole"),
        ("降压药能和布洛芬一起吃吗", "ras-nsaids"),
        ("吃他汀期间能吃西柚吗", "grapefruit-statins"),
    ],
)
def test_a_question_finds_what_is_known_of_both(question: str, row: str, known: Interactions) -> None:
    found = known.search(question)
    assert found[0].passage.topic == f"interaction-{row}"
    assert found[0].passage.claims[0].sources


@pytest.mark.parametrize(
    "question",
    [
        "what is warfarin",
        "can I take ibuprofen with food",
        "can I take paracetamol and ibuprofen together",
        "what is the difference between warfarin and rivaroxaban",
        "ibuprofen or ibuprofen with warm water",
        "华法林是什么药",
        "",
    ],
)
def test_nothing_is_said_of_one_medicine_or_of_a_pair_that_is_not_known(question: str, known: Interactions) -> None:
    assert known.search(question) == []


def test_the_gravest_comes_first(known: Interactions) -> None:
    found = known.search("can I take paxlovid with simvastatin or warfarin")
    assert [e.label for e in found] == ["E1", "E2"]
    rows = [known._rows[e.passage.topic.removeprefix("interaction-")] for e in found]
    assert [GRAVEST.index(row.severity) for row in rows] == sorted(GRAVEST.index(row.severity) for row in rows)


def test_a_patient_reads_one_sentence_and_a_clinician_effect_and_mechanism(known: Interactions) -> None:
    patient, clinician = (known.search("ibuprofen with warfarin", clinician=who)[0].passage for who in (False, True))
    assert len(patient.claims) == 1
    assert "Mechanism:" in clinician.say("en")
    assert clinician.say("zh").startswith("维生素K拮抗剂与")
    assert known.passage(clinician.claims[0].id).topic == patient.topic
    assert known.title(patient.topic, "en") == "Vitamin K antagonists and NSAIDs"
    with pytest.raises(KeyError):
        known.passage("interaction-unknown/medicines#patient")


def test_a_medicine_is_not_its_own_partner(known: Interactions) -> None:
    assert known.search("can I take amiodarone with amiodarone") == []


def test_a_patient_is_never_told_to_stop_without_asking(known: Interactions) -> None:
    for row in known._rows.values():
        told = row.patient.en.lower()
        if "stop taking" in told or "stop your" in told:
            assert any(word in told for word in ("doctor", "pharmacist", "clinic", "prescriber", "nurse")), row.id


def test_every_sentence_of_a_row_holds_itself_and_is_not_stopped_on_its_way_out(known: Interactions) -> None:
    rails = NemoRails()
    for row in known._rows.values():
        passage = known._passage(row, clinician=False)
        for claim in passage.claims:
            for locale in LOCALES:
                said = claim.say(locale)
                assert check_sentence(f"{said} [E1]", [Evidence("E1", passage, 1.0)], locale).supported, claim.id
                verdicts = [rails._judge(rail, normalise(said), locale) for rail in ("certainty", "harmful")]
                assert not [v.reason for v in verdicts if v.stops], claim.id
