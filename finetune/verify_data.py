"""The pairs (claim, evidence, supported?) that the claim gate is tuned, calibrated and measured on.

A sentence of a document is turned round in the claim, in the evidence, in both, or in neither: the same words then stand
under both labels, so that a claim alone gives nothing away. `python -m finetune.verify_data --data DIR` prints a sample.
"""

import argparse
import json
import random
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from finetune import verify_sources as sources
from finetune.verify_perturb import Lexicon, edit, reworded, shortened
from finetune.verify_sources import Document, Statement
from retrieval.types import Locale
from safety.entailment import relevant

SEED = 7
OWN = Path(__file__).parent / "evals" / "verify.jsonl"
ONE_WAY = ("certainty", "condition", "population")  # to say more than the source is wrong, to say less is not


@dataclass(frozen=True, slots=True)
class Row:
    """A claim, a text, and whether the text supports the claim."""

    claim: str
    evidence: str
    label: int
    locale: Locale  # of the claim
    source: str
    group: str
    kind: str
    weight: float = 1.0

    @property
    def part(self) -> str:
        """fit, calibrate or test: the same for all of a group."""
        bucket = zlib.crc32(self.group.encode()) % 10
        return "test" if bucket < 2 else "calibrate" if bucket == 2 else "fit"


def pairs(data: Path, seed: int = SEED) -> list[Row]:
    """All rows, shuffled. Deterministic by the seed."""
    rng = random.Random(seed)
    documents = [*sources.topics(), *sources.medquad(data, rng), *sources.chinese_documents(data, rng)]
    documents += [document for document, _ in sources.abstracts(data)]
    lexicon = Lexicon.of(sources.lexicon(data, documents))
    said = [*sources.pubmedqa(data, rng), *sources.trials(data, rng), *sources.visits(data, rng), *sources.notes(data)]
    said += [*sources.chinese_questions(data), *sources.paraphrases(data, rng)]
    rows = [row for document, other in neighbours(documents, rng) for row in of_document(document, other, lexicon, rng)]
    rows += [row for statement in said for row in of_statement(statement, lexicon, rng)]
    rng.shuffle(rows)
    return rows


def neighbours(documents: Sequence[Document], rng: random.Random) -> Iterator[tuple[Document, Document]]:
    """Each document with another of its source and language, of its own group where there is one."""
    by: dict[tuple[str, ...], list[Document]] = {}
    for document in documents:
        for key in ((document.source, document.locale), (document.group, document.locale)):
            by.setdefault(key, []).append(document)
    for document in documents:
        near = by[document.group, document.locale] if rng.random() < 0.6 else by[document.source, document.locale]
        others = [d for d in rng.sample(near, min(4, len(near))) if d is not document]
        yield document, others[0] if others else rng.choice(by[document.source, document.locale])


def of_document(document: Document, other: Document, lexicon: Lexicon, rng: random.Random) -> Iterator[Row]:
    """Two rows, one of each label, for some of its sentences."""
    most = 4 if document.source == "knowledge" else 3 if document.source == "pubmedqa" else 1
    for at in rng.sample(range(len(document.sentences)), min(most, len(document.sentences))):
        ways = (turned, turned, turned, elsewhere, joined)
        made = rng.choice(ways)(document, at, other, lexicon, rng) or turned(document, at, other, lexicon, rng)
        yield from made or elsewhere(document, at, other, lexicon, rng)


def turned(document: Document, at: int, other: Document, lexicon: Lexicon, rng: random.Random) -> list[Row]:
    """A sentence and an edit of it: the edit in the claim, in the evidence, in both or in neither."""
    sentence, locale = document.sentences[at], document.locale
    low, high = window(document, at, rng)
    found = edit(sentence, " ".join(document.sentences[low:high]), locale, lexicon, rng)
    if not found:
        return []
    changed = found.apply(sentence, everywhere=False)
    plain, edited = text(document, low, high), text(replaced(document, at, changed), low, high)
    right, wrong = (sentence, plain), (changed, plain)
    if found.kind in ONE_WAY or rng.random() < 0.5:
        right = changed, edited
    if found.kind not in ONE_WAY and rng.random() < 0.5:
        wrong = sentence, edited
    return [row(document, say(claim, document, rng, cut=False), evidence, label, found.kind)
            for (claim, evidence), label in ((right, 1), (wrong, 0))]  # fmt: skip


