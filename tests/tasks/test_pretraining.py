"""Objectives: hand-checked inputs and targets, gradients, and a loss below a trivial baseline."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mason.errors import DataError
from mason.layers import HeadSpec
from mason.models.packed import Packed
from mason.models.spec import SpecialTokens
from mason.models.transformer import Transformer
from mason.tasks.pretraining import (
    CausalLanguage,
    Denoising,
    Electra,
    Infilling,
    Learner,
    Marks,
    MaskedLanguage,
    Pairs,
    Passage,
    PrefixLanguage,
    ReplacedTokens,
    SpanCorruption,
    Texts,
)
from mason.tasks.pretraining.infilling import move_middle
from mason.tasks.pretraining.passages import chance_of
from mason.tasks.pretraining.replaced import filled, sampled
from mason.tasks.pretraining.spans import holes
from mason.training.loop import fit
from mason.training.recipe import Recipe
from mason.training.step import seed_step
from tests.models.small import SPECS, VOCABULARY

CLS, SEP, MASK = 1, 2, 3
MARKS = Marks(
    VOCABULARY, first=CLS, last=SEP, mask=MASK, sentinels=(30, 29, 28, 27), infill=(24, 25, 26)
)
CHANCE = np.random.default_rng(0)


def _ids(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def _passage(*text: int) -> Passage:
    return Texts([_ids(*text)], MARKS).draw(0, CHANCE)


class _Scripted:
    """A generator whose answers are written out."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {name: iter(values) for name, values in answers.items()}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **kwargs: next(self.answers[name])


def test_masking_by_hand() -> None:
    """Of ten tokens 40 % are hidden: one stays, one is another, two are the mask."""
    masked = MaskedLanguage(Texts([], MARKS), MARKS, rate=0.4)
    chance = _Scripted(
        permutation=[_ids(3, 0, 7, 9, 1, 2, 4, 5, 6, 8)],
        random=[np.array([0.95, 0.1, 0.85, 0.79])],
        integers=[_ids(22)],
    )
    hidden = masked.hide(_passage(10, 11, 12, 13, 14, 15, 16, 17, 18, 19), chance)  # type: ignore[arg-type]
    assert hidden.at.tolist() == [1, 4, 8, 10]
    assert hidden.wanted.tolist() == [10, 13, 17, 19]
    assert hidden.tokens.tolist() == [1, 10, 11, 12, 3, 14, 15, 16, 22, 18, 3, 2]


def test_whole_words_are_hidden_together() -> None:
    """Tokens from 20 on continue a word: 10 20 | 11 | 12 21 22 | 13."""
    masked = MaskedLanguage(
        Texts([], MARKS), MARKS, rate=0.5, masked=1.0, starts=lambda ids: ids < 20
    )
    chance = _Scripted(permutation=[_ids(2, 0, 1, 3)], random=[np.zeros(4)], integers=[_ids()])
    hidden = masked.hide(_passage(10, 20, 11, 12, 21, 22, 13), chance)  # type: ignore[arg-type]
    # The budget is 4: the long word (3), not the first (2 more would be 5), then the single 11.
    assert hidden.at.tolist() == [3, 4, 5, 6]
    assert hidden.tokens.tolist() == [1, 10, 20, 3, 3, 3, 3, 13, 2]


def test_runs_of_words_are_hidden_together() -> None:
    masked = MaskedLanguage(Texts([], MARKS), MARKS, rate=0.3, masked=1.0, longest=3)
    chance = _Scripted(
        permutation=[_ids(4, 0, 1, 2, 3, 5, 6, 7, 8, 9)],
        choice=[_ids(*[2] * 10)],
        random=[np.zeros(3)],
        integers=[_ids()],
    )
    hidden = masked.hide(_passage(*range(10, 20)), chance)  # type: ignore[arg-type]
    assert hidden.at.tolist() == [5, 6, 7] and hidden.wanted.tolist() == [14, 15, 16]


def test_marks_are_never_hidden_and_the_share_is_kept() -> None:
    texts = [CHANCE.integers(4, VOCABULARY, 40) for _ in range(300)]
    masked = MaskedLanguage(Texts(texts, MARKS), MARKS)
    seed_step(1, 1)
    drawn = [masked._draw(i) for i in range(300)]
    assert all(p.is_text[h.at].all() for p, h in drawn)
    assert all(len(h.at) == 6 for _, h in drawn)
    now = np.concatenate([h.tokens[h.at] for _, h in drawn])
    was = np.concatenate([h.wanted for _, h in drawn])
    assert np.mean(now == MASK) == pytest.approx(0.8, abs=0.04)
    assert np.mean(now == was) == pytest.approx(0.1, abs=0.03)


