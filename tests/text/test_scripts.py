"""What is learned of a conversation, token by token, is what is asked when it is served."""

from functools import cache
from typing import Any

import pytest

from mason.errors import DataError, TokenizerError
from mason.sources import find_model
from mason.text import Tokenizer
from mason.text.chat import CHATML, chat_ids
from mason.text.loading import load_tokenizer
from mason.text.scripts import LossOn, script_of

TALK: list[dict[str, Any]] = [
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": "你好"},
    {"role": "assistant", "content": "Hello 你好\n!"},
    {"role": "user", "content": "And?"},
    {"role": "assistant", "content": "Bye."},
    {"role": "user", "content": "No."},
]
MARKED = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}"
    "{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}{% else %}{{ m.content }}"
    "<|im_end|>{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
OPEN = MARKED.replace("<|im_end|>{% endgeneration %}", "{% endgeneration %}<|im_end|>")
FORGETFUL = (  # what was answered before is shortened once something follows, as thoughts are
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{{ m.content if loop.last or m.role == 'user' else m.content[:2] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer_with(template: str | None = None) -> Tokenizer:
    found = _loaded()
    found.config["chat_template"] = template or found.config["own"]
    return found


@cache
def _loaded() -> Tokenizer:
    found = load_tokenizer(find_model("SmolLM2-135M-Instruct"))
    found.config["own"] = found.chat_template
    return found


def learned(tokenizer: Tokenizer, loss_on: LossOn = "answers") -> list[str]:
    """The runs of learned tokens, spelled."""
    script = script_of(tokenizer, TALK, ends={tokenizer.special.eos or 0}, loss_on=loss_on)
    runs: list[list[int]] = [[]]
    for id, wanted in zip(script.ids, script.learned, strict=True):
        runs = [*runs[:-1], [*runs[-1], id]] if wanted else [*runs, []] if runs[-1] else runs
    return [tokenizer.decode(run, skip_special=False) for run in runs if run]


@pytest.mark.parametrize("template", [None, CHATML, MARKED], ids=["its own", "chatml", "marked"])
def test_the_answers_and_the_end_of_their_turns_are_learned(template: str | None) -> None:
    tokenizer = tokenizer_with(template)
    assert learned(tokenizer) == ["Hello 你好\n!<|im_end|>", "Bye.<|im_end|>"]
    assert learned(tokenizer, "last") == ["Bye.<|im_end|>"]
    (everything,) = learned(tokenizer, "everything")
    assert everything.rstrip().endswith("<|im_start|>user\nNo.<|im_end|>")


def test_an_answer_of_no_weight_is_read_and_not_learned() -> None:
    tokenizer = tokenizer_with()
    ends = {tokenizer.special.eos or 0}
    talk = [said | {"weight": int(i == 4)} for i, said in enumerate(TALK)]
    whole, part = (script_of(tokenizer, told, ends=ends) for told in (TALK, talk))
    assert part.ids == whole.ids and part.answers == whole.answers[1:]
    with pytest.raises(DataError, match="Nobody answers"):
        script_of(tokenizer, [said | {"weight": 0} for said in TALK], ends=ends)


@pytest.mark.parametrize("template", [None, CHATML, MARKED], ids=["its own", "chatml", "marked"])
def test_up_to_an_answer_the_tokens_are_those_that_are_served(template: str | None) -> None:
    tokenizer = tokenizer_with(template)
    script = script_of(tokenizer, TALK, ends={tokenizer.special.eos or 0})
    for (begin, end), number in zip(script.answers, (2, 4), strict=True):
        assert script.ids[:begin] == chat_ids(tokenizer, TALK[:number])
        assert script.ids[end - 1] == tokenizer.special.eos and script.learned[end - 1]
    assert script.closed and len(script.ids) == script.answers[-1][1]


def test_a_conversation_is_cut_after_a_whole_answer() -> None:
    tokenizer = tokenizer_with()
    script = script_of(tokenizer, TALK, ends={tokenizer.special.eos or 0})
    first, second = (end for _, end in script.answers)
    for most, end in ((second, second), (second - 1, first), (first, first)):
        cut = script.cut(most)
        assert cut is not None and len(cut.ids) == end and cut.learned[-1]
    assert script.cut(first - 1) is None


def test_an_end_of_turn_that_is_never_learned_is_seen() -> None:
    tokenizer = tokenizer_with(OPEN)
    assert not script_of(tokenizer, TALK, ends={tokenizer.special.eos or 0}).closed
    own = tokenizer_with()
    assert not script_of(own, TALK, ends={0}).closed  # eos_token names another token


def test_a_template_that_rewrites_what_was_said_is_refused_but_for_the_last_answer() -> None:
    tokenizer = tokenizer_with(FORGETFUL)
    ends = {tokenizer.special.eos or 0}
    with pytest.raises(DataError, match="otherwise than it is served when turn 3 is asked for"):
        script_of(tokenizer, TALK, ends=ends)
    assert script_of(tokenizer, TALK, ends=ends, loss_on="last").closed


def test_who_speaks_first_cannot_be_asked() -> None:
    tokenizer = tokenizer_with()
    talk = [{"role": "assistant", "content": "Welcome."}, *TALK[1:3]]
    script = script_of(tokenizer, talk, ends={tokenizer.special.eos or 0})
    assert len(script.answers) == 1
    with pytest.raises(DataError, match="Nobody answers"):
        script_of(tokenizer, talk[:2], ends=set())
    with pytest.raises(TokenizerError, match="without a chat template"):
        script_of(load_tokenizer(find_model("all-MiniLM-L6-v2")), TALK, ends=set())
