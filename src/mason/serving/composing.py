"""From a request for text to answers that a batch can take up."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from mason.errors import DataError, MasonError
from mason.generation import Constraint, Sampling
from mason.generation.batching import Answer, begin, start
from mason.generation.lines import answers_before
from mason.serving.limits import Limits
from mason.serving.refusals import Refusal, bad_request, out_of_room
from mason.serving.requests import ChatRequest, SchemaFormat, TextRequest
from mason.serving.requests import Writing as Asked
from mason.serving.served import Writing
from mason.text.chat import Message, chat_ids

_MOST_SCHEMA = 16_384
"""Characters of a schema: one as long compiles in a fraction of a second."""


@dataclass(frozen=True)
class Composed:
    """The answers to one request, before they are begun.

    Attributes:
        answers: Of each prompt, one after another.
        prompt_tokens: Of all prompts.
        read: Of each answer the conversation that it ends, for a guard.
    """

    answers: list[Answer]
    prompt_tokens: int
    read: list[Sequence[Message]]


def compose_chat(model: Writing, asked: ChatRequest, limits: Limits) -> Composed:
    """A conversation's answers.

    Raises:
        Refusal: It cannot be answered.
    """
    if asked.top_logprobs and not asked.logprobs:
        raise bad_request(DataError("top_logprobs needs logprobs: true."), "top_logprobs")
    turns = [message.as_turn() for message in asked.messages]
    _guarded(model, probable=asked.logprobs)
    most = asked.max_completion_tokens or asked.max_tokens
    try:
        prompt = chat_ids(model.tokenizer, turns)
        return _compose(model, asked, [prompt], most, asked.top_logprobs, limits, [turns])
    except MasonError as error:
        raise bad_request(error) from None


def compose_texts(model: Writing, asked: TextRequest, limits: Limits) -> Composed:
    """What goes on from each prompt.

    Raises:
        Refusal: It cannot be answered.
    """
    given = [f"{prompt}{asked.suffix or ''}" for prompt in asked.prompts]
    read = [[{"role": "user", "content": text}] for text in given]
    _guarded(model, probable=asked.logprobs is not None)
    try:
        prompts = [model.encode(prompt, asked.suffix) for prompt in asked.prompts]
        return _compose(model, asked, prompts, asked.max_tokens, asked.logprobs or 0, limits, read)
    except MasonError as error:
        raise bad_request(error) from None


def _guarded(model: Writing, *, probable: bool) -> None:
    """Log-probabilities would say what a guard holds back."""
    if model.guard is not None and probable:
        raise bad_request(
            DataError("This server has a guard and gives no log-probabilities; leave them out."),
            "logprobs",
        )


def _scan(model: Writing, read: Sequence[Sequence[Message]]) -> None:
    """Turn away what reads as an order against the model's own, where there is a guard."""
    found = (model.guard.asked(turns) for turns in read) if model.guard else ()
    if why := next(filter(None, found), None):
        raise Refusal(400, DataError("{reason}", reason=why), code="content_filter")


def _compose(
    model: Writing,
    asked: Asked,
    prompts: Sequence[Sequence[int]],
    most: int | None,
    num_likeliest: int,
    limits: Limits,
    read: Sequence[Sequence[Message]],
) -> Composed:
    if len(prompts) * asked.n > limits.answers:
        raise bad_request(
            DataError("A request may have {limit} answers; ask for fewer.", limit=limits.answers),
            "n",
        )
    if asked.n > 1 and not asked.temperature:
        raise bad_request(
            DataError("Several answers need a temperature above 0: else they are the same."), "n"
        )
    room = _room(model, prompts, most, limits)
    _scan(model, read)  # after the length is known to be bounded
    sampling = _sampling(model, asked, room)
    guide = start(model.network, sampling, model.tokenizer, model.ends)
    answers = [
        begin(
            model.network,
            prompt,
            sampling,
            tokenizer=model.tokenizer,
            stops=model.ends,
            number=before + number,
            num_likeliest=num_likeliest,
            guide=guide,
        )
        for prompt, before in zip(prompts, answers_before(prompts, asked.n), strict=True)
        for number in range(asked.n)
    ]
    each = [turns for turns in read for _ in range(asked.n)]
    return Composed(answers, sum(map(len, prompts)), each)


def _room(
    model: Writing, prompts: Sequence[Sequence[int]], most: int | None, limits: Limits
) -> int:
    """Tokens that may be written after each prompt."""
    limit = min(model.network.spec.max_tokens or limits.running_tokens, limits.running_tokens)
    longest = max(map(len, prompts))
    if longest >= limit:
        raise out_of_room(longest, limit - 1)
    if most is None:
        return min(limits.default_new_tokens, limit - longest)
    if most > limits.new_tokens:
        raise _too_many(most, limits.new_tokens)
    if longest + most > limit:
        raise Refusal(
            400,
            DataError(
                "The prompt has {length} tokens and {most} new ones are asked for, but the model "
                "reads {limit}; shorten it, or ask for {room} or fewer.",
                length=longest,
                most=most,
                limit=limit,
                room=limit - longest,
            ),
            code="context_length_exceeded",
        )
    return most


def _too_many(most: int, limit: int) -> Refusal:
    return bad_request(
        DataError(
            "{most} new tokens are asked for; the server writes {limit} or fewer.",
            most=most,
            limit=limit,
        ),
        "max_tokens",
    )


def _sampling(model: Writing, asked: Asked, room: int) -> Sampling:
    size = model.network.spec.stack.embedding.vocab_size
    bias = {int(token): value for token, value in asked.logit_bias.items()}
    for token in bias:
        if token >= size:
            raise bad_request(
                DataError(
                    "logit_bias names the token {token}, but the vocabulary ends at {last}.",
                    token=token,
                    last=size - 1,
                ),
                "logit_bias",
            )
    return Sampling(
        max_new_tokens=room,
        temperature=asked.temperature,
        top_k=asked.top_k,
        top_p=asked.top_p,
        min_p=asked.min_p,
        repetition_penalty=asked.repetition_penalty,
        frequency_penalty=asked.frequency_penalty,
        presence_penalty=asked.presence_penalty,
        logit_bias=bias,
        seed=secrets.randbits(63) if asked.seed is None else asked.seed,
        stop=asked.stops,
        stop_tokens=model.ends,
        constraint=_constraint(asked),
    )


def _constraint(asked: Asked) -> Constraint | None:
    wanted = asked.response_format
    if wanted is None or wanted.type == "text":
        return None
    schema = wanted.json_schema.schema_ if isinstance(wanted, SchemaFormat) else {"type": "object"}
    constraint = Constraint.json_schema(schema)
    if len(constraint.text) > _MOST_SCHEMA:
        raise bad_request(
            DataError("The JSON schema has more than {limit} characters.", limit=_MOST_SCHEMA),
            "response_format",
        )
    return constraint