def test_what_is_drawn_depends_on_seed_step_and_passage_alone() -> None:
    texts = [CHANCE.integers(4, VOCABULARY, 20) for _ in range(8)]
    masked = MaskedLanguage(Texts(texts, MARKS), MARKS)

    def drawn(step: int) -> list[list[int]]:
        seed_step(7, step)
        torch.rand(step)  # what else was random in the step does not matter
        return [masked._draw(i)[1].tokens.tolist() for i in range(8)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert drawn(2)[::-1] == [drawn(2)[i] for i in range(7, -1, -1)]


SENTENCES = [[[10, 11], [12, 13, 14], [15]], [[20, 21, 22], [23], [16, 17]]]


def test_next_sentence_by_hand() -> None:
    pairs = Pairs(SENTENCES, [0, 1], MARKS)
    follows = pairs.draw(0, _Scripted(integers=[1], random=[0.7]))  # type: ignore[arg-type]
    assert follows.tokens.tolist() == [1, 10, 11, 2, 12, 13, 14, 15, 2]
    assert follows.token_types is not None
    assert follows.token_types.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1]
    assert follows.is_text.tolist() == [False, True, True, False, True, True, True, True, False]
    assert follows.label == 0
    other = pairs.draw(0, _Scripted(integers=[1, 0, 1, 1], random=[0.2]))  # type: ignore[arg-type]
    # Document 0 is asked first and refused; then document 1 from its second sentence on.
    assert other.tokens.tolist() == [1, 10, 11, 2, 23, 16, 17, 2] and other.label == 1


def test_sentence_order_by_hand() -> None:
    pairs = Pairs(SENTENCES, [0, 0], MARKS, question="sentence-order")
    swapped = pairs.draw(0, _Scripted(integers=[2], random=[0.2]))  # type: ignore[arg-type]
    assert swapped.tokens.tolist() == [1, 15, 2, 10, 11, 12, 13, 14, 2] and swapped.label == 1


def test_pairs_keep_to_the_length_and_need_two_documents() -> None:
    long = [[[10] * 9, [11] * 8, [12] * 7], [[13] * 30, [14] * 3]]
    pairs = Pairs(long, [0, 1], MARKS, max_tokens=16)
    for i in range(40):
        seed_step(1, i)
        for index in (0, 1):
            drawn = pairs.draw(index, chance_of(index))
            assert len(drawn.tokens) <= pairs.lengths[index] == 16
            assert (drawn.tokens == SEP).sum() == 2
    with pytest.raises(DataError, match="two documents"):
        Pairs(long, [0, 0], MARKS)


def test_replaced_tokens_by_hand() -> None:
    """Of three tokens with 20, 30 and 50 % the chances 0.1, 0.4 and 0.6 pick each once; a guess
    that is what was there counts as real."""
    logits = torch.tensor([0.2, 0.3, 0.5]).log().repeat(3, 1)
    assert sampled(logits, torch.tensor([0.1, 0.4, 0.6])).tolist() == [0, 1, 2]
    packed = Packed.of([[CLS, 10, MASK, 12, MASK, SEP]])
    at, wanted, guessed = (torch.tensor(ids) for ids in ([2, 4], [11, 13], [17, 13]))
    read, replaced = filled(packed, at, wanted, guessed)
    assert read.tokens.tolist() == [CLS, 10, 17, 12, 13, SEP]
    assert replaced.tolist() == [0, 0, 1, 0, 0, 0]


def test_the_generator_shares_what_it_knows_of_the_tokens() -> None:
    learner = _electra()
    assert learner.network.encoder is not None and learner.generator.encoder is not None
    tokens = learner.network.encoder.embedding.tokens.weight
    assert learner.generator.encoder.embedding.tokens.weight is tokens
    assert learner.generator.heads["language"].output.weight is tokens


def test_span_corruption_by_hand() -> None:
    """The example of Raffel et al. 2020, figure 2: Thank you <for inviting> me to your party
    <last> week."""
    corruption = SpanCorruption(Texts([], MARKS), MARKS)
    inside = np.array([0, 0, 1, 1, 0, 0, 0, 0, 1, 0], dtype=bool)
    source, target = corruption.corrupt(_ids(*range(10, 20)), inside)
    assert source.tolist() == [10, 11, 30, 14, 15, 16, 17, 29, 19, SEP]
    assert target.tolist() == [30, 12, 13, 29, 18, SEP]


