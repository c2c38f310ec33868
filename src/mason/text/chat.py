"""A conversation as the text a model was trained on, by the template that comes with it."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Template

from mason.errors import DataError, TokenizerError
from mason.text.sandbox import MARKS, EndlessError, Sandbox, within_bounds
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
_MARKS = dict(zip(MARKS, "\ufdd0\ufdd1", strict=True))
"""What stands around the model's own words where it is asked for; no text holds these."""
_LONGEST, _MOST_CHARACTERS = 200_000, 10_000_000
"""Of a template, and of what it writes."""
_MOST_REASON = 300


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
    given |= {"messages": messages, "add_generation_prompt": answer}
    try:
        with within_bounds(len(messages)):
            return _joined(_compiled(source).generate(**given))
    except EndlessError:
        raise TokenizerError(
            "The model's chat template does not come to an end; do not trust this model."
        ) from None
    except Exception as error:  # a stranger's code may raise anything
        raise DataError(
            "The model's chat template cannot write this conversation ({reason}); look at the "
            "roles and their order.",
            reason=_reason(error),
        ) from None


def _reason(error: Exception) -> str:
    try:
        return " ".join(str(error)[:_MOST_REASON].split())
    except Exception:  # it is made of what the template gave
        return type(error).__name__


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


def _joined(parts: Iterable[str]) -> str:
    text, size = [], 0
    for part in parts:
        text.append(part)
        size += len(part)
        if size > _MOST_CHARACTERS:
            raise EndlessError
    return "".join(text)


@cache
def _compiled(source: str) -> Template:
    if len(source) > _LONGEST:
        raise EndlessError
    return Sandbox().from_string(source)
