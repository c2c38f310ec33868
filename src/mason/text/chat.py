"""A conversation as the text a model was trained on, by the template that comes with it."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NoReturn

from jinja2 import Template, TemplateError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mason.errors import DataError, TokenizerError
from mason.text.special import named_tokens
from mason.text.tokenizers import Tokenizer

Message = Mapping[str, Any]
"""``role`` and ``content``, and whatever else the template reads."""

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] "
    "+ '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""The plain template of ChatML, for models without one."""
CHATML_MARKS = ("<|im_start|>", "<|im_end|>")
_MARKS = {"mason_begin": "\ufdd0", "mason_end": "\ufdd1"}
"""What stands around the model's own words where it is asked for; no text holds these."""
_MOST_CHARACTERS, _MOST_SECONDS = 10_000_000, 10.0
"""A template comes with the model, from a stranger: it may not fill the memory, nor run on."""


def chat_text(
    tokenizer: Tokenizer, messages: Sequence[Message], *, answer: bool = True, **more: Any
) -> str:
    """The conversation as transformers' ``apply_chat_template`` gives it.

    Args:
        tokenizer: Its files hold the template.
        messages: Who said what.
        answer: End with what begins the model's answer.
        more: What else the template reads, such as ``tools``.

    Raises:
        TokenizerError: There is no template, or it cannot be used.
        DataError: The template refuses the conversation, or a message contains the name of a
            special token.
    """
    source = tokenizer.chat_template
    if source is None:
        raise TokenizerError(
            "The model comes without a chat template, so it is no chat model; use mason complete."
        )
    _check(tokenizer, messages)
    names = {f"{role}_token": text for role, text in named_tokens(tokenizer.config).items()}
    given = {**names, "tools": None, "documents": None, **more}
    try:
        parts = _compiled(source).generate(messages=messages, add_generation_prompt=answer, **given)
        return _joined(parts)
    except (TemplateError, TypeError, ValueError, KeyError, OverflowError) as error:
        raise DataError(
            "The model's chat template cannot write this conversation ({reason}); look at the "
            "roles and their order.",
            reason=" ".join(str(error).split()),
        ) from None


def marked_spans(
    tokenizer: Tokenizer, messages: Sequence[Message], **more: Any
) -> list[tuple[int, int]] | None:
    """Where the model's own words stand in ``chat_text(…, answer=False)``, in characters.

    None where the template does not mark them with ``{% generation %}``.

    Raises:
        MasonError: As for ``chat_text``.
    """
    if "generation" not in _statements(tokenizer.chat_template or ""):
        return None
    marked = chat_text(tokenizer, messages, answer=False, **_MARKS, **more)
    spans, length = [], 0
    for number, part in enumerate(re.split("[\ufdd0\ufdd1]", marked)):
        if number % 2:
            spans.append((length, length + len(part)))
        length += len(part)
    return spans


@cache
def _statements(source: str) -> frozenset[str]:
    return frozenset(re.findall(r"{%[-+]?\s*(\w+)", source))


def chat_ids(tokenizer: Tokenizer, messages: Sequence[Message], **options: Any) -> list[int]:
    """The conversation's tokens; see ``chat_text``."""
    text = chat_text(tokenizer, messages, **options)
    return tokenizer.encode_ids([text], special=False, parse_special=True)[0]


def _check(tokenizer: Tokenizer, messages: Sequence[Message]) -> None:
    """Refuse what a user could pass off as somebody else's turn."""
    names = tokenizer.special_names
    for number, message in enumerate(messages, start=1):
        content = json.dumps(message, ensure_ascii=False, default=str)
        if name := next((name for name in names if name in content), None):
            raise DataError(
                "Message {number} contains {name}, which marks turns for this model; leave it out.",
                number=number,
                name=name,
            )


def _joined(parts: Any) -> str:
    text, size, end = [], 0, time.monotonic() + _MOST_SECONDS
    for part in parts:
        text.append(part)
        size += len(part)
        if size > _MOST_CHARACTERS or time.monotonic() > end:
            raise TokenizerError(
                "The model's chat template does not come to an end; do not trust this model."
            )
    return "".join(text)


@cache
def _compiled(source: str) -> Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Answers, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda format: datetime.now().strftime(format)
    return environment.from_string(source)


class _Answers(Extension):
    """``{% generation %}`` marks the model's own words for training; they stay as they are."""

    tags = {"generation"}  # noqa: RUF012 - jinja2 declares it so

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        """The marked part, between what the render calls its marks: mostly nothing."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        begin, end = (nodes.Output([nodes.Name(name, "load")]).set_lineno(line) for name in _MARKS)
        return [begin, *body, end]


def _to_json(value: Any, indent: int | None = None, **options: Any) -> str:
    options.setdefault("ensure_ascii", False)
    return json.dumps(value, indent=indent, **options)


def _refuse(reason: str) -> NoReturn:
    raise TemplateError(reason)
