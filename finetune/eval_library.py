"""How the questions of a library's own pages find their page: the part of the suite `retrieval` for documents."""

import random
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from finetune import eval_retrieval
from finetune.eval_retrieval import RetrievalRow, Search, distinct
from finetune.eval_rows import EvalError, Loaded
from finetune.report import Findings
from retrieval.library import SiteLibrary
from retrieval.readers.document import Unreadable
from retrieval.readers.files import ARCHIVES, find
from retrieval.types import Locale

MOST = 1_000  # questions that are asked
SEED = 7


def medquad(place: Path) -> list[tuple[str, str]]:
    """(question, name of its page) of every page in MedQuAD's XML under a folder or archive; none where there is no such page."""
    if place.is_dir() and not any(place.rglob("*.xml")):
        return []
    if place.is_file() and not place.name.lower().endswith((*ARCHIVES, ".xml")):
        return []
    found = []
    for file in find([place]):
        if file.name.lower().endswith(".xml"):
            try:
                found += [
                    (part.heading, document.name) for document in file.documents() for part in document.parts if part.heading
                ]
            except Unreadable:
                continue
    return found


def of_library(pages: list[tuple[str, str]], shelf: SiteLibrary) -> tuple[Loaded[Any], Findings]:
    """Asks a sample of the questions. Raises EvalError when the pages are not in the library."""
    keys = {entry.name: entry.key for entry in shelf.manifest.entries() if entry.state == "in"}
    held = [(question, keys[name]) for question, name in pages if name in keys]
    if not held:
        raise EvalError("none of these pages is in the library: run `doctor ingest` on the same path first")
    chosen = random.Random(SEED).sample(held, min(MOST, len(held)))
    rows = [RetrievalRow(f"question {n}", text, "en", frozenset([key])) for n, (text, key) in enumerate(chosen, 1)]
    floor = shelf.weights["en"].floor

    def search(text: str, locale: Locale) -> Search:
        bm25, dense = shelf.searched(text, locale)
        ranked = shelf.ranked(text, locale)
        best = ranked[0][1] if ranked else 0.0
        orders = {
            "fused": distinct(p.topic for p, _ in ranked),
            "BM25 alone": distinct(i for i, _ in bm25),
            "dense alone": distinct(dense),
        }
        return Search(orders, best, best >= floor)

    search("what is gout", "en")
    loaded = Loaded(rows, [], [{"file": "pages", "rows": len(pages), "sha256": "-" * 12}])
    note = f"{len(chosen)} of {len(held)} questions, each asked of a library of {len(shelf)} passages; right is the page that it stands on."
    return loaded, eval_retrieval.run(
        loaded, lambda found: tqdm(found, desc="rows", unit="row", file=sys.stderr), search, (note,)
    )