@pytest.mark.parametrize("length", [2, 3, 7, 50, 200])
def test_holes_never_touch_and_have_the_share(length: int) -> None:
    for seed in range(30):
        inside = holes(length, 0.15, 3.0, np.random.default_rng(seed), most=4)
        assert inside.sum() == min(max(1, round(0.15 * length)), length - 1)
        begins = inside & ~np.concatenate([[False], inside[:-1]])
        assert 1 <= begins.sum() <= 4 and not inside[0]


def test_infilling_of_bart_by_hand() -> None:
    denoising = Denoising(Texts([], MARKS), MARKS, rate=0.5)
    # Of eight tokens four go: three from place 1, a mask put in at 6, then nothing is left.
    chance = _Scripted(poisson=[3, 0], integers=[1, 6])
    damaged = denoising.infill(_ids(*range(10, 18)), chance)  # type: ignore[arg-type]
    assert damaged.tolist() == [10, MASK, 14, 15, MASK, 16, 17]


def test_sentences_are_permuted_and_the_target_is_whole() -> None:
    text = _ids(10, 11, 9, 12, 9, 13, 14, 9)
    denoising = Denoising(Texts([text], MARKS), MARKS, rate=0.0, ends=lambda ids: ids == 9)
    seen = set()
    for step in range(20):
        seed_step(1, step)
        source, target = denoising.pair(0)
        assert target.tolist() == [CLS, *text.tolist(), SEP]
        assert sorted(source.tolist()) == sorted(target.tolist())
        seen.add(tuple(source.tolist()))
    assert len(seen) == 6  # three sentences


def test_the_middle_moves_by_hand() -> None:
    assert move_middle(_ids(10, 11, 12, 13, 14), 1, 3, MARKS).tolist() == [
        24, 10, 25, 13, 14, 26, 11, 12,
    ]  # fmt: skip


def _classifier(topology: str, **heads: HeadSpec) -> Transformer:
    torch.manual_seed(5)
    spec = SPECS[topology]  # type: ignore[index]
    special = SpecialTokens(decoder_start=0)
    language = {"language": spec.heads["language"]}
    return Transformer(replace(spec, heads=language | heads, special=special))


def _electra() -> Electra:
    detector = replace(SPECS["encoder"], heads={"replaced": HeadSpec(dense=True, outputs=1)})
    return Electra(Transformer(detector), _classifier("encoder"))


