"""Tunes the network of `safety/entailment.py` on pairs of claim and text; a run that was cut off goes on from its last save."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.tuned import batched, warmed
from finetune.verify_data import SEED, Row
from retrieval.e5 import WordFile, e5_file, encoder, quick_bfloat16, tokenizer
from safety.entailment import LAYERS, SHARED, batch, cross_encoder, encoded

FROZEN = 1  # layers left as they are
RATE, HEAD_RATE = 1e-4, 5e-4  # at 2e-4 the loss went back to ln 2
SAVE_S = 180  # seconds between saves


def fresh(seed: int = SEED) -> tuple[WordFile, Any]:
    """The base and the untuned network; the mark of a lone token starts as a small random vector."""
    import torch

    torch.manual_seed(seed)
    words = WordFile.load(e5_file())
    model = cross_encoder(encoder(words, LAYERS))
    marks = model.encoder.embeddings.token_type_embeddings.weight
    with torch.no_grad():
        marks[1] = marks[0] + SHARED * torch.randn(384)
    for part in (model.encoder.embeddings, *model.encoder.encoder.layer[:FROZEN]):
        part.requires_grad_(False)
    marks.requires_grad_(True)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.05
    return words, model


def tune(epochs: Sequence[Sequence[Row]], keep: Path, begin: Any = None) -> tuple[WordFile, Any]:
    """A network tuned on the rows of each epoch in turn. Its state goes to `keep`; `begin`: a network to start from, not the base."""
    import torch
    from tqdm import tqdm

    words, model = fresh()
    marks = model.encoder.embeddings.token_type_embeddings.weight
    inner = [p for p in model.encoder.encoder.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        [{"params": inner, "lr": RATE}, {"params": [*model.head.parameters(), marks], "lr": HEAD_RATE}],
        weight_decay=0.01, betas=(0.9, 0.98), eps=1e-6)  # fmt: skip
    rates = [group["lr"] for group in optimiser.param_groups]
    tokens = tokenizer(words)
    read = [[(encoded(tokens, row.claim, row.evidence), row) for row in rows] for rows in epochs]
    batches = [one for number, pairs in enumerate(read) for one in batched(pairs, lambda pair: len(pair[0].ids), SEED + number)]
    step = 0
    if keep.exists():
        state = torch.load(keep, weights_only=True)
        model.load_state_dict(state["model"])
        step = state["step"]
        if step < len(batches):
            optimiser.load_state_dict(state["optimiser"])
    elif begin is not None:
        model.load_state_dict(begin.float().state_dict())
    model.train()
    saved, losses = time.monotonic(), [0.7]
    bar = tqdm(batches[step:], initial=step, total=len(batches), desc=keep.stem, file=sys.stderr, mininterval=20)
    for chosen in bar:
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * warmed(step / len(batches))
        with torch.autocast("cpu", torch.bfloat16, quick_bfloat16()):
            logits = model(*batch(words, [pair for pair, _ in chosen]))
        labels, weights = [float(row.label) for _, row in chosen], [row.weight for _, row in chosen]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            logits.float(), torch.tensor(labels) * 0.94 + 0.03, torch.tensor(weights)
        )
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(loss.item())
        step += 1
        bar.set_postfix(loss=f"{np.mean(losses[-60:]):.3f}", refresh=False)
        if time.monotonic() - saved > SAVE_S:
            save(keep, model, optimiser, step)
            saved = time.monotonic()
    save(keep, model, optimiser, step)
    return words, model.eval()


def save(keep: Path, model: Any, optimiser: Any, step: int) -> None:
    """The state of a training; the old one is replaced in one move."""
    import torch

    keep.parent.mkdir(parents=True, exist_ok=True)
    part = keep.with_suffix(".part")
    torch.save({"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step}, part)
    part.replace(keep)


def logits(words: WordFile, model: Any, rows: Sequence[Row]) -> NDArray[np.float32]:
    """Of every row, shape (len(rows),)."""
    import torch

    tokens = tokenizer(words)
    pairs = [encoded(tokens, row.claim, row.evidence) for row in rows]
    out = np.zeros(len(rows), np.float32)
    order = sorted(range(len(rows)), key=lambda n: len(pairs[n].ids))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, quick_bfloat16()):
        for at in range(0, len(order), 32):
            chosen = order[at : at + 32]
            out[chosen] = model(*batch(words, [pairs[n] for n in chosen])).float().numpy()
    return out
