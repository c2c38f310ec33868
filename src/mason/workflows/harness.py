"""A model of Mason's under EleutherAI's lm-evaluation-harness, for the tasks that are there."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mason.errors import SettingsError
from mason.evaluation.likelihoods import likelihoods
from mason.generation import Sampling, generate
from mason.workflows.writer import Writer

if TYPE_CHECKING:
    from lm_eval.api.model import TemplateLM

_MOST_NEW = 256
"""Tokens of an answer where a task does not say; the harness's own default."""


def harness(model: Writer) -> "TemplateLM":
    """What ``lm_eval.simple_evaluate(model=…)`` takes, for a language model.

    Texts are cut into tokens as the harness does it for transformers' models, without padding;
    a context that several answers share is read once.

    Args:
        model: A decoder, as ``mason.load(…, task="generation")`` gives it.

    Raises:
        SettingsError: lm-eval is not installed, or the model has an encoder.
    """
    try:
        from lm_eval.api.model import TemplateLM
    except ImportError:
        raise SettingsError(
            "The tasks of lm-evaluation-harness need lm-eval; install it with pip install "
            "'mason-lm[lm-eval]'."
        ) from None
    if model.network.encoder is not None:
        raise SettingsError(
            "The harness asks models that go on from a text; this one has an encoder."
        )
    asked: TemplateLM = type("Asked", (_Answers, TemplateLM), {})()
    asked.answering = model
    return asked


class _Answers:
    """The harness's questions, answered by a model; named as its ``TemplateLM`` names them."""

    answering: Writer

    @property
    def eot_token_id(self) -> int:
        special = self.answering.tokenizer.special
        end = special.eos if special.eos is not None else special.bos
        return 0 if end is None else end

    @property
    def prefix_token_id(self) -> int:
        first = self.answering.tokenizer.special.bos
        return self.eot_token_id if first is None else first

    @property
    def max_length(self) -> int:
        return self.answering.network.spec.max_tokens or 2048

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **_: Any
    ) -> list[int]:
        special, tokenizer = add_special_tokens is not False, self.answering.tokenizer
        (ids,) = tokenizer.encode_ids([string], special=special)
        # A text that goes on has no end yet, whatever the tokenizer puts there.
        ended = special and bool(ids) and ids[-1] == tokenizer.special.eos
        return ids[:-1] if ended else ids

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], **_: Any
    ) -> list[tuple[float, bool]]:
        asked = []
        for _told, text, following in requests:
            room = max(1, self.max_length - len(following))
            asked.append((text[-room:], following[: self.max_length - 1]))
        return likelihoods(self.answering.network, asked)

    def loglikelihood_rolling(
        self, requests: Sequence[Any], disable_tqdm: bool = False
    ) -> list[float]:
        return [self._whole(*request.args) for request in requests]

    def _whole(self, text: str) -> float:
        from lm_eval import utils

        windows = utils.get_rolling_token_windows(
            self.tok_encode(text), self.prefix_token_id, self.max_length - 1, 1
        )
        pairs = list(map(utils.make_disjoint_window, windows))
        return sum(found for found, _ in likelihoods(self.answering.network, pairs))

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        texts, given = zip(*(request.args for request in requests), strict=True)
        found = [""] * len(texts)
        alike: dict[str, list[int]] = {}
        for i, options in enumerate(given):
            alike.setdefault(repr(sorted(options.items())), []).append(i)
        for places in alike.values():
            answers = self._go_on([texts[i] for i in places], given[places[0]])
            for i, answer in zip(places, answers, strict=True):
                found[i] = answer
        return found

    def _go_on(self, texts: Sequence[str], options: Mapping[str, Any]) -> list[str]:
        model, stops = self.answering, options.get("until") or ()
        heat = float(options.get("temperature") or 0.0)
        sampling = Sampling(
            max_new_tokens=int(options.get("max_gen_toks", _MOST_NEW)),
            temperature=heat if options.get("do_sample") else 0.0,
            stop=(stops,) if isinstance(stops, str) else tuple(filter(None, stops)),
        )
        room = max(1, self.max_length - sampling.max_new_tokens)
        prompts = [self.tok_encode(text)[-room:] for text in texts]
        answers = generate(model.network, prompts, sampling, tokenizer=model.tokenizer)
        return [answer.text for answer in answers]