def elsewhere(document: Document, at: int, other: Document, lexicon: Lexicon, rng: random.Random) -> list[Row]:
    """The sentence under its own text, and under the rest of it or another one."""
    claim = say(document.sentences[at], document, rng)
    low, high = window(document, at, rng)
    rest = replace(document, sentences=document.sentences[:at] + document.sentences[at + 1 :])
    from_ = rest if rng.random() < 0.5 and len(rest.sentences) > 1 else other
    far = text(from_, *window(from_, rng.randrange(len(from_.sentences)), rng))
    return [row(document, claim, text(document, low, high), 1, "elsewhere"), row(document, claim, far, 0, "elsewhere")]


def joined(document: Document, at: int, other: Document, lexicon: Lexicon, rng: random.Random) -> list[Row]:
    """A claim of two sentences: the text has both, or the second is turned round or missing."""
    if at + 1 >= len(document.sentences) or (document.locale == "en" and len(document.sentences[at + 1]) > 160):
        return []
    one, two = document.sentences[at : at + 2]
    claim = f"{one.rstrip('。')}；{two}" if document.locale == "zh" else f"{one.rstrip('.')}, and {two[:1].lower()}{two[1:]}"
    low, high = max(0, at - rng.randrange(3)), min(len(document.sentences), at + 2 + rng.randrange(3))
    found = edit(two, one, document.locale, lexicon, rng)
    without = replace(document, sentences=document.sentences[: at + 1] + document.sentences[at + 2 :])
    far = (
        replaced(document, at + 1, found.apply(two)) if found and found.kind not in ONE_WAY and rng.random() < 0.6 else without
    )
    claim = say(claim, document, rng, cut=False)
    return [
        row(document, claim, text(document, low, high), 1, "joined"),
        row(document, claim, text(far, low, high), 0, "joined"),
    ]


def of_statement(statement: Statement, lexicon: Lexicon, rng: random.Random) -> Iterator[Row]:
    """The statement as it is; some true ones also with an edit."""
    evidence = relevant(statement.claim, statement.evidence)
    made = Row(statement.claim, evidence, statement.label, statement.locale, statement.source, statement.group, statement.kind)
    yield made
    if (
        statement.label
        and statement.source in ("mts-dialog", "pubmedqa")
        and statement.kind != "question"
        and rng.random() < 0.5
    ):
        found = edit(statement.claim, evidence, statement.locale, lexicon, rng)
        if found:
            yield replace(made, claim=found.apply(statement.claim, everywhere=False), label=0, kind=found.kind)
            yield replace(made, claim=reworded(statement.claim, statement.locale, rng))


def say(claim: str, document: Document, rng: random.Random, cut: bool = True) -> str:
    """The claim with "it" named, sometimes shortened, often reworded."""
    if document.subject:
        claim = re.sub(r"^(?:It|This condition|The condition|This disease|The disease)\b", document.subject, claim)
    if cut and rng.random() < 0.4:
        claim = shortened(claim, document.locale, rng)
    return reworded(claim, document.locale, rng) if rng.random() < 0.7 else claim


def window(document: Document, at: int, rng: random.Random) -> tuple[int, int]:
    """A stretch of one to four sentences around `at`."""
    low = max(0, at - rng.randrange(2))
    return low, min(len(document.sentences), at + 1 + rng.randrange(3))


def text(document: Document, low: int, high: int) -> str:
    """Sentences low to high as one text."""
    return ("" if document.locale == "zh" else " ").join(document.sentences[low:high])


def replaced(document: Document, at: int, sentence: str) -> Document:
    """The document with another sentence in one place."""
    return replace(document, sentences=(*document.sentences[:at], sentence, *document.sentences[at + 1 :]))


def row(document: Document, claim: str, evidence: str, label: int, kind: str) -> Row:
    """A row of a document."""
    return Row(claim, evidence, label, document.locale, document.source, document.group, kind)


def own() -> list[Row]:
    """Claims in our own words on sections of our topics, each in both languages; they are never fitted on."""
    held = {(d.group, d.locale, d.section): text(d, 0, len(d.sentences)) for d in sources.topics()}
    out = []
    for r in map(json.loads, OWN.read_text("utf-8").splitlines()):
        evidence = held[f"topic:{r['topic']}", r["locale"], r["section"]]
        out.append(Row(r["claim"], evidence, r["label"], r["locale"], f"own {r['locale']}", f"own:{r['pair']}", "own"))
    return out


def main() -> None:
    """Print counts and a sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public sets")
    rows = pairs(parser.parse_args().data)
    for (source, kind), n in sorted(Counter((r.source, r.kind) for r in rows).items()):
        print(f"{source:18} {kind:16} {n:6} {sum(r.label for r in rows if (r.source, r.kind) == (source, kind)) / n:.2f} true")
    for r in rows[:40]:
        print(r.label, r.source, r.kind, "|", r.claim, "|", r.evidence[:300])


if __name__ == "__main__":
    main()
