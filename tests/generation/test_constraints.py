"""Answers under a constraint: always in its language, and the likeliest there."""

import json
import sys
from dataclasses import replace
from functools import cache
from typing import Any

import jsonschema
import pytest
import torch

from mason.errors import SettingsError, TokenizerError
from mason.generation import Constraint, Generated, Sampling, generate, stream
from mason.models.packed import Packed
from mason.models.transformer import Transformer
from mason.sources import find_model
from mason.text import Tokenizer
from mason.text.loading import load_tokenizer
from mason.workflows import Writer, load
from tests.models.small import SPECS

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 11},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "tags": {"type": "array", "items": {"enum": ["red", "green"]}, "maxItems": 2},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}
PERSON = Constraint.json_schema(SCHEMA)
TEXTS = ["A person as JSON: ", "Bob, 40 years old, likes red. {", "x"]


@pytest.fixture(scope="module")
def writer() -> Writer:
    found = load("SmolLM2-135M-Instruct", task="generation")
    assert isinstance(found, Writer)
    return found


@pytest.fixture(scope="module")
def tokenizer(writer: Writer) -> Tokenizer:
    return writer.tokenizer


@cache
def small(tokenizer: Tokenizer, topology: Any) -> Transformer:
    """A random model with SmolLM2's vocabulary."""
    torch.manual_seed(7)
    spec = SPECS[topology]
    stacks = {
        name: replace(stack, embedding=replace(stack.embedding, vocab_size=tokenizer.num_tokens))
        for name in ("encoder", "decoder")
        if (stack := getattr(spec, name)) is not None
    }
    return Transformer(replace(spec, **stacks))


def whole(found: list[Generated]) -> list[Generated]:
    """Every answer."""
    return [answer for best in found for answer in (best, *best.others)]


def test_the_likeliest_of_a_finite_language(writer: Writer) -> None:
    """By hand: a token may come if what it spells begins one of the words."""
    words = ["very small", "very large", "vast", "huge and very old"]
    constraint = Constraint.regex("|".join(words))
    found = writer.generate("The whale is ", Sampling(20, constraint=constraint))
    pieces = [writer.tokenizer.decode([id]) for id in range(writer.tokenizer.num_tokens)]
    ids, text = writer.tokenizer.encode_ids(["The whale is "])[0], ""
    while text not in words:
        with torch.inference_mode():
            scores = writer.network.heads["language"](writer.network(Packed.of([ids]))[-1:])[0]
        fits = [
            id
            for id, piece in enumerate(pieces)
            if piece and any(word.startswith(text + piece) for word in words)
        ]
        best = max(fits, key=lambda id: float(scores[id]))
        ids, text = [*ids, best], text + pieces[best]
    assert (found.text, found.finish) == (text, "stop")


def test_a_schema_is_met(writer: Writer) -> None:
    """In a batch as alone, watched as whole, with guesses as without."""
    sampling = Sampling(60, constraint=PERSON)
    together = writer.generate(TEXTS, sampling)
    for answer in together:
        jsonschema.validate(json.loads(answer.text), SCHEMA)
        assert answer.finish == "stop"
    assert "".join(writer.stream(TEXTS[0], sampling)) == together[0].text
    drafted = writer.generate(TEXTS[1], replace(sampling, num_drafts=4))
    assert drafted.tokens == together[1].tokens


@pytest.mark.parametrize("topology", ["decoder", "encoder-decoder"])
def test_a_random_model_of_each_topology(tokenizer: Tokenizer, topology: str) -> None:
    """Recursion, which no regular expression has."""
    constraint = Constraint.grammar('start: pair\npair: "(" (pair | DIGIT)? ")"\nDIGIT: /[0-9]/')
    sampling = Sampling(
        20, temperature=1.0, num_return=5, constraint=constraint, stop_tokens=(2,), seed=3
    )
    model, prompts = small(tokenizer, topology), [[5, 17, 29], [11]]
    found = whole(generate(model, prompts, sampling, tokenizer=tokenizer))
    alone = [generate(model, [prompt], sampling, tokenizer=tokenizer)[0] for prompt in prompts]
    assert [a.tokens for a in found] == [a.tokens for a in whole(alone)]
    ended = [answer.text for answer in found if answer.finish == "stop"]
    for text in ended:
        depth = text.count("(")
        assert text.strip("()") in "0123456789" and text.count(")") == depth > 0
    assert ended
    assert all(len(answer.tokens) == 20 for answer in found if answer.finish == "length")


def test_where_it_may_end_the_model_decides(tokenizer: Tokenizer) -> None:
    model = small(tokenizer, "decoder")
    sampling = Sampling(9, constraint=Constraint.regex("a*"), stop_tokens=(2,))
    (going,) = generate(model, [[5]], replace(sampling, logit_bias={2: -99.0}), tokenizer=tokenizer)
    assert set(going.text) == {"a"} and going.finish == "length"
    (ended,) = generate(model, [[5]], replace(sampling, logit_bias={2: 99.0}), tokenizer=tokenizer)
    assert (ended.tokens, ended.finish) == ([2], "stop")


