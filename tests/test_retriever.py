"""Search over the real guidelines: right topic first, both languages, silence where the guidelines are silent."""

from pathlib import Path

import pytest

from retrieval.embed import Embedder
from retrieval.index import IndexPlace, build, fresh, open_index
from retrieval.retriever import GuidelineRetriever
from retrieval.store import ChromaStore
from retrieval.types import IndexMissing, Locale
from tests.test_topics import GOOD

FOUND: list[tuple[str, Locale, str]] = [
    ("What foods should I avoid with gout?", "en", "gout"),
    ("my blood pressure is 150/95 what should i do", "en", "hypertension"),
    ("how long does a migraine last", "en", "headache-migraine"),
    ("can i exercise with asthma", "en", "asthma"),
    ("痛风能喝啤酒吗", "zh", "gout"),
    ("孩子发烧39度怎么办", "zh", "fever-in-children"),
    ("高血压能吃盐吗", "zh", "hypertension"),
    ("失眠怎么办", "zh", "insomnia"),
    ("What causes malaria?", "en", "malaria-and-dengue"),
    ("疟疾怎么治", "zh", "malaria-and-dengue"),
    ("青光眼能治好吗", "zh", "cataract-and-glaucoma"),
]
SILENT: list[tuple[str, Locale]] = [
    ("What causes sarcoidosis?", "en"),
    ("Is gallbladder cancer curable", "en"),
    ("How contagious is Hib?", "en"),
    ("What are the types of lupus nephritis?", "en"),
    ("结节病怎么治", "zh"),
    ("重症肌无力能治好吗", "zh"),
    ("how do I change a tyre", "en"),
    ("asdf qwer zxcv", "en"),
    ("🙂🙂🙂", "en"),
    ("", "en"),
]


@pytest.mark.parametrize(("question", "locale", "topic"), FOUND)
async def test_a_question_finds_its_topic(index: GuidelineRetriever, question: str, locale: Locale, topic: str) -> None:
    found = await index.search(question, locale=locale, k=4)
    assert found
    assert found[0].passage.topic == topic
    assert [e.label for e in found] == [f"E{n}" for n in range(1, len(found) + 1)]
    assert all(0.0 <= e.score <= 1.0 for e in found)


@pytest.mark.parametrize(("question", "locale"), SILENT)
async def test_a_question_that_the_guidelines_do_not_answer_finds_nothing(
    index: GuidelineRetriever, question: str, locale: Locale
) -> None:
    assert [(e.passage.id, e.score) for e in await index.search(question, locale=locale, k=4)] == []


async def test_what_is_for_clinicians_is_found_by_clinicians_only(index: GuidelineRetriever) -> None:
    asked = "first line drug step 1 hypertension calcium channel blocker"
    assert all(e.passage.section != "clinician" for e in await index.search(asked, locale="en", k=8))
    assert any(e.passage.section == "clinician" for e in await index.search(asked, locale="en", k=8, clinician=True))


async def test_both_languages_find_the_same_passages_by_id(index: GuidelineRetriever) -> None:
    english = {e.passage.id for e in await index.search("can I drink alcohol with gout", locale="en", k=4)}
    chinese = {e.passage.id for e in await index.search("痛风可以喝酒吗", locale="zh", k=4)}
    assert english & chinese


def test_a_passage_is_opened_by_its_own_id_or_by_a_claim_in_it(index: GuidelineRetriever) -> None:
    passage = index.section("gout", "self_care")[0]
    assert index.passage(passage.id) is passage
    assert index.passage(passage.claims[-1].id) is passage
    with pytest.raises(KeyError):
        index.passage("gout/self_care#nothing")


def test_the_longest_name_wins(index: GuidelineRetriever) -> None:
    assert index.named("living with type 1 diabetes") == {"type-1-diabetes"}
    assert index.named("the weather") == frozenset()


def small_place(folder: Path) -> IndexPlace:
    (folder / "topics").mkdir()
    (folder / "topics" / "gout.yaml").write_text(GOOD, "utf-8")
    return IndexPlace(folder / "index", folder / "topics")


def test_an_index_that_is_missing_says_how_to_build_it(tmp_path: Path, embedder: Embedder) -> None:
    place = small_place(tmp_path)
    with pytest.raises(IndexMissing, match="doctor serve"):
        open_index(place, ChromaStore.embedded(tmp_path / "c"), embedder)


def test_an_index_is_stale_once_a_topic_changes(tmp_path: Path, embedder: Embedder) -> None:
    place, store = small_place(tmp_path), ChromaStore.embedded(tmp_path / "c")
    assert build(place, store, embedder, lambda batches: batches) == 4
    assert fresh(place, store, embedder)
    (place.topics / "gout.yaml").write_text(GOOD.replace("kind of arthritis", "form of arthritis"), "utf-8")
    assert not fresh(place, store, embedder)


def test_an_index_that_was_cut_off_counts_as_missing(tmp_path: Path, embedder: Embedder) -> None:
    place, store = small_place(tmp_path), ChromaStore.embedded(tmp_path / "c")

    def cut(batches: object) -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(place, store, embedder, cut)  # type: ignore[arg-type]
    assert not fresh(place, store, embedder)


def test_an_index_whose_state_is_broken_counts_as_missing(tmp_path: Path, embedder: Embedder) -> None:
    place, store = small_place(tmp_path), ChromaStore.embedded(tmp_path / "c")
    build(place, store, embedder, lambda batches: batches)
    (place.folder / "index.json").write_text("{broken", "utf-8")
    assert not fresh(place, store, embedder)


def test_both_languages_are_searched_by_meaning(tmp_path: Path, embedder: Embedder) -> None:
    place, store = small_place(tmp_path), ChromaStore.embedded(tmp_path / "c")
    build(place, store, embedder, lambda batches: batches)
    assert store.count("guideline_en") == store.count("guideline_zh") == 4
    assert {path.name for path in place.folder.glob("*.npz")} == {"vectors-en.npz", "vectors-zh.npz"}
