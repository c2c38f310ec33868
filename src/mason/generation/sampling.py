"""How the next token is chosen: every knob of generation in one place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mason.errors import SettingsError
from mason.generation.constraints import Constraint

EarlyStopping = bool | Literal["never"]


@dataclass(frozen=True)
class Sampling:
    """What to generate, and how; the defaults take the likeliest token every time.

    Temperature, top-k, top-p and min-p apply in this order, after bias and penalties, as in
    transformers.
    """

    max_new_tokens: int = 128
    temperature: float = 0.0
    """Logits are divided by this before a token is drawn; 0: take the likeliest."""
    top_k: int | None = None
    """Draw from the k likeliest (Fan et al. 2018)."""
    top_p: float = 1.0
    """Draw from the likeliest that make up this probability (Holtzman et al. 2020)."""
    min_p: float = 0.0
    """Draw from those at least this likely beside the likeliest (Nguyen et al. 2024)."""
    repetition_penalty: float = 1.0
    """Above 1 makes every token that was there less likely (Keskar et al. 2019)."""
    frequency_penalty: float = 0.0
    """Taken off a token's logit for each time it was generated."""
    presence_penalty: float = 0.0
    """Taken off a token's logit once it was generated."""
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    """Added to the logits of these tokens."""
    seed: int = 0
    """With a prompt, decides what is drawn for it, whatever else is in the batch."""
    stop: tuple[str, ...] = ()
    """Texts that end the answer; they are not part of it."""
    stop_tokens: tuple[int, ...] | None = None
    """Tokens that end the answer; None: the model's end-of-sequence."""
    num_return: int = 1
    """Answers to each prompt, best first."""
    num_beams: int = 1
    """Answers that are followed at once; above 1 is beam search."""
    length_penalty: float = 1.0
    """A beam's log-probability is divided by its length to this power."""
    early_stopping: EarlyStopping = False
    """Stop when there are as many answers as beams (True), when a better one is unlikely
    (False), or when none can come ("never")."""
    num_drafts: int = 0
    """Tokens guessed ahead and checked in one go (Leviathan et al. 2023); the answers stay
    the same."""
    prefill_chunk: int | None = None
    """Most tokens of a prompt that are read at once; None: all."""
    constraint: Constraint | None = None
    """What the answer has to be: a JSON schema, a regular expression or a grammar."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise _out_of_range(name, value, low, high)
        if not 0 < self.top_p <= 1 or self.repetition_penalty <= 0:
            name = "repetition_penalty" if 0 < self.top_p <= 1 else "top_p"
            raise SettingsError(
                "{name} is {value}; give a number above 0.", name=name, value=getattr(self, name)
            )
        if "" in self.stop:
            raise SettingsError("A stop text is empty; give at least one character.")
        if self.num_beams > 1 and (self.temperature or self.num_drafts):
            raise SettingsError(
                "Beam search follows the likeliest answers; leave temperature and num_drafts at "
                "0, or num_beams at 1."
            )
        if self.num_beams > 1 and self.stop:
            raise SettingsError("Beam search ends at stop tokens alone; leave the stop texts out.")
        if self.num_beams > 1 and self.constraint is not None:
            raise SettingsError("Beam search follows no constraint; leave num_beams at 1.")
        if self.num_return > self.num_beams and not self.temperature:
            raise SettingsError(
                "{count} answers need a temperature above 0, or as many beams.",
                count=self.num_return,
            )

    @property
    def penalises(self) -> bool:
        """Whether the choice depends on the tokens before, beyond what the model makes of them."""
        penalties = self.repetition_penalty, self.frequency_penalty, self.presence_penalty
        return penalties != (1.0, 0.0, 0.0)

    @property
    def is_plain(self) -> bool:
        """Whether the likeliest token is taken every time, as the model has it."""
        return not (self.temperature or self.penalises or self.logit_bias or self.constraint)


_MANY = 10**9
_RANGES: tuple[tuple[str, float, float], ...] = (
    ("max_new_tokens", 1, _MANY),
    ("temperature", 0.0, 100.0),
    ("top_k", 1, _MANY),
    ("top_p", 0.0, 1.0),
    ("min_p", 0.0, 1.0),
    ("repetition_penalty", 0.0, 100.0),
    ("frequency_penalty", -100.0, 100.0),
    ("presence_penalty", -100.0, 100.0),
    ("num_return", 1, 10_000),
    ("num_beams", 1, 10_000),
    ("num_drafts", 0, 1_000),
    ("prefill_chunk", 1, _MANY),
)


def _out_of_range(name: str, value: Any, low: float, high: float) -> SettingsError:
    if high >= _MANY:
        return SettingsError(
            "{name} is {value}; give {low} or more.", name=name, value=value, low=low
        )
    return SettingsError(
        "{name} is {value}; give a number from {low} to {high}.",
        name=name,
        value=value,
        low=low,
        high=high,
    )
