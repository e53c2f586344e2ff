"""`make bench`: measures the product and writes the figures into README.md, between its bench markers.

`--data DIR` names a folder with `healthsearchqa/questions.jsonl.gz`; without it that part is left out.
Each question is one turn in a session of its own, on the real dependencies, one at a time.
"""

import argparse
import asyncio
import gzip
import hashlib
import json
import platform
import re
import resource
import shutil
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from assistant.app import build_deps
from assistant.settings import Settings
from assistant.turn import Deps, run_turn
from assistant.types import SentenceShown, Turn, TurnEvent
from retrieval.chunk import passages
from retrieval.embed import Bilingual, Embedder
from retrieval.index import IndexPlace, open_index
from retrieval.lexical import LexicalIndex
from retrieval.retriever import GuidelineRetriever
from retrieval.store import ChromaStore
from retrieval.topics import load_topics
from retrieval.types import Claim, Locale, Passage

README = Path(__file__).parent.parent / "README.md"
OUT = Path("var") / "bench"
QUESTIONS = 200
LARGE = 50_000  # passages


def main() -> None:
    """Measure, print the table, write it into README.md and the details into var/bench/."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the public data sets")
    arguments = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    deps = build_deps(Settings(), stale)
    start_s = time.perf_counter() - started
    rows = asyncio.run(measure(deps, arguments.data))
    rows["start, with an index that is fresh"] = f"{start_s:.1f} s"
    write(rows)


async def measure(deps: Deps, data: Path | None) -> dict[str, str]:
    rows: dict[str, str] = {}
    if data:
        rows |= await consumer_questions(deps, data)
        rows["memory of one process after these"] = f"{peak_mb():.0f} MB at most"
    rows["input and output rails together, 200 texts"] = await rails(deps)
    rows[f"retrieval at {LARGE:,} passages"] = await large(deps)
    rows["red flags: examples of every rule"] = red_flags(deps)
    return rows


async def consumer_questions(deps: Deps, data: Path) -> dict[str, str]:
    """HealthSearchQA: which path each answer took, how long it took, and every shown statement beside its source."""
    with gzip.open(data / "healthsearchqa" / "questions.jsonl.gz", "rt", encoding="utf-8") as lines:
        asked = [json.loads(line)["question"] for line in lines]
    sample = sorted(asked, key=lambda q: hashlib.sha256(q.encode()).hexdigest())[:QUESTIONS]
    turns, firsts = [], []
    with (OUT / "healthsearchqa.jsonl").open("w", encoding="utf-8") as out:
        for question in tqdm(sample, desc="questions"):
            turn, first = await one_turn(deps, question, "en")
            turns.append(turn)
            firsts += [first] if first is not None and turn.answer and turn.answer.kind == "answer" else []
            out.write(json.dumps(described(turn), ensure_ascii=False) + "\n")
    kinds = Counter(turn.answer.kind for turn in turns if turn.answer)
    advised = [turn for turn in turns if turn.disposition]  # these begin with the interview's fixed words, whose reasons cite
    shown = [s for turn in turns if turn not in advised for s in turn.shown]
    paths = Counter(turn.path for turn in turns if turn.answer and turn.answer.kind == "answer")
    held = sum(bool(s.sentence.citations) and s.sentence.supported for s in shown)
    return {
        f"{QUESTIONS} HealthSearchQA questions: answered from evidence": share(kinds["answer"], QUESTIONS),
        "… asked back: which topic is meant, or how urgent it is": share(kinds["question"], QUESTIONS),
        "… abstained (nothing in the guidelines)": share(kinds["refusal"], QUESTIONS),
        "… emergency, crisis, unavailable": f"{kinds['emergency']}, {kinds['crisis']}, {kinds['unavailable']}",
        "… answers with a sentence from the model / composed from claims": f"{paths['model']} / {paths['composed']}",
        "… shown statements with a citation that the gate holds": share(held, len(shown)),
        "… answers that begin with a level and its reasons": str(sum(bool(turn.shown) for turn in advised)),
        "time to the first verified sentence, in-process model": f"p50 {quantile(firsts, 50):.2f} s, p95 {quantile(firsts, 95):.2f} s",
    }  # fmt: skip


async def one_turn(deps: Deps, question: str, locale: Locale) -> tuple[Turn, float | None]:
    """One turn in a new session, and the seconds until its first sentence was shown."""
    session = await deps.store.open_session(locale=locale, role="patient")
    turn, _ = await deps.store.start_turn(Turn(session, "bench", question, locale))
    started = time.perf_counter()
    seen: list[float] = []

    async def emit(event: TurnEvent) -> None:
        if isinstance(event, SentenceShown):
            seen.append(time.perf_counter() - started)

    await run_turn(turn, deps, emit)
    return turn, seen[0] if seen else None


def described(turn: Turn) -> dict[str, Any]:
    """A turn as a reader checks it: each statement beside the claims it cites."""
    assert turn.answer is not None
    claims = {c.id: c for e in turn.evidence for c in e.passage.claims}
    statements = [
        {"text": s.sentence.text, "section": s.section, "cites": {i: claims[i].text["en"] for c in s.sentence.citations for i in c.claim_ids}}
        for s in turn.answer.shown
    ]  # fmt: skip
    return {"question": turn.user_text, "kind": turn.answer.kind, "path": turn.path, "statements": statements,
            "choices": [title for _, title in turn.choices], "draft": turn.draft, "took_ms": round(turn.took_ms)}  # fmt: skip


async def rails(deps: Deps) -> str:
    texts = [claim.text["en"] for topic in load_topics() for claim in topic.sections["overview"]][:200]
    took = []
    for text in texts:
        both = [await deps.rails.check("input", text, "en"), await deps.rails.check("output", text, "en")]
        took.append(sum(verdict.took_ms for verdict in both))
    return f"p50 {quantile(took, 50):.1f} ms, p95 {quantile(took, 95):.1f} ms"


async def large(deps: Deps) -> str:
    """The real guidelines among copies of themselves under other names, with vectors beside the real ones."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        retriever = grown(folder, Bilingual())
        questions = [c.text["en"].rstrip(".") for t in load_topics() for c in t.sections["overview"][:3]][:100]
        took = []
        for question in questions:
            started = time.perf_counter()
            await retriever.search(question, locale="en", k=4)
            took.append((time.perf_counter() - started) * 1e3)
        return f"p50 {quantile(took, 50):.0f} ms, p95 {quantile(took, 95):.0f} ms"
    finally:
        shutil.rmtree(folder)


