"""What is trained is what is served: the networks give the vectors of `safety/encoders.py`."""

import numpy as np
import pytest

from finetune.guard_net import Bilingual, English, batches, thinned
from retrieval.encoder_zh import ChineseEncoder
from safety.encoders import BilingualEncoder, EnglishEncoder

TEXTS = ["I have a crushing pain in my chest", "孩子发烧两天了，精神还好", "a"]
PIECES = ChineseEncoder()


def test_the_bilingual_network_and_its_numpy_form_agree() -> None:
    net = Bilingual(PIECES).eval()
    served = BilingualEncoder(net.tensors(), PIECES).vectors(TEXTS)
    trained = net([net.read(text) for text in TEXTS]).detach().numpy()
    assert np.allclose(served, trained, atol=2e-3)


def test_the_sentence_vector_is_the_packaged_one_before_training() -> None:
    served = BilingualEncoder(Bilingual(PIECES).tensors(), PIECES).vectors(TEXTS)[:, :512] / 8
    assert np.allclose(served, PIECES.embed(TEXTS), atol=2e-3)


def test_the_english_network_and_its_merged_form_agree() -> None:
    import torch

    net = English().eval()
    with torch.no_grad():
        for name, weight in net.model.named_parameters():
            if "lora_B" in name:  # zero before training
                weight.normal_(std=0.02)
    trained = net([net.read(text) for text in (TEXTS[0], TEXTS[2])]).detach().numpy()
    served = EnglishEncoder(net.tensors()).vectors([TEXTS[0], TEXTS[2]])
    assert np.allclose(served, trained, atol=2e-3)


@pytest.mark.parametrize("mask", [None, 103])
def test_noise_keeps_the_ends_and_never_empties_a_text(mask: int | None) -> None:
    for _ in range(50):
        found = thinned([1, 5, 6, 7, 8, 2], True, mask)
        assert (found[0], found[-1]) == (1, 2)
        assert thinned([1, 5, 2], False, mask) == [1, 5, 2]


def test_batches_hold_every_row_once() -> None:
    from types import SimpleNamespace

    rows = [SimpleNamespace(ids=[0] * (n % 7 + 1)) for n in range(101)]
    for shuffled in (True, False):
        found = [row for batch in batches(rows, 8, shuffled) for row in batch]
        assert sorted(map(id, found)) == sorted(map(id, rows))