def test_a_bias_against_all_that_fits_is_overruled(tokenizer: Tokenizer) -> None:
    model = small(tokenizer, "decoder")
    (a,) = tokenizer.encode_ids(["a"])[0]
    for temperature in (0.0, 1.0):
        sampling = Sampling(
            9,
            temperature=temperature,
            constraint=Constraint.regex("a"),
            logit_bias={a: float("-inf")},
            stop_tokens=(2,),
        )
        (found,) = generate(model, [[5]], sampling, tokenizer=tokenizer)
        assert (found.text, found.finish) == ("a", "stop")


REFUSED = {
    "no JSON": (Constraint.json_schema("{"), "JSON schema cannot be followed: EOF"),
    "no schema": (Constraint.json_schema('{"type": "foo"}'), "Invalid type: foo"),
    "unknown keyword": (Constraint.json_schema({"uniqueItems": True}), "Unimplemented keys"),
    "elsewhere": (Constraint.json_schema({"$ref": "http://a/b.json"}), "does not fetch"),
    "nowhere": (Constraint.json_schema({"$ref": "#/$defs/a"}), "does not exist"),
    "itself": (Constraint.json_schema({"$ref": "#"}), "nothing fits it"),
    "contradiction": (
        Constraint.json_schema({"type": "integer", "minimum": 3, "maximum": 2}),
        "minimum",
    ),
    "deep": (Constraint.json_schema('{"items":' * 20_000), "recursion limit"),
    "unclosed": (Constraint.regex("("), "regular expression cannot be followed: unclosed group"),
    "look-ahead": (Constraint.regex("(?=a)a"), "look-ahead"),
    "nothing": (Constraint.regex(r"[^\s\S]"), "nothing fits it"),
    "no end": (Constraint.grammar('start: "a" start'), "raise max_new_tokens"),
    "too long": (Constraint.regex("(a{99}){99}"), "raise max_new_tokens"),
    "no grammar": (Constraint.grammar("hello"), "Expected token ':'"),
    "unknown rule": (Constraint.grammar("start: foo"), 'unknown name: "foo"'),
    "nested": (Constraint.grammar(f"start: {'(' * 9_999}"), "too deeply nested"),
    "empty": (Constraint.grammar(""), "Empty grammar"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_constraints_are_refused_in_a_sentence(tokenizer: Tokenizer, name: str) -> None:
    constraint, reason = REFUSED[name]
    sampling = Sampling(9, constraint=constraint, stop_tokens=(2,))
    with pytest.raises(SettingsError, match=reason.replace("(", r"\(")) as caught:
        generate(small(tokenizer, "decoder"), [[5]], sampling, tokenizer=tokenizer)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_backtracking_has_no_price(tokenizer: Tokenizer) -> None:
    """An expression that takes backtracking matchers exponential time."""
    sampling = Sampling(40, constraint=Constraint.regex("(a+)+(a|aa)*b"), stop_tokens=(2,))
    (found,) = generate(small(tokenizer, "decoder"), [[5]], sampling, tokenizer=tokenizer)
    assert set(found.text) <= set("ab") and found.finish in ("stop", "length")


def test_what_does_not_go_with_a_constraint(tokenizer: Tokenizer) -> None:
    model, constraint = small(tokenizer, "decoder"), Constraint.regex("a")
    with pytest.raises(SettingsError, match="Beam search follows no constraint"):
        Sampling(num_beams=2, constraint=constraint)
    with pytest.raises(SettingsError, match="has 200001 characters"):
        Constraint.regex("a" * 200_001)
    with pytest.raises(SettingsError, match="needs a tokenizer"):
        generate(model, [[5]], Sampling(3, constraint=constraint))
    with pytest.raises(SettingsError, match="ends at a stop token"):
        none = Sampling(3, constraint=constraint, stop_tokens=())
        next(stream(model, [5], none, tokenizer=tokenizer))
    pieces = load_tokenizer(find_model("all-MiniLM-L6-v2"))
    with pytest.raises(TokenizerError, match="llguidance cannot read its tokenizer"):
        sampling = Sampling(3, constraint=constraint, stop_tokens=(2,))
        generate(model, [[5]], sampling, tokenizer=pieces)


def test_llguidance_is_asked_for_by_name(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "llguidance", None)
    sampling = Sampling(3, constraint=Constraint.regex("a"), stop_tokens=(2,))
    with pytest.raises(SettingsError, match=r"pip install \"mason-lm\[constrained\]\""):
        generate(small(tokenizer, "decoder"), [[5]], sampling, tokenizer=tokenizer)
