"""Text as it comes: whole characters, stop texts never seen, the pieces the whole."""

from dataclasses import replace
from random import Random

import pytest
import torch

from mason.errors import SettingsError
from mason.generation import Sampling, generate, stream
from mason.generation.lines import Line
from mason.models.transformer import Transformer
from mason.sources import find_model
from mason.text import Tokenizer
from mason.text.loading import load_tokenizer
from mason.text.streaming import TextStream
from tests.models.small import DECODER, SPECS

TEXT = "你好，世界 🎉👩‍👩‍👧 naïve — ʇxəʇ. The end of\n\nit 龘"


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Of SmolLM2: pieces of bytes, with many Chinese characters in several of them."""
    return load_tokenizer(find_model("SmolLM2-135M-Instruct"))


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> Transformer:
    torch.manual_seed(7)
    embedding = replace(DECODER.embedding, vocab_size=tokenizer.num_tokens)
    return Transformer(replace(SPECS["decoder"], decoder=replace(DECODER, embedding=embedding)))


@pytest.fixture(scope="module")
def babble(tokenizer: Tokenizer) -> Sampling:
    """Pieces of the text in any order, so that many characters stay unfinished."""
    (ids,) = tokenizer.encode_ids([TEXT])
    bias = dict.fromkeys(ids, 1000.0)
    return Sampling(60, temperature=1.0, stop_tokens=(), logit_bias=bias, seed=11)


def test_characters_come_whole(tokenizer: Tokenizer) -> None:
    (ids,) = tokenizer.encode_ids([TEXT])
    spelling = TextStream(tokenizer)
    pieces = [spelling.add(id) for id in ids]
    assert "".join(pieces) == TEXT
    assert "" in pieces, "some characters are several tokens"
    assert spelling.end() == ""


def test_a_mark_of_the_unknown_in_the_text_is_text(tokenizer: Tokenizer) -> None:
    (ids,) = tokenizer.encode_ids(["a \ufffd b"])
    spelling = TextStream(tokenizer)
    assert "".join(map(spelling.add, ids)) + spelling.end() == "a \ufffd b"


def test_half_a_character_is_told_at_the_end(tokenizer: Tokenizer) -> None:
    (ids,) = tokenizer.encode_ids(["a龘"])
    spelling = TextStream(tokenizer)
    assert "".join(map(spelling.add, ids[:-1])) == "a"
    assert set(spelling.end()) == {"\ufffd"}


def test_text_goes_on_from_a_prompt() -> None:
    """BERT's pieces have their space before them, unless nothing stands there."""
    tokenizer = load_tokenizer(find_model("all-MiniLM-L6-v2"))
    given, new = tokenizer.encode_ids(["the old man", "##s went home"], special=False)
    new = tokenizer.encode_ids(["went home"], special=False)[0]
    spelling = TextStream(tokenizer, given)
    assert "".join(map(spelling.add, new)) == " went home"


def test_pieces_are_the_whole(model: Transformer, tokenizer: Tokenizer, babble: Sampling) -> None:
    prompt = tokenizer.encode_ids(["Once upon"])[0]
    (whole,) = generate(model, [prompt], babble, tokenizer=tokenizer)
    assert whole.text == tokenizer.decode(whole.tokens)
    assert len(whole.tokens) == 60 and whole.text.count("\ufffd") > 3
    pieces = list(stream(model, prompt, babble, tokenizer=tokenizer))
    assert "".join(pieces) == whole.text
    assert len(pieces) > 20


def test_a_stop_text_ends_the_answer_and_is_not_seen(
    model: Transformer, tokenizer: Tokenizer, babble: Sampling
) -> None:
    prompt = tokenizer.encode_ids(["Once upon"])[0]
    (free,) = generate(model, [prompt], babble, tokenizer=tokenizer)
    stop = free.text[25:32]  # over several tokens
    stopping = replace(babble, stop=(stop, "never there"))
    expected = free.text[: free.text.index(stop)]
    (found,) = generate(model, [prompt], stopping, tokenizer=tokenizer)
    assert (found.text, found.finish) == (expected, "stop")
    assert len(found.tokens) < len(free.tokens)
    for drafts in (0, 3):
        pieces = stream(model, prompt, replace(stopping, num_drafts=drafts), tokenizer=tokenizer)
        assert "".join(pieces) == expected


def test_nothing_is_told_behind_a_stop_text(tokenizer: Tokenizer) -> None:
    """The token spells the stop text and half of a character."""
    token = next(id for id in range(tokenizer.num_tokens) if tokenizer.decode([id]) == " \ufffd")
    stopping = Sampling(5, stop=(" ",))
    line = Line(0, [5], stopping, (), Random(0), TextStream(tokenizer, [5]))
    line.accept([token], [-1.0])
    assert (line.text, line.finish) == ("", "stop")


def test_one_answer_can_be_watched(model: Transformer, tokenizer: Tokenizer) -> None:
    with pytest.raises(SettingsError, match="One answer can be watched"):
        next(stream(model, [5], Sampling(3, num_beams=2), tokenizer=tokenizer))


def test_beams_are_spelled(model: Transformer, tokenizer: Tokenizer) -> None:
    sampling = Sampling(4, num_beams=2, num_return=2)
    (best,) = generate(model, [[5, 7]], sampling, tokenizer=tokenizer)
    for answer in (best, *best.others):
        assert answer.text == tokenizer.decode(answer.tokens)
