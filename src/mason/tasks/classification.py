"""Classification: one label for each text, or each pair of texts."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mason.models.packed import Packed
from mason.models.stack import Look
from mason.models.transformer import Transformer, device_of
from mason.runtime import return_freed_memory

HEAD = "classification"
OUTPUT = f"heads.{HEAD}.output.weight"
"""The matrix whose rows are the labels."""
PASS = 4096
"""Most tokens that are read at once where nothing is learned."""


@dataclass(frozen=True)
class Examples:
    """Texts as tokens, with their labels as class numbers where they have one."""

    tokens: Sequence[Sequence[int]]
    token_types: Sequence[Sequence[int]] | None = None
    targets: Sequence[int] | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each text."""
        return [len(t) for t in self.tokens]

    @property
    def columns(self) -> list[Sequence[Sequence[int]]]:
        """Every number of every example, a column at a time."""
        types = [] if self.token_types is None else [self.token_types]
        targets = [] if self.targets is None else [[[target] for target in self.targets]]
        return [self.tokens, *types, *targets]

    def cut(self, most: int) -> "Examples":
        """The same with at most ``most`` tokens a text."""
        types = self.token_types
        return Examples(
            [t[:most] for t in self.tokens],
            None if types is None else [t[:most] for t in types],
            self.targets,
        )

    def pack(self, run: Sequence[int], device: torch.device | str = "cpu") -> Packed:
        """The examples of these numbers as one flat batch."""
        types = self.token_types
        return Packed.of(
            [self.tokens[i] for i in run],
            None if types is None else [types[i] for i in run],
            device=device,
        )


Swap = Callable[[Packed, Tensor, Tensor, float], Packed]


class ClassificationObjective:
    """Cross-entropy of the right label, perhaps smoothed (Szegedy et al. 2016).

    With smoothing, the entropy of the smoothed target is taken off: the gradient is the
    same, and a perfect fit has the loss 0, so that training and validation compare.

    With ``r_drop`` every text is read twice under different dropout (R-Drop, Liang et al. 2021):
    the loss is the mean of both, and ``r_drop`` times the mean of the two divergences between
    their answers.

    With ``word_swaps`` the second time is the text with up to this share of its words swapped by
    ``swap``, if it is set: what is given the texts, the token vectors, the loss's gradient by each
    token's vector and the share.
    """

    swap: Swap | None = None

    def __init__(
        self,
        examples: Examples,
        *,
        label_smoothing: float = 0.0,
        r_drop: float = 0.0,
        word_swaps: float = 0.0,
    ) -> None:
        assert examples.targets is not None, "training needs targets"
        self.examples, self.lengths = examples, examples.lengths
        self.targets = torch.tensor(list(examples.targets))
        self.label_smoothing, self.r_drop = label_smoothing, r_drop
        self.word_swaps = word_swaps

    def count(self, batch: Any) -> int:
        """One target an example."""
        return len(batch)

    def loss(self, model: Any, run: Sequence[int]) -> Tensor:
        """The summed cross-entropy, in fp32."""
        if not self.r_drop and not self.word_swaps:
            return self.right(self.said(model, run), run)
        packed = self.examples.pack(run, device_of(model))
        with vectors_of_tokens(model) if self.swap else nullcontext() as vectors:
            logits = class_logits(model, packed).float()
        loss = self.right(logits, run)
        if self.swap and vectors:
            (gradient,) = torch.autograd.grad(loss, vectors, retain_graph=True)
            packed = self.swap(packed, token_table(model), gradient, self.word_swaps)
        again = class_logits(model, packed).float()
        fit = (loss + self.right(again, run)) / 2
        return fit + self.r_drop * divergence(logits, again)

    def said(self, model: Any, run: Sequence[int], look: Look | None = None) -> Tensor:
        """Logits of each text of a run, in fp32 [texts, classes]; see ``Transformer.logits``."""
        return class_logits(model, self.examples.pack(run, device_of(model)), look).float()

    def num_rows(self, run: Sequence[int]) -> list[int]:
        """A row a text."""
        return [1] * len(run)

    def apart(self, said: Tensor, wanted: Tensor, run: Sequence[int], heat: float) -> Tensor:
        """How far logits are from a teacher's; see ``softened_divergence``."""
        return softened_divergence(said, wanted, heat)

    def right(self, logits: Tensor, run: Sequence[int]) -> Tensor:
        """The summed loss of logits, by the labels of a run."""
        targets = self.targets[list(run)].to(logits.device)
        loss = F.cross_entropy(
            logits, targets, reduction="sum", label_smoothing=self.label_smoothing
        )
        return loss - len(targets) * smoothed_entropy(self.label_smoothing, logits.shape[1])