NEXT = HeadSpec(pool="first", dense=True, activation="tanh", outputs=2)
TEXTS = [CHANCE.integers(4, 24, n) for n in (3, 19, 7, 11, 5, 13)]
PAIRED = [[t[: len(t) // 2], t[len(t) // 2 :]] for t in TEXTS]


def _objectives() -> dict[str, tuple[Learner, Any]]:
    texts = Texts(TEXTS, MARKS)
    pairs = Pairs(PAIRED, [0, 0, 0, 1, 1, 1], MARKS, max_tokens=24)
    order = Pairs(PAIRED, [0] * 6, MARKS, question="sentence-order", max_tokens=24)
    masked = MaskedLanguage(texts, MARKS)
    return {
        "masked": (_classifier("encoder"), masked),
        "bert": (_classifier("encoder", next_sentence=NEXT), MaskedLanguage(pairs, MARKS)),
        "albert": (_classifier("encoder", next_sentence=NEXT), MaskedLanguage(order, MARKS)),
        "electra": (_electra(), ReplacedTokens(masked)),
        "causal": (_classifier("decoder"), CausalLanguage(texts, MARKS)),
        "prefix": (_classifier("decoder"), PrefixLanguage(texts, MARKS)),
        "infilling": (_classifier("decoder"), Infilling(texts, MARKS)),
        "spans": (_classifier("encoder-decoder"), SpanCorruption(texts, MARKS)),
        "denoising": (_classifier("encoder-decoder"), Denoising(texts, MARKS)),
    }


@pytest.mark.parametrize("name", list(_objectives()))
def test_cut_into_passes_the_loss_and_its_gradient_are_the_same(name: str) -> None:
    model, objective = _objectives()[name]
    batch, found = list(range(len(TEXTS))), []
    for runs in ([batch], [batch[:2], batch[2:]], [[i] for i in batch]):
        seed_step(3, 1)
        model.zero_grad()
        count, loss = objective.count(batch), 0.0
        for run in runs:
            part = objective.loss(model, run) / count
            part.backward()
            loss += float(part.detach())
        gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        found.append((loss, gradients))
    for loss, gradients in found[1:]:
        assert loss == pytest.approx(found[0][0], rel=1e-6)
        largest = max(float(g.abs().max()) for g in gradients)
        for mine, theirs in zip(gradients, found[0][1], strict=True):
            assert float((mine - theirs).abs().max()) <= 1e-5 * largest


@pytest.mark.parametrize("name", ["masked", "causal", "spans"])
def test_the_gradient_is_the_slope(name: str) -> None:
    """Against central differences, in float64."""
    model, objective = _objectives()[name]
    model = model.double().eval()
    batch = [1, 3, 5]

    def loss() -> torch.Tensor:
        seed_step(3, 1)
        objective.count(batch)
        total = 0.0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.Tensor, "float", lambda self: self)
            total = objective.loss(model, batch)
        return total

    loss().backward()
    weight = model.heads["language"].dense.weight  # type: ignore[union-attr]
    assert weight.grad is not None
    for place in ((0, 0), (3, 7), (11, 2)):
        with torch.no_grad():
            weight[place] += 1e-6
            up = float(loss())
            weight[place] -= 2e-6
            down = float(loss())
            weight[place] += 1e-6
        assert float(weight.grad[place]) == pytest.approx((up - down) / 2e-6, rel=1e-4, abs=1e-7)


# A language with a rule: each token is followed by the next one of a circle of ten.
CIRCLE = [[4 + (start + i) % 10 for i in range(12)] for start in range(10)]


@pytest.mark.slow
@pytest.mark.parametrize("name", list(_objectives()))
def test_the_loss_falls_below_a_trivial_baseline(name: str) -> None:
    """Below the entropy of the tokens (ln 10), or of the question, on a language with a rule."""
    model, _ = _objectives()[name]
    texts = Texts(CIRCLE, MARKS)
    halves = [[t[:6], t[6:]] for t in CIRCLE]
    masked = MaskedLanguage(texts, MARKS)
    objective = {
        "masked": lambda: masked,
        "bert": lambda: MaskedLanguage(Pairs(halves, range(10), MARKS), MARKS),  # type: ignore[arg-type]
        "albert": lambda: MaskedLanguage(
            Pairs(halves, range(10), MARKS, question="sentence-order"),  # type: ignore[arg-type]
            MARKS,
        ),
        "electra": lambda: ReplacedTokens(masked, weight=1.0),
        "causal": lambda: CausalLanguage(texts, MARKS),
        "prefix": lambda: PrefixLanguage(texts, MARKS),
        "infilling": lambda: Infilling(texts, MARKS),
        "spans": lambda: SpanCorruption(texts, MARKS),
        "denoising": lambda: Denoising(texts, MARKS),
    }[name]()
    recipe = Recipe(max_steps=150, epochs=999, batch_size=10, learning_rate=5e-3, precision="fp32")
    history = fit(model, objective, recipe)
    last = np.mean([s.loss for s in history.steps[-10:]])
    questions = {"bert": math.log(2), "albert": math.log(2), "electra": 0.5}.get(name, 0.0)
    assert last < math.log(10) + questions
    assert last < 0.8 * history.steps[0].loss


def test_what_is_drawn_is_drawn_once_a_step() -> None:
    """Counting and reading see the same holes, and a second step sees others."""
    masked = MaskedLanguage(Texts(TEXTS, MARKS), MARKS)
    drawn: list[int] = []
    inner = masked.passages.draw
    masked.passages.draw = lambda index, chance: drawn.append(index) or inner(index, chance)  # type: ignore[func-returns-value,method-assign]
    for step in (1, 2):
        seed_step(1, step)
        count = masked.count([1, 3, 5])
        assert len(masked.read([1, 3])[2]) + len(masked.read([5])[2]) == count
        assert drawn == [1, 3, 5] * step


@pytest.mark.parametrize("name", ["masked", "bert"])
def test_scores_are_counted_by_hand(name: str) -> None:
    """Against logits of the whole input; the loss is the one that is learned from."""
    model, masked = _objectives()[name]
    model.eval()
    seed_step(5, 1)
    batch = list(range(len(TEXTS)))
    count = masked.count(batch)
    told = masked.scores(model, batch)
    packed, at, wanted, labels = masked.read(batch)
    with torch.no_grad():
        guesses = model.logits("language", packed)[at].argmax(1)
        loss = float(masked.loss(model, batch))
    assert told["token_accuracy"] == (int((guesses == wanted).sum()), count)
    assert told["valid_loss"] == (pytest.approx(loss, rel=1e-5), count)
    assert ("question_accuracy" in told) == (labels is not None)
    if labels is not None:
        answers = model.logits("next_sentence", packed).argmax(1)
        assert told["question_accuracy"] == (int((answers == labels).sum()), len(TEXTS))
