"""Each tuning runs, keeps its state, and what it keeps is read again by what serves."""

from pathlib import Path

import pytest

from finetune.deid import encode, save, train, unmarked
from finetune.guard import network
from finetune.guard import train as train_guard
from finetune.guard_data import Row as Message
from finetune.verify import tempered, unstyled, write
from finetune.verify_data import Row
from finetune.verify_tune import logits, tune
from retrieval.e5 import WordFile, e5_file
from safety.deid_names import KINDS, NameFinder, Pieces
from safety.entailment import Reader

PAIRS = [
    Row(f"Tea number {n} is hot.", f"Tea number {n} is {'hot' if n % 2 else 'cold'}.", n % 2, "en", "claims", str(n), "part")
    for n in range(12)
]
NOTES = [
    "{{NAME:Anu Rao}} lives in {{LOCATION:Kettering}}.",
    "Parkinson disease is treated.",
    "找{{NAME:王芳}}，她在{{ORGANIZATION:康宁诊所}}。",
]


def test_the_reader_of_claims_is_tuned_kept_and_read_again(tmp_path: Path) -> None:
    words, model = tune([PAIRS, PAIRS], tmp_path / "verify.pt")
    again = tune([PAIRS, PAIRS], tmp_path / "verify.pt")[1]  # it was done: nothing is trained anew
    assert logits(words, again, PAIRS) == pytest.approx(logits(words, model, PAIRS), abs=1e-4)
    fit = {"slope": 1.0, "offset": 0.0, "threshold": 0.5}
    write(tmp_path, words, model, {"calibration": {"en": fit, "zh": fit}})
    served = Reader(tmp_path).probabilities([(row.claim, row.evidence) for row in PAIRS])
    assert all(0.0 < p < 1.0 for p in served)


def test_names_are_tuned_kept_and_read_again(tmp_path: Path) -> None:
    words = WordFile.load(e5_file())
    model, out = train(words, [encode(Pieces(words), unmarked(note)) for note in NOTES])
    save(words, model, out, dict.fromkeys(KINDS, 0.5), tmp_path / "names.safetensors")
    finder = NameFinder(tmp_path / "names.safetensors")
    assert finder.floors == dict.fromkeys(KINDS, 0.5)
    assert isinstance(finder.find(unmarked(NOTES[0])[0]), list)


@pytest.mark.parametrize("name", ["transformer", "convolution"])
def test_the_heads_are_trained_and_not_trained_twice(tmp_path: Path, name: str) -> None:
    rows = [Message(f"text {n} of a cough", "en", "own", str(n), {"emergency": n % 2}, "x", given="fit") for n in range(8)]
    net = train_guard(network(name), rows, tmp_path / "net.pt")
    before = (tmp_path / "net.pt").stat().st_mtime_ns
    train_guard(network(name), rows, tmp_path / "net.pt")
    assert (tmp_path / "net.pt").stat().st_mtime_ns == before
    assert net.tensors()


def test_marks_are_taken_out_and_their_places_kept() -> None:
    text, spans = unmarked(NOTES[0])
    assert text == "Anu Rao lives in Kettering."
    assert [(text[start:end], kind) for start, end, kind in spans] == [("Anu Rao", "NAME"), ("Kettering", "LOCATION")]


def test_weights_take_away_what_the_wording_tells() -> None:
    import numpy as np

    labels = np.array([1, 1, 1, 0, 0, 0] * 20)
    told = np.where(np.arange(120) % 6 < 2, 2.0, -2.0)  # a style that is right for five of six
    right = (told > 0) == (labels == 1)
    weights = tempered(told, labels)
    assert weights.mean() == pytest.approx(1.0)
    assert abs(float((weights * right).sum() / weights.sum()) - 0.5) < abs(float(right.mean()) - 0.5)


def test_every_row_keeps_its_claim_and_gets_a_weight() -> None:
    rows = [
        Row(f"claim {n} {'holds' if n % 2 else 'fails'}", "e", n % 2, locale, "claims", str(n), "part")
        for n in range(30)
        for locale in ("en", "zh")
    ]  # type: ignore[arg-type]
    assert sorted(row.claim for row in unstyled(rows)) == sorted(row.claim for row in rows)
    assert all(row.weight > 0 for row in unstyled(rows))
