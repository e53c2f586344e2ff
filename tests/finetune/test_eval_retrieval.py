"""The suite `retrieval` counts what search found, for topics and for a library's own pages."""

from pathlib import Path

import pytest

from finetune.eval_library import medquad, of_library
from finetune.eval_retrieval import Search, distinct, gains, parse, run
from finetune.eval_rows import EvalError, Loaded
from retrieval.embed import Bilingual
from retrieval.ingest import ingest
from retrieval.library import SiteLibrary
from retrieval.readers.files import find
from retrieval.types import Locale

PAGE = '<Document source="S" url="https://example.org"><Focus>{0}</Focus><QAPairs><QAPair><Question>What is {0} ?</Question><Answer>{0} is a rare itch of the left earlobe, number {1}.</Answer></QAPair></QAPairs></Document>'


def test_a_row_names_a_topic_or_none() -> None:
    assert parse({"text": "x", "topic": "gout", "also": ["asthma"]}, "a:1").right == {"gout", "asthma"}
    assert parse({"question": "痛风", "topic": None}, "a:1").right == frozenset()
    with pytest.raises(ValueError, match="no field 'topic'"):
        parse({"text": "x"}, "a:1")
    with pytest.raises(ValueError, match="expected an id"):
        parse({"text": "x", "topic": 3}, "a:1")


def test_places_become_hits_ranks_and_gains() -> None:
    told = gains([1, 3, None, 11])
    assert (told["hit@1"]["k"], told["hit@3"]["k"], told["hit@10"]["k"]) == (1, 2, 2)
    assert told["mrr"] == pytest.approx((1 + 1 / 3 + 1 / 11) / 4)
    assert told["ndcg@10"] == pytest.approx((1 + 0.5) / 4)
    assert distinct(["gout/a#1", "asthma/b#2", "gout/c#3"]) == ["gout", "asthma"]


def test_silence_is_counted_where_nothing_answers_and_where_something_does() -> None:
    script = {
        "one": Search({"fused": ["gout", "x"], "BM25 alone": ["x", "gout"], "dense alone": []}, 0.9, True),
        "two": Search({"fused": ["x"], "BM25 alone": ["x"], "dense alone": ["x"]}, 0.2, False),
        "three": Search({"fused": ["y"], "BM25 alone": [], "dense alone": []}, 0.8, True),
    }

    def search(text: str, locale: Locale) -> Search:
        return script.pop(text)

    rows = [
        parse({"text": t, "topic": topic, "locale": "en"}, t) for t, topic in (("one", "gout"), ("two", None), ("three", None))
    ]
    rows.append(parse({"text": "broken", "topic": "gout"}, "a:4"))
    findings = run(Loaded(rows, []), iter, search)
    silence = findings.figures["silence"]["all"]
    assert (silence["abstained_outside"]["k"], silence["abstained_outside"]["n"], silence["answered_inside"]["k"]) == (1, 2, 1)
    assert findings.figures["by_group"]["all"]["BM25 alone"]["hit@1"]["k"] == 0
    assert [bad.where for bad in findings.failed] == ["a:4"]
    assert [one["where"] for one in findings.figures["worst"]] == ["three"]
    assert all(table.caption for table in findings.tables)


def test_pages_find_themselves_in_the_library(tmp_path: Path, embedder: Bilingual) -> None:
    (tmp_path / "pages").mkdir()
    for number, name in enumerate(("zorblax", "quimbly", "farnost")):
        (tmp_path / "pages" / f"{name}.xml").write_text(PAGE.format(name, number))
    (tmp_path / "pages" / "broken.xml").write_text("<")
    pages = medquad(tmp_path / "pages")
    assert len(pages) == 3
    assert medquad(tmp_path / "nowhere.jsonl") == []
    shelf = SiteLibrary.at(tmp_path / "library", None, embedder)
    with pytest.raises(EvalError, match="doctor ingest"):
        of_library(pages, shelf)
    ingest(find([tmp_path / "pages"]), shelf, lambda text, locale: "", "Us")
    loaded, findings = of_library(pages, shelf)
    assert len(loaded.rows) == 3
    assert findings.figures["by_group"]["en"]["fused"]["hit@1"]["k"] == 3
