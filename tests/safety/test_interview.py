"""The interview: every example of every complaint, the questions it still asks, what an open answer does, the loader's errors."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.types import LOCALES, Locale
from safety.facts import NONE, UNSURE
from safety.interview import INTERVIEW_PATH, MOST, Interview, texts
from safety.interview_rules import LEVELS
from safety.red_flags import RedFlags
from safety.triage import triage
from safety.types import PatientContext, PolicyError

INTERVIEW = Interview.load()
FLAGS = RedFlags.load()
DATA = yaml.load(INTERVIEW_PATH.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
EXAMPLES = [
    (complaint["id"], locale, level, text)
    for complaint in DATA["complaints"]
    for locale, levels in complaint["examples"].items()
    for level, found in levels.items()
    for text in found
]
QUESTIONS = [question for complaint in INTERVIEW.complaints for question in complaint.questions]


@pytest.mark.parametrize(("complaint", "locale", "level", "text"), EXAMPLES)
def test_an_example_of_a_complaint_gets_its_level(complaint: str, locale: Locale, level: str, text: str) -> None:
    assert triage(FLAGS, INTERVIEW, text, locale=locale).level == level


@pytest.mark.parametrize("complaint", INTERVIEW.complaints, ids=lambda complaint: complaint.id)
def test_a_complaint_has_examples_of_two_levels_in_both_languages(complaint) -> None:  # type: ignore[no-untyped-def]
    for locale in LOCALES:
        mine = {level for name, lang, level, _ in EXAMPLES if name == complaint.id and lang == locale}
        assert len(mine) >= (1 if complaint.otherwise == "emergency" else 2), f"{complaint.id} {locale}: {mine}"


def test_there_are_sixty_complaints_and_more() -> None:
    assert len(INTERVIEW.complaints) >= 60


@pytest.mark.parametrize("complaint", INTERVIEW.complaints, ids=lambda complaint: complaint.id)
def test_every_rule_and_complaint_has_a_source(complaint) -> None:  # type: ignore[no-untyped-def]
    for source in (complaint.source, *(rule.source for rule in complaint.rules)):
        assert source.publisher
        assert source.title
        assert 1990 <= source.year <= 2026


@pytest.mark.parametrize("text", sorted(set(texts(INTERVIEW.complaints))))
def test_a_text_that_is_shown_is_one_line_of_readable_length(text: str) -> None:
    assert "\n" not in text
    assert len(text) <= 240


def test_a_message_that_says_little_is_asked_about_the_gravest_first() -> None:
    found = INTERVIEW.assess("my throat hurts", locale="en")
    assert found.level == "routine"  # too little is said to reassure
    assert found.questions[0].id == "sore-throat/airway"


def test_what_the_message_already_says_is_not_asked_again() -> None:
    found = INTERVIEW.assess("sore throat for 10 days", locale="en")
    assert "sore-throat/duration" not in {question.id for question in found.questions}
    assert found.level == "routine"


def test_denials_settle_a_question() -> None:
    found = INTERVIEW.assess("sore throat since yesterday, no drooling, no stridor, no trouble breathing", locale="en")
    assert "sore-throat/airway" not in {question.id for question in found.questions}
    assert found.level == "self_care"


@pytest.mark.parametrize(
    ("reply", "level"),
    [
        ("drooling", "emergency"), ("drooling, cannot swallow saliva", "emergency"), ("yes", "emergency"), ("有", "emergency"),
        (NONE, "self_care"), ("no", "self_care"), ("都没有", "self_care"),
        (UNSURE, "urgent"), ("I don't know", "urgent"), ("blue elephants", "urgent"),
    ],
)  # fmt: skip
def test_a_reply_in_any_form_is_understood_and_doubt_escalates(reply: str, level: str) -> None:
    replies = [("sore-throat/airway", reply)]
    assert INTERVIEW.assess("sore throat since yesterday", locale="en", replies=replies).level == level


def test_free_words_are_read_like_a_message() -> None:
    replies = [("sore-throat/airway", NONE), ("sore-throat/duration", "about two weeks now")]
    assert INTERVIEW.assess("my throat hurts", locale="en", replies=replies).level == "routine"


def test_it_never_asks_more_than_five_questions() -> None:
    replies = [(question.id, UNSURE) for question in QUESTIONS[:MOST]]
    assert INTERVIEW.assess("my throat hurts", locale="en", replies=replies).questions == ()


def test_an_emergency_is_not_asked_further() -> None:
    assert INTERVIEW.assess("sore throat and drooling", locale="en").questions == ()


def test_the_same_words_count_by_age() -> None:
    words, known = "has a temperature of 38.2 since this morning", PatientContext
    baby = INTERVIEW.assess(f"he {words}", locale="en", patient=known(age_years=0.1))
    child = INTERVIEW.assess(f"he {words}, playing, drinking, no rash", locale="en", patient=known(age_years=4))
    assert baby.level == "emergency"
    assert child.level in ("self_care", "routine")


def test_a_message_without_a_complaint_has_no_level() -> None:
    assert INTERVIEW.assess("what foods lower cholesterol", locale="en").level is None
    assert INTERVIEW.assess("", locale="zh").level is None


def test_a_reply_to_a_question_that_does_not_exist_changes_nothing() -> None:
    assert INTERVIEW.assess("sore throat for 2 days", locale="en", replies=[("gone/question", "x")]).level == "self_care"


@given(st.text(max_size=400), st.lists(st.tuples(st.sampled_from([q.id for q in QUESTIONS]), st.text(max_size=40)), max_size=6))
@settings(deadline=None, max_examples=60)
def test_any_message_and_any_replies_get_an_assessment(text: str, replies: list[tuple[str, str]]) -> None:
    found = INTERVIEW.assess(text, locale="en", replies=replies)
    assert found.level is None or found.level in LEVELS
    assert (found.level is None) == (found.complaint is None)


BROKEN = {
    "an unknown concept": ("says: [sore_throat]", "says: [throat_of_glass]", "throat_of_glass"),
    "an unknown level": ("otherwise: self_care", "otherwise: wait", "'wait'"),
    "an unknown source": ("source: nice-ng84", "source: grandmother", "'grandmother'"),
    "a duration without a unit": ("duration >= 7 d", "duration >= 7", "needs a unit"),
    "a measure that does not exist": ("duration >= 7 d", "hunger >= 7", "'hunger'"),
    "a choice no rule uses": ("{concept: stridor,", "{concept: palpitations,", "no rule uses"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_file_names_the_line_and_the_remedy(fault: str, tmp_path: Path) -> None:
    right, wrong, named = BROKEN[fault]
    text = INTERVIEW_PATH.read_text("utf-8")
    at = text.index(right, text.index("complaints:"))
    path = tmp_path / "interview.yaml"
    path.write_text(text[:at] + wrong + text[at + len(right) :], "utf-8")
    with pytest.raises(PolicyError, match=r"interview\.yaml:\d+: ") as caught:
        Interview.load(path)
    assert named in str(caught.value)