def token_table(model: Transformer) -> Tensor:
    """The vector of each token [V, E]."""
    stack = model.encoder or model.decoder
    assert stack is not None, "a model has a stack"
    weight: Tensor = stack.embedding.tokens.weight
    return weight.detach()


@contextmanager
def vectors_of_tokens(model: Transformer) -> Iterator[list[Tensor]]:
    """The vectors of the tokens that are read inside [T, E], to take gradients by."""
    stack, caught = model.encoder or model.decoder, list[Tensor]()
    assert stack is not None, "a model has a stack"

    def catch(_module: object, _inputs: object, vectors: Tensor) -> Tensor:
        caught.append(vectors if vectors.requires_grad else vectors.detach().requires_grad_())
        return caught[-1]

    hook = stack.embedding.tokens.register_forward_hook(catch)
    try:
        yield caught
    finally:
        hook.remove()


def divergence(first: Tensor, second: Tensor) -> Tensor:
    """Sum over rows of the mean of both Kullback–Leibler divergences, of logits [rows, classes]."""
    one, other = first.log_softmax(-1), second.log_softmax(-1)
    # KL(p‖q) + KL(q‖p) = Σ (p − q)(log p − log q)
    return ((one.exp() - other.exp()) * (one - other)).sum() / 2


def softened_divergence(said: Tensor, wanted: Tensor, heat: float) -> Tensor:
    """Sum over rows of KL(wanted‖said) of logits [rows, classes] over ``heat``, times its square.

    So the gradient has the size it has without heat (Hinton et al. 2015).
    """
    one, other = (logits.div(heat).log_softmax(-1) for logits in (said, wanted))
    return F.kl_div(one, other, reduction="sum", log_target=True) * heat**2


def smoothed_entropy(smoothing: float, num_classes: int) -> float:
    """Entropy in nats of a target that shares ``smoothing`` among all classes."""
    shared = smoothing / num_classes
    weights = {1 - smoothing + shared: 1, shared: num_classes - 1}
    return -sum(num * w * math.log(w) for w, num in weights.items() if w > 0)


def class_logits(model: Transformer, packed: Packed, look: Look | None = None) -> Tensor:
    """One row of logits for each text."""
    return head_logits(model, HEAD, packed, look=look)


def head_logits(
    model: Transformer,
    head: str,
    packed: Packed,
    *,
    at: Tensor | None = None,
    look: Look | None = None,
) -> Tensor:
    """Logits of a head that reads texts: a row a text where it pools, else a row a token.

    An encoder–decoder reads the text on both sides, the decoder's moved one place right
    behind its start token: the last position decides of the text, and each position of the
    token that the encoder has there (Lewis et al. 2020).

    Args:
        model: Of any topology.
        head: The head's name.
        packed: Texts.
        at: Rows to give logits for; None: all the head has.
        look: See ``Transformer.logits``.
    """
    return model.logits(head, *_read(model, packed), at=at, look=look)


def rows_read(model: Transformer, packed: Packed) -> Tensor:
    """What a head that reads texts is given: the last hidden states of every token."""
    hidden: Tensor = model(*_read(model, packed))
    return hidden


def _read(model: Transformer, packed: Packed) -> tuple[Packed, ...]:
    """The texts, and what an encoder–decoder's decoder reads of them."""
    if model.spec.topology != "encoder-decoder":
        return (packed,)
    start = model.spec.special.decoder_start
    return packed, packed.shifted(start if start is not None else 0)


@torch.inference_mode()
def predict_logits(
    model: Transformer, examples: Examples, *, tokens_per_pass: int = PASS
) -> np.ndarray:
    """Logits [rows, classes] in fp32, rows in the order of the examples.

    Texts of like length share a pass, so nothing is padded and memory is bounded by
    ``tokens_per_pass``.
    """
    device, lengths = device_of(model), examples.lengths
    outputs = np.zeros((len(examples), max(len(model.spec.labels), 1)), dtype=np.float32)
    for run in reading_passes(lengths, tokens_per_pass):
        outputs[run] = class_logits(model, examples.pack(run, device)).float().cpu().numpy()
    return outputs


