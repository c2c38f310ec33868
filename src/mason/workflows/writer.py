"""A model that writes: it goes on from a text, or answers in a conversation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, overload

import torch

from mason.errors import CheckpointError, DataError, SettingsError
from mason.explanation import Subject
from mason.explanation.numbers import RowOdds
from mason.generation import Constraint as Constraint
from mason.generation import Generated as Generated
from mason.generation import Sampling as Sampling
from mason.generation import generate, stream
from mason.layers import hold_in_int4, hold_in_int8
from mason.models.packed import Packed
from mason.models.transformer import Transformer, device_of
from mason.security.guard import GUARD
from mason.text import Encoding
from mason.text.chat import Message, chat_ids
from mason.text.infilling import infill_ids
from mason.workflows.model import Model
from mason.workflows.opening import Chosen, Opened, facts_error, open_model

HEAD = "language"
Weights = Literal["fp32", "bf16", "int8", "int4"]
"""How weights are held while a model writes."""
_LIKELIEST = Sampling()


@dataclass
class Writer(Model):
    """A language model: a decoder, with or without an encoder.

    Attributes:
        guard: The guard that ``mason chat`` and ``mason serve`` put around it; None: none.
    """

    task: ClassVar[str] = "generation"

    guard: str | None = None

    @overload
    def generate(
        self,
        prompts: str,
        sampling: Sampling = ...,
        *,
        draft: "Writer | None" = ...,
        suffix: str | None = ...,
    ) -> Generated: ...

    @overload
    def generate(
        self,
        prompts: list[str],
        sampling: Sampling = ...,
        *,
        draft: "Writer | None" = ...,
        suffix: str | None = ...,
    ) -> list[Generated]: ...

    def generate(
        self,
        prompts: str | list[str],
        sampling: Sampling = _LIKELIEST,
        *,
        draft: "Writer | None" = None,
        suffix: str | None = None,
    ) -> Generated | list[Generated]:
        """Go on from a text, or from each of a list of them.

        Args:
            prompts: Texts.
            sampling: How much to write, and how tokens are chosen.
            draft: A smaller model with the same tokens that guesses ahead.
            suffix: What follows the gap that is to be filled; None: there is no gap.

        Raises:
            MasonError: A text is empty or too long, the settings do not fit together, or the
                model does not know fill-in-the-middle.
        """
        texts = [prompts] if isinstance(prompts, str) else prompts
        found = self._write([self.encode_prompt(text, suffix) for text in texts], sampling, draft)
        return found[0] if isinstance(prompts, str) else found

    def hold(self, weights: Weights) -> None:
        """Hold the weights in another precision from now on; what is rounded stays rounded.

        Args:
            weights: fp32 as computed in, bf16 in half the bytes, int8 in a quarter, or int4,
                whose layers take a sixth and make short batches fastest.
        """
        if weights in ("int8", "int4"):
            hold = hold_in_int8 if weights == "int8" else hold_in_int4
            hold(self.network)
        else:
            self.network.to(torch.bfloat16 if weights == "bf16" else torch.float32)

    def predict(self, *given: Any, **options: Any) -> Any:
        """See ``generate``."""
        return self.generate(*given, **options)

    def stream(
        self,
        prompt: str,
        sampling: Sampling = _LIKELIEST,
        *,
        draft: "Writer | None" = None,
        suffix: str | None = None,
    ) -> Iterator[str]:
        """What ``generate`` writes, piece by piece; never half a character."""
        return self._stream(self.encode_prompt(prompt, suffix), sampling, draft)

    def reply(
        self,
        messages: Sequence[Message],
        sampling: Sampling = _LIKELIEST,
        *,
        draft: "Writer | None" = None,
    ) -> Generated:
        """The next turn of a conversation, by the model's own chat template.

        Args:
            messages: Each with ``role`` and ``content``.
            sampling: How much to write, and how tokens are chosen.
            draft: A smaller model with the same tokens that guesses ahead.

        Raises:
            MasonError: There is no chat template, or it refuses the conversation.
        """
        return self._write([chat_ids(self.tokenizer, messages)], sampling, draft)[0]

    def stream_reply(
        self,
        messages: Sequence[Message],
        sampling: Sampling = _LIKELIEST,
        *,
        draft: "Writer | None" = None,
    ) -> Iterator[str]:
        """What ``reply`` writes, piece by piece."""
        return self._stream(chat_ids(self.tokenizer, messages), sampling, draft)

    def subject(self, text: str, *, why: str | None = None) -> Subject:
        """The token that comes next after a text.

        Args:
            text: What is read.
            why: What to explain in its place: the first token of this; None: the likeliest.

        Raises:
            MasonError: The text is empty, or an encoder reads it.
        """
        if self.network.encoder is not None:
            raise SettingsError(
                "Load this model for its own task, such as translation, to explain."
            )
        size = len(self.encode_prompt(text))
        if not size:
            raise DataError("The text is empty; give one with words.")
        found = self.tokenizer.encode([text])[0]
        cut = Encoding(
            found.ids[:size],
            found.type_ids[:size],
            found.spans[:size],
            found.parts[:size],
            found.cut,
        )
        if why is not None:
            index = self.tokenizer.encode_ids([why], special=False)[0][0]
        else:
            with torch.no_grad():
                packed = Packed.of([cut.ids], device=device_of(self.network))
                logits = self.network.logits(HEAD, packed, at=packed.layout.last)
            index = int(logits[0].argmax())
        return Subject.of(
            self.network,
            self.tokenizer,
            [text],
            cut,
            number=RowOdds(HEAD, index),
            answer=self.tokenizer.decode([index]),
            asked=(size - 1,),
        )

    def facts(self) -> dict[str, Any]:
        """The guard around it, where there is one."""
        return {} if self.guard is None else {"guard": self.guard}

    def write_after(self, prompts: list[list[int]], sampling: Sampling) -> list[Generated]:
        """What ``generate`` writes after prompts that are tokens already."""
        return self._write(prompts, sampling, None)

    def _write(
        self, prompts: list[list[int]], sampling: Sampling, draft: "Writer | None"
    ) -> list[Generated]:
        settled = self._settled(sampling)
        return generate(
            self.network, prompts, settled, tokenizer=self.tokenizer, draft=_network(draft)
        )

    def _stream(
        self, prompt: list[int], sampling: Sampling, draft: "Writer | None"
    ) -> Iterator[str]:
        settled = self._settled(sampling)
        return stream(
            self.network, prompt, settled, tokenizer=self.tokenizer, draft=_network(draft)
        )

    def encode_prompt(self, text: str, suffix: str | None = None) -> list[int]:
        """A text to go on from, and perhaps what follows the gap, as the network reads it."""
        if suffix is not None:
            ids = infill_ids(self.tokenizer, text, suffix)
            # An encoder reads the token that ends a text, as it did when it learned.
            return ids if self.network.encoder is None else [*ids, *self.end_tokens[:1]]
        (ids,) = self.tokenizer.encode_ids([text])
        # A text that goes on has no end yet, whatever the tokenizer puts there.
        if self.network.encoder is None and ids and ids[-1] == self.tokenizer.special.eos:
            ids = ids[:-1]
        return ids

    def _settled(self, sampling: Sampling) -> Sampling:
        if sampling.stop_tokens is not None:
            return sampling
        return replace(sampling, stop_tokens=self.end_tokens)

    @property
    def end_tokens(self) -> tuple[int, ...]:
        """What ends an answer; chat models often use another token than their config names."""
        ends, own = self.network.spec.special.eos, self.tokenizer.special.eos
        known = {*(ends if isinstance(ends, tuple) else (ends,)), own}
        return tuple(sorted(end for end in known if end is not None))


def load_writer(path: Path, chosen: Chosen) -> Writer:
    """A model that writes, from where ``find_model`` found it.

    Raises:
        MasonError: It cannot be read, or it does not write.
    """
    opened = open_model(path, chosen, heads=(HEAD,))
    fresh = any(name.startswith(f"heads.{HEAD}.output") for name in opened.fresh)
    if opened.network.decoder is None or fresh:
        raise CheckpointError(
            "{source} has not been trained to write; give a decoder such as SmolLM2-135M-Instruct, "
            "or a translation model.",
            source=chosen.source,
        )
    return opened.become(Writer, guard=guard_of(opened))


def guard_of(opened: Opened) -> str | None:
    """The guard that a folder asks for.

    Raises:
        CheckpointError: This version does not know it.
    """
    name = opened.facts().get("guard")
    if name not in (None, GUARD):
        raise facts_error(opened.folder)
    return name


def _network(draft: Writer | None) -> Transformer | None:
    return None if draft is None else draft.network


def guard_chosen(model: Writer, asked: bool | None) -> str | None:
    """The guard that stands around a model: as asked, or as its folder says."""
    if asked is None:
        return model.guard
    return GUARD if asked else None
