"""Translation decoding beside CTranslate2 with the same weights, on one thread.

A Marian encoder–decoder of base size (6 and 6 layers of 512, 8,000 tokens) with random weights, 16
sources of 5 to 50 tokens at once, 32 tokens written after each, greedily. CTranslate2's own
converter does not read models of transformers 5, so its loader is given the model itself. Both
must write transformers' tokens in fp32. CTranslate2 rounds what its int8 products read as well,
ours only the weights; it has no bf16 on a processor. Seconds are the processor's: medians of
interleaved rounds.
"""

import argparse
import copy
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.report import Goal, Row, publish
from mason.generation import Sampling, generate
from mason.layers import hold_in_int8
from mason.models.checkpoints import load_model
from mason.models.transformer import Transformer

VOCABULARY, NEW, END = 8000, 32, 0
Tokens = list[list[int]]


def make_model() -> Any:
    """A MarianMTModel whose answers never end, and are not all alike."""
    import transformers as hf

    torch.manual_seed(0)
    pad = VOCABULARY - 1
    config = hf.MarianConfig(
        vocab_size=VOCABULARY, d_model=512, encoder_layers=6, decoder_layers=6,
        encoder_attention_heads=8, decoder_attention_heads=8, encoder_ffn_dim=2048,
        decoder_ffn_dim=2048, pad_token_id=pad, eos_token_id=END, bos_token_id=None,
        decoder_start_token_id=pad, forced_eos_token_id=None, scale_embedding=True,
        activation_function="swish", max_position_embeddings=512,
    )  # fmt: skip
    model: Any = hf.MarianMTModel(config).eval()
    torch.nn.init.normal_(model.model.shared.weight, std=0.3)
    with torch.no_grad():
        model.model.shared.weight[pad] = 0
        model.final_logits_bias.normal_()
        model.final_logits_bias[0, [END, pad]] = -1e4
    return model


def converted(model: Any, folder: Path) -> list[str]:
    """Write the model as CTranslate2 reads it; its tokens' names."""
    from ctranslate2.converters.transformers import MarianMTLoader

    loader: Any = MarianMTLoader()
    spec = loader.get_model_spec(model)
    names = ["</s>", "<unk>", *(f"t{i}" for i in range(2, VOCABULARY - 1))]
    loader.set_vocabulary(spec, names)
    spec.config.eos_token = spec.config.decoder_start_token = "</s>"
    spec.config.unk_token, spec.config.add_source_eos = "<unk>", False
    spec.validate()
    spec.optimize()
    folder.mkdir()
    spec.save(str(folder))
    return names


def theirs(folder: Path, names: list[str], sources: Tokens, kind: str) -> Callable[[], Tokens]:
    """CTranslate2, with what it computes in."""
    import ctranslate2

    made = ctranslate2.Translator(
        str(folder), device="cpu", compute_type=kind, inter_threads=1, intra_threads=1
    )
    texts = [[names[i] for i in source] for source in sources]
    numbers = {name: i for i, name in enumerate(names)}

    def write() -> Tokens:
        found = made.translate_batch(
            texts, beam_size=1, max_decoding_length=NEW, min_decoding_length=NEW
        )
        return [[numbers[token] for token in one.hypotheses[0]] for one in found]

    return write


def ours(model: Transformer, sources: Tokens, kind: str) -> Callable[[], Tokens]:
    """Mason, with its weights in some precision."""
    network = copy.deepcopy(model)
    if kind != "fp32":
        network = network.bfloat16()
    if kind == "int8":
        hold_in_int8(network)
    return lambda: [a.tokens for a in generate(network, sources, Sampling(NEW, stop_tokens=()))]


def main() -> None:
    """Compare, and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--save", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    model = make_model()
    sources = [torch.randint(2, VOCABULARY - 1, (5 + 3 * i,)).tolist() for i in range(16)]
    right = [
        model.generate(torch.tensor([source]), max_new_tokens=NEW, do_sample=False, num_beams=1)
        for source in sources
    ]
    with tempfile.TemporaryDirectory() as place:
        model.save_pretrained(Path(place, "plain"))
        names = converted(model, Path(place, "peer"))
        network = load_model(Path(place, "plain")).model.eval()
        ways = {kind: ours(network, sources, kind) for kind in ("fp32", "bf16", "int8")}
        for kind in ("float32", "int8"):
            ways[f"peer {kind}"] = theirs(Path(place, "peer"), names, sources, kind)
        for name in ("fp32", "peer float32"):
            assert ways[name]() == [answer[0, 1:].tolist() for answer in right], name
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(chosen.rounds):
            for name in list(ways)[:: 1 if number % 2 else -1]:
                start = time.process_time()
                ways[name]()
                seconds[name].append(time.process_time() - start)
    speed = {name: len(sources) * NEW / median(values) for name, values in seconds.items()}
    goal = Goal("≥", 0.8, of="ratio")
    rows = [
        Row("tokens/s, fp32 beside float32", speed["fp32"], speed["peer float32"], goal),
        Row("tokens/s, bf16 beside int8", speed["bf16"], speed["peer int8"]),
        Row("tokens/s, int8 beside int8", speed["int8"], speed["peer int8"], goal),
    ]
    publish("translation_speed", rows, notes=f"{__doc__}\n", save=chosen.save)


if __name__ == "__main__":
    main()
