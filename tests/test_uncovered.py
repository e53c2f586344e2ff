"""Subjects without a topic are recognised, and none of them is a topic's own name."""

import pytest

from retrieval.retriever import GuidelineRetriever
from retrieval.topics import load_topics
from retrieval.uncovered import uncovered


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("Can you survive from malaria?", "malaria"),
        ("Is gallbladder cancer curable", "gallbladder cancer"),
        ("how are Kidney Stones treated", "Kidney Stones"),
        ("青光眼能治好吗", "青光眼"),
        ("我得了乙肝怎么办", "乙肝"),
    ],
)
def test_a_subject_without_a_topic_is_named_as_it_was_written(question: str, name: str) -> None:
    assert uncovered(question) == name


@pytest.mark.parametrize(
    "question", ["What is gout?", "when do I get the hepatitis B vaccine", "乙肝疫苗打几针", "", "a stitch in time"]
)
def test_other_questions_name_none(question: str) -> None:
    assert uncovered(question) == ""


def test_a_question_that_also_names_a_topic_is_not_refused(index: GuidelineRetriever) -> None:
    assert index.uncovered("can I take gout medicine with psoriasis") == ""
    assert index.uncovered("can I take tablets with psoriasis") == "psoriasis"


def test_no_name_of_a_topic_is_called_uncovered() -> None:
    clashes = [
        (t.id, n)
        for t in load_topics()
        for names in t.names.values()
        for n in names
        if uncovered(n) and uncovered(n).lower() == n.lower()
    ]
    assert clashes == []
