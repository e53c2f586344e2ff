"""Trains and measures the name finder of `safety.deid_names`.

`python -m finetune.deid --data DIR` composes the texts, tunes the network (about ten minutes), sets the floors on frames
and names that were not trained on, and writes the weights. `python -m finetune.deid_figures` measures the whole.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.deid_data import Marked, held_out
from finetune.deid_texts import held_out_texts, training_texts
from finetune.tuned import batched, changed, keep, warmed
from retrieval.e5 import WordFile, e5_file, encoder, inputs, quick_bfloat16
from safety.deid_names import KINDS, LAYERS, TAGS, WEIGHTS, NameFinder, Pieces, decode, spelled, tokens

RATE, HEAD_RATE = 1.5e-4, 1e-3
LONGEST = 110  # tokens of a text
TEXTS = 45_000  # of those composed, for one epoch
OURS = Path(__file__).parent / "examples" / "names.jsonl"
Example = tuple[tuple[list[int], list[int]], NDArray[np.int64]]


def main() -> None:
    """Train, set the floors, write the weights and print the figures on frames and names that were held out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the public data sets")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    import torch

    torch.set_num_threads(asked.threads)
    started = time.perf_counter()
    words = WordFile.load(e5_file())
    pieces = Pieces(words)
    ours = [row for row in written() if not held_out(row[0])]
    rows = [*training_texts(asked.data)[:TEXTS], *ours, *ours, *ours]
    examples = [encode(pieces, row) for row in rows]
    print(f"{len(rows)} texts, {sum(len(e[1]) for e in examples)} tokens, {time.perf_counter() - started:.0f} s", flush=True)
    model, out = train(words, examples)
    save(words, model, out, dict.fromkeys(KINDS, 0.5), asked.out)
    apart = [*held_out_texts(asked.data)[::3], *(row for row in written() if held_out(row[0]))]
    floors = choose_floors(NameFinder(asked.out), apart)
    save(words, model, out, floors, asked.out)
    print(json.dumps({"floors": floors, "took_s": round(time.perf_counter() - started)}), flush=True)


def written() -> Iterator[Marked]:
    """Our own notes and messages with {{KIND:value}} marks."""
    for line in OURS.read_text("utf-8").splitlines():
        yield unmarked(json.loads(line)["text"])


def unmarked(marked: str) -> Marked:
    """The text without its marks, and where each was."""
    text, spans, last = "", [], 0
    for mark in re.finditer(r"\{\{(\w+):([^{}]*)\}\}", marked):
        text += marked[last : mark.start()]
        spans.append((len(text), len(text) + len(mark[2]), mark[1]))
        text, last = text + mark[2], mark.end()
    return text + marked[last:], spans


def encode(pieces: Pieces, row: Marked) -> Example:
    """Pieces and the tag of each token."""
    text, spans = row
    found = tokens(text)[:LONGEST]
    tags = np.zeros(len(found), dtype=np.int64)
    for start, end, kind in spans:
        inside = [i for i, token in enumerate(found) if token.start < end and start < token.end]
        tags[inside] = TAGS.index(f"I-{kind}")
        tags[inside[:1]] = TAGS.index(f"B-{kind}")
    return spelled(pieces, text, found), tags


def train(words: WordFile, examples: Sequence[Example]) -> tuple[Any, Any]:
    """The network and the layer that tags its vectors, tuned on one reading of the examples."""
    import torch
    from tqdm import tqdm

    torch.manual_seed(0)
    model, out = encoder(words, LAYERS), torch.nn.Linear(384, len(TAGS))
    model.embeddings.requires_grad_(False)
    inner = list(model.encoder.parameters())
    optimiser = torch.optim.AdamW(
        [{"params": inner, "lr": RATE}, {"params": out.parameters(), "lr": HEAD_RATE}], weight_decay=0.01
    )
    rates = [group["lr"] for group in optimiser.param_groups]
    batches, losses = batched((e for e in examples if len(e[1])), lambda e: len(e[0][0]), 0), [2.0]
    model.train()
    bar = tqdm(batches, desc="names", file=sys.stderr, mininterval=20)
    for step, batch in enumerate(bar):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * warmed(step / len(batches))
        with torch.autocast("cpu", torch.bfloat16, quick_bfloat16()):
            read, mask = inputs(words, [ids for (ids, _), _ in batch])
            last = model(inputs_embeds=read, attention_mask=mask).last_hidden_state
        hidden = torch.cat([last[n, firsts] for n, ((_, firsts), _) in enumerate(batch)]).float()
        loss = torch.nn.functional.cross_entropy(out(hidden), torch.from_numpy(np.concatenate([tags for _, tags in batch])))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_([*inner, *out.parameters()], 1.0)
        optimiser.step()
        losses.append(loss.item())
        bar.set_postfix(loss=f"{np.mean(losses[-50:]):.4f}", refresh=False)
    return model.eval(), out


def save(words: WordFile, model: Any, out: Any, floors: dict[str, float], path: Path) -> None:
    """What tuning changed, the tagging layer, and the floors."""
    layer = {f"out.{name}": value.detach().numpy() for name, value in out.state_dict().items()}
    keep(
        path,
        changed(words, model.state_dict(), LAYERS),
        layer,
        {"floors": json.dumps(floors), "made_by": "python -m finetune.deid"},
    )


def choose_floors(finder: NameFinder, rows: Sequence[Marked]) -> dict[str, float]:
    """For each kind the floor with the best F3: a missed name harms more than a word masked in vain."""
    ready = [(found, finder.probabilities(text, found), spans) for text, spans in rows if (found := tokens(text))]
    best: dict[str, float] = {}
    for kind in KINDS:
        figures = {floor: _counts(ready, kind, floor) for floor in (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)}
        print(kind, {f: tuple(round(x, 3) for x in c) for f, c in figures.items()}, flush=True)
        best[kind] = max(figures, key=lambda f: 10 * figures[f][0] * figures[f][1] / (9 * figures[f][1] + figures[f][0] + 1e-9))
    return best


def _counts(ready: Sequence[Any], kind: str, floor: float) -> tuple[float, float]:
    hit = wanted = right = given = 0
    for found, probabilities, spans in ready:
        guesses = [s for s in decode(found, probabilities, dict.fromkeys(KINDS, floor)) if s.kind == kind]
        gold = [s for s in spans if s[2] == kind]
        hit += sum(any(g.start <= s[0] and s[1] <= g.end for g in guesses) for s in gold)
        right += sum(any(g.start < s[1] and s[0] < g.end for s in gold) for g in guesses)
        wanted, given = wanted + len(gold), given + len(guesses)
    return hit / max(wanted, 1), right / max(given, 1)


if __name__ == "__main__":
    main()
