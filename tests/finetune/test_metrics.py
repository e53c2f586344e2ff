"""Figures against values worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.metrics import Gap, Share, auc, balanced_accuracy, bootstrap, confusion, latency, roc, wilson


def test_wilson_agrees_with_the_textbook() -> None:
    assert wilson(8, 10) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775328), abs=1e-6)
    assert wilson(10, 10) == pytest.approx((0.7224672, 1.0), abs=1e-6)


@given(st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_share_and_stays_within_zero_and_one(pair: tuple[int, int]) -> None:
    low, high = wilson(*pair)
    assert 0 <= low <= pair[0] / pair[1] <= high <= 1


@pytest.mark.parametrize(("k", "n"), [(1, 0), (3, 2), (-1, 5)])
def test_what_is_no_share_is_refused(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="is no share"):
        wilson(k, n)


def test_a_share_of_nothing_has_no_rate() -> None:
    assert Share(0, 0).figures() == {"k": 0, "n": 0, "rate": None, "low": None, "high": None}
    assert str(Share(0, 0)) == "–"
    assert str(Share(1, 2)) == "50.0% (9.5% to 90.5%)"


def test_a_gap_has_newcombes_interval() -> None:
    gap = Gap(Share(56, 70), Share(48, 80))  # Newcombe 1998, table II, example (a), method 10
    assert gap.difference == pytest.approx(0.2)
    assert gap.interval == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert Gap(Share(0, 0), Share(1, 2)).difference is None


def test_balanced_accuracy_is_the_mean_of_both_recalls() -> None:
    labels, said = [True, True, True, True, False, False], [True, True, True, False, False, True]
    assert balanced_accuracy(labels, said) == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert balanced_accuracy([True, True], [True, False]) is None


def test_the_area_under_the_roc_counts_ties_half() -> None:
    assert auc([True, True, False, False], [0.9, 0.4, 0.4, 0.1]) == pytest.approx((1 + 1 + 0.5 + 1) / 4)
    assert auc([True], [0.5]) is None
    assert roc([True, False], [0.9, 0.1])[0] == (0.0, 0.0)
    assert roc([True], [0.9]) == []


def test_the_bootstrap_is_the_same_each_time_and_holds_the_figure() -> None:
    labels = [True] * 20 + [False] * 20
    said = [True] * 15 + [False] * 5 + [False] * 16 + [True] * 4
    low, high = bootstrap(labels, said, balanced_accuracy) or (1.0, 0.0)
    assert low < balanced_accuracy(labels, said) < high  # type: ignore[operator]
    assert (low, high) == bootstrap(labels, said, balanced_accuracy)
    assert bootstrap([True, False], [True, False], balanced_accuracy) is None


def test_confusion_counts_label_down_and_decision_across() -> None:
    assert confusion([("a", "b"), ("a", "a"), ("b", "b"), ("a", "b")], "ab", "ab") == [[1, 2], [0, 1]]


def test_latency_of_nothing_is_no_number() -> None:
    assert latency([])["p50"] is None
    assert latency([1.0, 2.0, 3.0])["p50"] == 2.0
