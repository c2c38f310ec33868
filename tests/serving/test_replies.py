"""How tokens are spelled beside their log-probabilities."""

from collections.abc import Sequence

import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers

from mason.serving.replies import ChatForm, TextForm, Written
from mason.text import Tokenizer

PIECES = ["<unk>", "▁a", "▁the", "the", "<0xE4>", "<0xBD>", "<0xA0>"]
IDS = [2, 3, 4, 5, 6, 2]
"""" thethe你 the"."""


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Of SentencePiece's kind, as Llama 2 has it: a text loses the space it begins with."""
    backend = Backend(models.WordLevel({p: i for i, p in enumerate(PIECES)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return Tokenizer(backend, {})


def written() -> Written:
    likely = [-0.5] * len(IDS)
    best: list[Sequence[tuple[int, float]]]
    best = [[(2, -0.5), (3, -2.0)], [(4, -0.7), (5, -3.0)], *[[(id, -0.5)] for id in IDS[2:]]]
    return Written(" thethe你 the", list(IDS), likely, best, "length")


def test_tokens_keep_their_spaces_and_places(tokenizer: Tokenizer) -> None:
    told = TextForm(tokenizer, "small", 1, True).choice(0, written())["logprobs"]
    assert told["tokens"] == [" the", "the", "\ufffd", "\ufffd", "\ufffd", " the"]
    assert told["text_offset"] == [0, 4, 7, 7, 7, 8]
    assert told["top_logprobs"][:2] == [{" the": -0.5, "the": -2.0}, {"\ufffd": -0.7}]


def test_places_go_on_from_piece_to_piece(tokenizer: Tokenizer) -> None:
    form = TextForm(tokenizer, "small", 1, True)
    parts = [form.part(0, Written("", [id], [-0.5]), first=not i) for i, id in enumerate(IDS)]
    assert [part["logprobs"]["text_offset"] for part in parts] == [[0], [4], [7], [7], [7], [8]]


def test_a_chat_spells_tokens_alike(tokenizer: Tokenizer) -> None:
    told = ChatForm(tokenizer, "small", 1, True).choice(0, written())["logprobs"]["content"]
    assert (told[0]["token"], told[0]["bytes"]) == (" the", list(b" the"))
    assert [one["token"] for one in told[0]["top_logprobs"]] == [" the", "the"]