def grown(folder: Path, embedder: Embedder) -> GuidelineRetriever:
    """A retriever over LARGE passages. Its extra vectors are the real ones with noise: for speed, not for quality."""
    real = passages(load_topics())
    store = ChromaStore.embedded(folder / "chroma")
    vectors = embedder.embed([f"{p.title['en']}. {p.say('en')}" for p in real])
    random = np.random.default_rng(0)
    found: list[Passage] = []
    for copy in tqdm(range(-(-LARGE // len(real))), desc="large index"):
        batch = [copied(p, copy) for p in real][: LARGE - len(found)]
        noisy = vectors[: len(batch)] + (random.normal(0, 0.05, (len(batch), vectors.shape[1])) if copy else 0)
        store.upsert(
            "guideline_en", [p.id for p in batch], (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32)
        )
        found += batch
    LexicalIndex.build(folder / "words", found, {})
    small = open_index(IndexPlace(Path("var") / "index"), ChromaStore.embedded(Path("var") / "index" / "chroma"), embedder)
    relevance = small.relevance
    known = relevance._vectors["en"].claims
    english = replace(relevance._vectors["en"], claims={c.id: known[c.id.split("~")[-1]] for p in found for c in p.claims})
    relevance._vectors = {"en": english}
    return GuidelineRetriever(LexicalIndex(folder / "words"), store, embedder, relevance, found)


def copied(passage: Passage, copy: int) -> Passage:
    if not copy:
        return passage
    claims = tuple(Claim(f"c{copy}~{c.id}", c.text, c.sources, c.country) for c in passage.claims)
    return replace(passage, id=claims[0].id, claims=claims)


def red_flags(deps: Deps) -> str:
    """Every example that a rule of knowledge/red_flags.yaml carries, in both languages."""
    right = total = 0
    for rule in deps.red_flags.rules:  # type: ignore[attr-defined]
        for wanted, examples in ((True, rule.hits), (False, rule.near_misses)):
            for locale, texts in examples.items():
                for text in texts:
                    fired = rule.id in {r.rule for r in deps.red_flags.check(text, locale=locale).reasons}
                    right, total = right + (fired is wanted), total + 1
    return f"{right} of {total} right"


def stale(_: Any) -> Any:
    raise SystemExit("the index is stale, and building it would be timed as the start: run `make index` first")


def peak_mb() -> float:
    """The most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.0%})" if whole else "none"


def quantile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else float("nan")


def write(rows: dict[str, str]) -> None:
    """Prints the table and puts it between the markers of README.md."""
    machine = f"{platform.machine()}, Python {platform.python_version()}, {date.today().isoformat()}"
    table = "\n".join(["| what | measured |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows.items())])
    print(table)
    (OUT / "bench.json").write_text(json.dumps({"machine": machine, **rows}, indent=1, ensure_ascii=False), "utf-8")
    text = README.read_text("utf-8")
    block = f"<!-- bench -->\n{table}\n\nMeasured by `make bench` on 2 cores ({machine}).\n<!-- /bench -->"
    README.write_text(re.sub(r"<!-- bench -->.*<!-- /bench -->", lambda _: block, text, flags=re.S), "utf-8")


if __name__ == "__main__":
    main()
