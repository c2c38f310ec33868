"""Preference tuning: of two answers to a prompt, the better one shall become the likelier.

Direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290) and its kin learn from
pairs of answers alone. What the model said before tuning is asked once and kept as two numbers
a pair, so that no second model lies in memory.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mason.errors import SettingsError
from mason.models.packed import Packed
from mason.models.transformer import device_of
from mason.tasks.classification import reading_passes

Kind = Literal["dpo", "ipo", "hinge", "simpo", "orpo"]
FREE: tuple[Kind, ...] = ("simpo", "orpo")
"""Losses without a reference."""
PER_TOKEN: tuple[Kind, ...] = ("ipo", "simpo", "orpo")
"""Losses of mean log-probabilities, for which a long answer is no worse than a short one."""
Ids = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Preferences:
    """Prompts, each with a better and a worse answer, as tokens; an answer ends with its mark."""

    prompts: Ids
    chosen: Ids
    rejected: Ids

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def lengths(self) -> list[int]:
        """Tokens that are read for each pair: the prompt twice, and both answers."""
        rows = zip(self.prompts, self.chosen, self.rejected, strict=True)
        return [2 * len(p) + len(c) + len(r) for p, c, r in rows]

    @property
    def columns(self) -> tuple[Ids, Ids, Ids]:
        """Every number of every example, a column at a time."""
        return self.prompts, self.chosen, self.rejected

    @property
    def sizes(self) -> Float[Tensor, "2 N"]:
        """Tokens of the better and of the worse answers."""
        return torch.tensor([[float(len(a)) for a in side] for side in self.columns[1:]])

    def cut(self, most: int) -> "Preferences":
        """The same with at most ``most`` tokens in a prompt with its answer."""
        room = max(1, most // 2)
        kept = ([ids[:room] for ids in side] for side in self.columns[1:])
        return Preferences([ids[-room:] for ids in self.prompts], *kept)

    def answers(self, run: Sequence[int]) -> list[tuple[Sequence[int], Sequence[int]]]:
        """Prompt and answer, the better ones of the run first, then the worse ones."""
        return [(self.prompts[i], side[i]) for side in (self.chosen, self.rejected) for i in run]


def answer_log_probabilities(
    model: Any, examples: Preferences, run: Sequence[int]
) -> Float[Tensor, "2 R"]:
    """Log-probability of each whole answer given its prompt: the better ones', the worse ones'."""
    pairs, device = examples.answers(run), device_of(model)
    packed = Packed.of([[*prompt, *answer] for prompt, answer in pairs], device=device)
    starts = np.cumsum([0, *packed.lengths[:-1]])
    # The row before a token guesses it.
    rows = [
        start + np.arange(len(prompt), len(prompt) + len(answer)) - 1
        for start, (prompt, answer) in zip(starts, pairs, strict=True)
    ]
    at = torch.from_numpy(np.concatenate(rows)).to(device)
    logits = model.heads["language"](model(packed, at=at)).float()
    each = -F.cross_entropy(logits, packed.tokens[at + 1], reduction="none")
    owners = torch.from_numpy(np.repeat(np.arange(len(rows)), [len(r) for r in rows])).to(device)
    sums = each.new_zeros(len(rows)).index_add(0, owners, each)
    return sums.view(2, len(run))


@torch.no_grad()
def reference_of(model: Any, examples: Preferences, *, budget: int = 8192) -> Float[Tensor, "2 N"]:
    """What the model says of every answer before it is tuned.

    Args:
        model: As it is; dropout is off while it is asked.
        examples: All pairs.
        budget: Most tokens read at once.
    """
    training, found = model.training, torch.zeros(2, len(examples))
    model.eval()
    for run in reading_passes(examples.lengths, budget):
        found[:, run] = answer_log_probabilities(model, examples, run).cpu()
    model.train(training)
    return found


class PreferenceObjective:
    """The loss of preference pairs, summed over them.

    With m = log-probability of the better answer minus that of the worse one, and m₀ the same
    before tuning:

    - ``dpo``: −log σ(β (m − m₀)); with ``smoothing`` s a share s of the pairs is taken to be
      the wrong way round (conservative DPO, Mitchell 2023);
    - ``ipo``: (m − m₀ − 1 / 2β)², of mean log-probabilities a token (Azar et al. 2024,
      arXiv:2310.12036);
    - ``hinge``: max(0, 1 − β (m − m₀)) (Zhao et al. 2023, arXiv:2305.10425);
    - ``simpo``: −log σ(β m − γ), of mean log-probabilities, without a reference (Meng et al.
      2024, arXiv:2405.14734);
    - ``orpo``: −log p − β log σ(log odds p − log odds p′), where log p and log p′ are the mean
      log-probabilities of better and worse, without a reference (Hong et al. 2024,
      arXiv:2403.07691).

    Args:
        examples: The pairs.
        reference: From ``reference_of``; ``simpo`` and ``orpo`` need none.
        kind: The loss.
        beta: How far the model may move from where it was; lower is farther.
        smoothing: Of ``dpo``.
        gamma: The margin of ``simpo``.

    Raises:
        SettingsError: There is no such loss, or it needs a reference.
    """

    def __init__(
        self,
        examples: Preferences,
        reference: Float[Tensor, "2 N"] | None = None,
        *,
        kind: Kind = "dpo",
        beta: float = 0.1,
        smoothing: float = 0.0,
        gamma: float = 0.5,
    ) -> None:
        if kind not in get_args(Kind):
            raise SettingsError(
                "There is no preference loss {kind!r}; choose one of {known}.",
                kind=kind,
                known=", ".join(get_args(Kind)),
            )
        if reference is None and kind not in FREE:
            raise SettingsError(
                "The preference loss {kind} needs to know what the model said before; choose "
                "simpo or orpo to tune without.",
                kind=kind,
            )
        self.examples, self.lengths, self.kind = examples, examples.lengths, kind
        self.beta, self.smoothing, self.gamma = beta, smoothing, gamma
        self.reference = torch.zeros(2, len(examples)) if reference is None else reference
        self._sizes = examples.sizes

    def count(self, batch: Any) -> int:
        """One target a pair."""
        return len(batch)

    def loss(self, model: Any, run: Sequence[int]) -> Tensor:
        """The summed loss of a run of pairs, in fp32."""
        better, worse = self._gained(model, run)
        loss: Tensor = self._loss(better, worse).sum()
        return loss

    def margins(self, model: Any, run: Sequence[int]) -> Float[Tensor, "R"]:
        """Each pair's m − m₀ (m without a reference): positive where the better answer gained."""
        gained = self._gained(model, run)
        return gained[0] - gained[1]

    def _gained(self, model: Any, run: Sequence[int]) -> Float[Tensor, "2 R"]:
        rows = list(run)
        found = answer_log_probabilities(model, self.examples, rows)
        gained = found - self.reference[:, rows].to(found.device)
        if self.kind in PER_TOKEN:
            gained = gained / self._sizes[:, rows].to(found.device)
        return gained

    def _loss(self, better: Tensor, worse: Tensor) -> Tensor:
        margin = better - worse
        losses: dict[Kind, Callable[[], Tensor]] = {
            "dpo": lambda: (
                -(1 - self.smoothing) * F.logsigmoid(self.beta * margin)
                - self.smoothing * F.logsigmoid(-self.beta * margin)
            ),
            "ipo": lambda: (margin - 1 / (2 * self.beta)).square(),
            "hinge": lambda: F.relu(1 - self.beta * margin),
            "simpo": lambda: -F.logsigmoid(self.beta * margin - self.gamma),
            "orpo": lambda: -better - self.beta * F.logsigmoid(_log_odds(better, worse)),
        }
        return losses[self.kind]()


def _log_odds(better: Tensor, worse: Tensor) -> Tensor:
    """Of the better answer over the worse one, from log-probabilities below 0."""
    others = [torch.log(-torch.expm1(side.clamp(max=-1e-6))) for side in (better, worse)]
    return (better - others[0]) - (worse - others[1])
