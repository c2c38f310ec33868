"""Features of texts that no model was trained on: read where the model's head reads."""

import pytest
import torch

from mason.advice.features import frozen_features
from mason.models import Transformer
from mason.models.packed import Packed
from tests.training.test_accumulation import examples, model


def _layers(network: Transformer, tokens: list[int]) -> torch.Tensor:
    """Rows of each layer, brought to one length, [layers, tokens, width]."""
    seen: list[torch.Tensor] = []
    stack = network.encoder if network.encoder is not None else network.decoder
    assert stack is not None
    with torch.no_grad():
        stack(Packed.of([tokens]), look=lambda number, rows: seen.append(rows))
    centred = [rows - rows.mean(1, keepdim=True) for rows in seen[1:]]
    return torch.stack([rows / rows.std(1, keepdim=True, correction=0) for rows in centred])


@pytest.mark.parametrize("topology", ["encoder", "decoder", "encoder-decoder"])
def test_means_of_layers_over_the_tokens_and_where_a_decoder_reads(topology: str) -> None:
    network, given = model(topology).eval(), examples()
    found = torch.from_numpy(frozen_features(network, given, tokens_per_pass=40))
    for readings, tokens in zip(found, given.tokens, strict=True):
        layers = _layers(network, list(tokens))
        wanted = [layers.mean(1).mean(0)]
        if topology == "decoder":
            wanted.insert(0, layers[:, -1].mean(0))
        assert torch.allclose(readings, torch.stack(wanted), atol=1e-3)
