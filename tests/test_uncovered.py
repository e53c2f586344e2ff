"""Subjects without a topic are recognised, and none of them is a topic's own name."""

import pytest

from retrieval.retriever import GuidelineRetriever
from retrieval.topics import load_topics
from retrieval.uncovered import rows_clash, uncovered


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("Can you survive from sarcoidosis?", "sarcoidosis"),
        ("Is gallbladder cancer curable", "gallbladder cancer"),
        ("how is Myasthenia Gravis treated", "Myasthenia Gravis"),
        ("重症肌无力能治好吗", "重症肌无力"),
        ("我得了结节病怎么办", "结节病"),
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
    assert index.uncovered("can I take gout medicine with sarcoidosis") == ""
    assert index.uncovered("can I take tablets with sarcoidosis") == "sarcoidosis"


def test_no_name_of_a_topic_is_called_uncovered() -> None:
    assert rows_clash(name for topic in load_topics() for names in topic.names.values() for name in names) == []


@pytest.mark.parametrize(
    "question",
    ["what is pulmonary hypertension", "甲状腺癌能治好吗", "warning signs of thyroid cancer"],
)
def test_a_longer_name_wins_over_the_topic_inside_it(index: GuidelineRetriever, question: str) -> None:
    assert index.uncovered(question)
