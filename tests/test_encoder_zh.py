"""The Chinese encoder and the one that chooses by language."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.embed import Bilingual, Vectors
from retrieval.encoder_zh import ChineseEncoder
from retrieval.types import Locale


class OnesForEnglish:
    """Stands for MiniLM; refuses Chinese."""

    name = "ones"
    locales: tuple[Locale, ...] = ("en",)

    def embed(self, texts: Sequence[str]) -> Vectors:
        assert all(text.isascii() for text in texts), texts
        return np.full((len(texts), 384), 384**-0.5, np.float32)


@pytest.fixture(scope="module")
def chinese() -> ChineseEncoder:
    return ChineseEncoder()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=60), max_size=4))
def test_any_text_gives_a_finite_unit_vector(chinese: ChineseEncoder, texts: list[str]) -> None:
    vectors = chinese.embed(texts)
    assert vectors.shape == (len(texts), 512)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-4)


def test_a_text_has_the_same_vector_alone_and_among_others(chinese: ChineseEncoder) -> None:
    alone, among = chinese.embed(["夜里腿抽筋"]), chinese.embed(["鼻子堵了", "夜里腿抽筋"])
    assert np.allclose(alone[0], among[1], atol=1e-4)


@pytest.mark.parametrize(
    ("question", "near", "far"),
    [
        ("晚上睡不着怎么办", "失眠时可以怎样改善", "脚踝扭伤后要冰敷"),
        ("血压高要少吃盐吗", "限制食盐有助于降低血压", "婴儿几个月长牙"),
        ("喘不上气", "呼吸困难", "头皮屑很多"),
    ],
)
def test_what_means_the_same_lies_nearer(chinese: ChineseEncoder, question: str, near: str, far: str) -> None:
    asked, close, distant = chinese.embed([question, near, far])
    assert asked @ close > asked @ distant + 0.1


def test_each_text_goes_to_the_encoder_of_its_language(chinese: ChineseEncoder) -> None:
    both = Bilingual(OnesForEnglish(), chinese)
    vectors = both.embed(["fever", "发烧", "cough"])
    assert vectors.shape == (3, 384 + 512)
    assert np.allclose(vectors[[0, 2], :384], 384**-0.5)
    assert np.allclose(vectors[1, 384:], chinese.embed(["发烧"])[0], atol=1e-5)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-4)
    assert both.embed([]).shape == (0, 384 + 512)


def test_texts_of_different_languages_say_nothing_about_each_other(chinese: ChineseEncoder) -> None:
    english, han = Bilingual(OnesForEnglish(), chinese).embed(["fever", "发烧"])
    assert english @ han == 0.0
