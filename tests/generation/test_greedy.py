"""The likeliest tokens beside transformers' own, and one prompt beside many."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import transformers

from benchmarks.parity_oracle import Pair
from mason.errors import DataError, SettingsError
from mason.generation import Sampling, engine, generate
from mason.generation import beams as beam_search
from mason.generation.decoding import held_bytes
from mason.models.checkpoints import load_model
from mason.models.packed import Packed
from mason.models.saving import save_model
from mason.models.transformer import Transformer
from mason.sources import find_model
from mason.text.loading import load_tokenizer
from tests.generation.conftest import DECODERS, PROMPTS
from tests.generation.oracle import new_tokens, theirs, tokens_of

PairOf = Callable[[str], Pair]
FREE = Sampling(11, stop_tokens=())
SOME = ("LlamaForCausalLM (tied)", "Gemma2ForCausalLM (tied)", "T5ForConditionalGeneration (tied)")


def _ending(end: int, **more: object) -> Sampling:
    return Sampling(11, stop_tokens=(end,), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", DECODERS)
def test_tokens_are_those_of_transformers(pair_of: PairOf, name: str) -> None:
    pair = pair_of(name)
    # One of their own tokens as the end, so that some prompts stop early and others do not.
    end = generate(pair.ours, PROMPTS, FREE)[2].tokens[2]
    expected = []
    for prompt in PROMPTS:
        out = theirs(pair, prompt, max_new_tokens=11, do_sample=False, eos_token_id=end)
        expected.append(new_tokens(pair, prompt, out.sequences[0], end))
    found = generate(pair.ours, PROMPTS, _ending(end))
    assert tokens_of(found) == expected
    assert found[2].finish == "stop" and len(found[2].tokens) <= 3


@pytest.mark.parametrize("name", SOME)
def test_a_prompt_gives_the_same_alone(pair_of: PairOf, name: str) -> None:
    ours = pair_of(name).ours
    prompts = [[5 + (7 * i + 3 * k) % 53 for k in range(1 + (5 * i) % 17)] for i in range(20)]
    end = generate(ours, prompts[1:2], FREE)[0].tokens[1]
    for sampling in (_ending(end), _ending(end, temperature=0.8, seed=3, num_return=2)):
        alone = [generate(ours, [prompt], sampling)[0] for prompt in prompts]
        together = generate(ours, prompts, sampling)
        assert tokens_of(together) == tokens_of(alone)
        for mine, lone in zip(together, alone, strict=True):
            assert mine.score == pytest.approx(lone.score, rel=1e-4)
            assert tokens_of(list(mine.others)) == tokens_of(list(lone.others))


def test_equal_prompts_are_drawn_apart(pair_of: PairOf) -> None:
    ours = pair_of(SOME[0]).ours
    drawn, twice = (
        Sampling(11, stop_tokens=(), temperature=1.0, seed=3, num_return=n) for n in (1, 2)
    )
    first, other, again = generate(ours, [[5, 17, 23], [11], [5, 17, 23]], drawn)
    assert tokens_of([first, other]) == tokens_of(generate(ours, [[5, 17, 23], [11]], drawn))
    (best,) = generate(ours, [[5, 17, 23]], twice)
    both = sorted(tokens_of([first, again]))
    assert both[0] != both[1] and both == sorted(tokens_of([best, *best.others]))


@pytest.mark.parametrize("beams", [1, 2])
@pytest.mark.parametrize("name", SOME)
def test_as_many_at_once_as_memory_allows(
    pair_of: PairOf, name: str, beams: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = pair_of(name).ours
    asked = Sampling(6, stop_tokens=(), num_beams=beams, temperature=0.0 if beams > 1 else 1.0)
    together = generate(ours, PROMPTS, asked)
    module, started = engine if beams == 1 else beam_search, []
    begin = module.start_decoding

    def counted(model: Transformer, prompts: Sequence[Sequence[int]], *rest: Any) -> Any:
        started.append([len(prompt) for prompt in prompts])
        return begin(model, prompts, *rest)

    monkeypatch.setattr(module, "start_decoding", counted)
    monkeypatch.setattr(engine, "_HELD", held_bytes(ours) * beams * 3 * (3 + 6))
    found = generate(ours, PROMPTS, asked)
    assert started == [[1, 2, 3], [3, 7]]
    assert tokens_of(found) == tokens_of(together), "equal prompts in two runs are drawn apart"


@pytest.mark.parametrize("name", SOME)
def test_caches_and_chunks_change_nothing(pair_of: PairOf, name: str) -> None:
    ours = pair_of(name).ours
    cached = generate(ours, PROMPTS, FREE)
    for chunk in (1, 3):
        chunked = generate(ours, PROMPTS, Sampling(11, stop_tokens=(), prefill_chunk=chunk))
        assert tokens_of(chunked) == tokens_of(cached)
    for prompt, answer in zip(PROMPTS, cached, strict=True):
        text = [ours.spec.special.decoder_start or 0] if ours.encoder else list(prompt)
        for token, likely in zip(answer.tokens, answer.log_probabilities, strict=True):
            streams = (
                (Packed.of([prompt]), Packed.of([text])) if ours.encoder else (Packed.of([text]),)
            )
            with torch.no_grad():
                row = ours.logits("language", *streams)[-1].log_softmax(-1)
            assert int(row.argmax()) == token
            assert float(row[token]) == pytest.approx(likely, abs=1e-4)
            text.append(token)


def test_the_model_says_where_to_stop(pair_of: PairOf) -> None:
    ours = pair_of("GPT2LMHeadModel (tied)").ours
    (end,) = {ours.spec.special.eos}
    assert isinstance(end, int)
    for answer in generate(ours, PROMPTS, Sampling(5, logit_bias={end: 100.0})):
        assert (answer.tokens, answer.finish) == ([end], "stop")
    for answer in generate(ours, PROMPTS, Sampling(5, logit_bias={end: -100.0})):
        assert end not in answer.tokens and answer.finish == "length"


def test_what_cannot_be_generated_is_a_sentence(pair_of: PairOf) -> None:
    gpt2, bart = pair_of("GPT2LMHeadModel (tied)").ours, pair_of("MarianMTModel (tied)").ours
    with pytest.raises(DataError, match="Prompt 2 is empty"):
        generate(gpt2, [[5], []], FREE)
    assert len(generate(gpt2, PROMPTS, Sampling(46, stop_tokens=()))[2].tokens) == 46
    with pytest.raises(DataError, match="Prompt 3 has 7 tokens and needs 54 positions"):
        generate(gpt2, PROMPTS, Sampling(47))
    with pytest.raises(DataError, match="the decoder has 53 positions"):
        generate(bart, PROMPTS, Sampling(54))
    with pytest.raises(SettingsError, match="the vocabulary ends at 60"):
        generate(gpt2, PROMPTS, Sampling(5, logit_bias={61: 1.0}))
    with pytest.raises(SettingsError, match="Stop texts need a tokenizer"):
        generate(gpt2, PROMPTS, Sampling(5, stop=("a",)))
    assert generate(gpt2, [], FREE) == []


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"temperature": -0.1}, "temperature is -0.1; give a number from 0.0 to 100.0"),
        ({"top_p": 0.0}, "top_p is 0.0; give a number above 0"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0; give 1 or more"),
        ({"num_beams": 2, "temperature": 1.0}, "Beam search follows"),
        ({"num_return": 2}, "2 answers need a temperature above 0"),
        ({"stop": ("",)}, "A stop text is empty"),
    ],
)
def test_settings_that_cannot_be_meant(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        Sampling(**settings)  # type: ignore[arg-type]


TEXTS = ("The capital of France is", "1, 2, 3,", "def fibonacci(n):\n", "猫坐在")


@pytest.mark.slow
def test_real_weights(tmp_path_factory: pytest.TempPathFactory) -> None:
    """SmolLM2-135M: unequal prompts in one batch beside transformers, one by one."""
    path = find_model("SmolLM2-135M-Instruct")
    checkpoint, folder = load_model(path), tmp_path_factory.mktemp("smollm2")
    save_model(checkpoint.model, checkpoint.family, folder)
    kind = transformers.LlamaForCausalLM
    their = kind.from_pretrained(folder, dtype=torch.float32).eval()
    their.generation_config.eos_token_id = None
    prompts = load_tokenizer(path).encode_ids(TEXTS)
    found = generate(checkpoint.model, prompts, Sampling(16, stop_tokens=()))
    for prompt, answer in zip(prompts, found, strict=True):
        ids = torch.tensor([prompt])
        out = their.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=16,
            do_sample=False,
            pad_token_id=0,
        )
        assert out[0, len(prompt) :].tolist() == answer.tokens