def read_costliest(model: Transformer, examples: Examples) -> None:
    """The costliest pass of ``predict_logits``."""
    class_logits(model, examples.pack(costliest_pass(examples.lengths)))


def costliest_pass(lengths: Sequence[int]) -> list[int]:
    """The run of ``reading_passes`` that costs most."""
    return max(reading_passes(lengths), key=lambda run: _cost(run, lengths))


def _cost(run: Sequence[int], lengths: Sequence[int]) -> int:
    """Tokens, and what scores add to them at the widths that are common."""
    return sum(lengths[i] * (100 + lengths[i]) for i in run)


def probe(
    model: Transformer, examples: Examples, *, rows: int, seed: int, tokens_per_pass: int = PASS
) -> None:
    """Give the head's output matrix the values that suit the features as they are.

    Linear probing, then fine-tuning (Kumar et al. 2022): a head of random weights sends
    random gradients through the model in its first steps. What the output matrix reads is
    worked out once for some examples, and a logistic regression on it is solved by L-BFGS.

    Args:
        model: Its output matrix is written; nothing else is touched.
        examples: With targets.
        rows: How many examples to look at, chosen by ``seed``.
        seed: Of the choice.
        tokens_per_pass: Most tokens that are read at once.
    """
    assert examples.targets is not None, "a probe needs targets"
    features, order = output_features(model, examples, rows, seed, tokens_per_pass)
    targets = torch.tensor([examples.targets[i] for i in order])
    solve_output(model, features, lambda logits: F.cross_entropy(logits, targets))


def solve_output(model: Transformer, features: Tensor, loss_of: Callable[[Tensor], Tensor]) -> None:
    """Write the output matrix that makes a convex loss least, with scikit-learn's C = 1.

    Args:
        model: Its output matrix is written; nothing else is touched.
        features: As from ``output_features`` [rows, width].
        loss_of: Mean loss over the rows of their logits [rows, outputs].
    """
    output = output_of(model)
    learned = [p for p in (output.weight, output.bias) if p is not None]
    fitted = [torch.zeros(p.shape, dtype=torch.float64, requires_grad=True) for p in learned]
    solver = torch.optim.LBFGS(fitted, max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        fit = loss_of(F.linear(features, *fitted))
        regular = fitted[0].square().sum() / (2 * len(features))
        (fit + regular).backward()
        return fit.detach() + regular.detach()

    solver.step(loss)
    with torch.no_grad():
        for parameter, value in zip(learned, fitted, strict=True):
            parameter.copy_(value)


def output_of(model: Transformer) -> nn.Linear:
    """The map from features to outputs."""
    output = model.heads[HEAD].output
    assert isinstance(output, nn.Linear), "a head that learns has an output matrix"
    return output


def output_features(
    model: Transformer, examples: Examples, rows: int, seed: int, tokens_per_pass: int
) -> tuple[Tensor, list[int]]:
    """What the output matrix reads of some examples, on the CPU, and which they are in order.

    Args:
        model: Read as it is when it answers.
        examples: Of which some are chosen.
        rows: How many, at most.
        seed: Of the choice.
        tokens_per_pass: Most tokens that are read at once.
    """
    chosen = np.random.default_rng(seed).permutation(len(examples))[:rows].tolist()
    lengths, device = examples.lengths, device_of(model)
    caught: list[Tensor] = []
    output: Any = model.heads[HEAD].output
    hook = output.register_forward_pre_hook(
        lambda _, inputs: caught.append(inputs[0].cpu().double())
    )
    training, order = model.training, []
    try:
        with torch.no_grad():
            model.eval()
            for run in reading_passes([lengths[i] for i in chosen], tokens_per_pass):
                order += [chosen[i] for i in run]
                class_logits(model, examples.pack([chosen[i] for i in run], device))
    finally:
        hook.remove()
        model.train(training)
    return torch.cat(caught), order


def reading_passes(lengths: Sequence[int], tokens_per_pass: int = PASS) -> Iterator[list[int]]:
    """Texts by length, in runs that would have at most so many tokens if they were padded.

    Between two runs memory is given back, so that the number of texts does not matter.
    """
    run: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if run and (len(run) + 1) * lengths[i] > tokens_per_pass:
            yield run
            return_freed_memory()
            run = []
        run.append(i)
    if run:
        yield run
