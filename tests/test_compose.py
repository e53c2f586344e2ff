"""The answer without a model."""

from assistant import compose
from assistant.types import Turn
from retrieval.types import Evidence
from tests.fakes import DRINKS, FEVER, HOME, RASH, SPONGE, URGENT, FakeRetriever


def test_the_likeliest_claim_comes_first_with_its_label() -> None:
    assert compose.body([FEVER], "en") == [f"{DRINKS.text['en']} [E1]", f"{SPONGE.text['en']} [E1]"]


def test_a_claim_that_answers_much_less_is_left_out() -> None:
    weak = Evidence("E1", HOME, 0.9, {DRINKS.id: 0.9, SPONGE.id: 0.1})
    assert compose.body([weak], "zh") == [f"{DRINKS.text['zh']} [E1]"]


def test_at_most_four_claims_are_said() -> None:
    assert (
        len(compose.body([FEVER, Evidence("E2", HOME, 0.9, FEVER.answers), Evidence("E3", HOME, 0.9, FEVER.answers)], "en"))
        == 4
    )


def test_when_to_call_for_help_comes_from_the_same_topic() -> None:
    turn = Turn("s1", "m1", "my child has a fever", evidence=[FEVER])
    assert compose.safety_net(turn, FakeRetriever()) == [f"{RASH.text['en']} [E2]"]
    assert [(e.label, e.passage) for e in turn.evidence[1:]] == [("E2", URGENT)]


def test_a_passage_that_is_already_there_is_not_added_twice() -> None:
    assert compose.urgent_passages([FEVER, Evidence("E2", URGENT, 0.5)], FakeRetriever()) == []
