"""What is trained is what is served: the network gives the vectors of `safety/encoders.py`."""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from finetune.guard_net import Convolution, Transformer, thinned
from finetune.tuned import BUDGET, batched, keep, warmed
from retrieval.e5 import unscaled
from retrieval.encoder_zh import ChineseEncoder
from safety.encoders import CONVOLUTION_SIZE, SIZE, TOKENS, ConvolutionEncoder, TransformerEncoder

TEXTS = ["I have a crushing pain in my chest", "孩子发烧两天了，精神还好", "a"]


def cosines(one: object, other: object) -> list[float]:
    pairs = zip(np.asarray(one), np.asarray(other), strict=True)
    return [float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in pairs]


def test_the_network_and_what_is_kept_of_it_agree(tmp_path: Path) -> None:
    import torch

    net = Transformer(3).eval()
    with torch.no_grad():
        for parameter in net.encoder.encoder.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.01)
        trained = net([net.read(text) for text in TEXTS]).numpy()
    keep(tmp_path / "net.safetensors", net.tensors(), {})
    served = TransformerEncoder(unscaled(load_file(tmp_path / "net.safetensors"))).vectors(TEXTS)
    assert served.shape == (len(TEXTS), SIZE)
    assert min(cosines(served, trained)) > 0.999


def test_the_convolutions_and_their_numpy_form_agree() -> None:
    pieces = ChineseEncoder()
    net = Convolution(3, pieces).eval()
    served = ConvolutionEncoder(net.tensors(), pieces).vectors(TEXTS)
    assert served.shape == (len(TEXTS), CONVOLUTION_SIZE)
    assert np.allclose(served, net([net.read(text) for text in TEXTS]).detach().numpy(), atol=2e-3)
    assert np.allclose(served[:, :512] / 8, pieces.embed(TEXTS), atol=2e-3)  # before training it is the packaged one


def test_a_text_gets_the_same_vector_alone_and_among_longer_ones() -> None:
    encoder = TransformerEncoder({})
    assert cosines(encoder.vectors(TEXTS[2:]), encoder.vectors([*TEXTS, TEXTS[0] * 30])[2:3])[0] > 0.999


def test_of_a_long_text_the_beginning_and_the_end_are_read() -> None:
    net = Transformer(1)
    read = net.read("beginning " + "middle " * 500 + "end")
    assert len(read) == TOKENS
    assert read[:3] == net.read("beginning")[:-1] + net.read("middle")[1:2]
    assert read[-2:] == net.read("end")[-2:]


def test_noise_keeps_the_ends() -> None:
    for _ in range(50):
        found = thinned([0, 5, 6, 7, 8, 2])
        assert (found[0], found[-1]) == (0, 2)


def test_batches_hold_every_row_once_and_no_more_than_they_may() -> None:
    rows = [[0] * (n % 190 + 1) for n in range(301)]
    found = batched(rows, len, seed=1, most=64)
    assert sorted(id(row) for batch in found for row in batch) == sorted(map(id, rows))
    assert all(len(batch) <= 64 and len(batch) * max(map(len, batch)) <= BUDGET * 1.3 for batch in found)


def test_the_learning_rate_rises_then_falls_and_never_is_nought() -> None:
    rates = [warmed(step / 100) for step in range(101)]
    assert max(rates) <= 1.0 < max(rates) + 0.05
    assert min(rates) > 0
    assert rates[6:] == sorted(rates[6:], reverse=True)
