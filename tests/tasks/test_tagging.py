"""Tagging: words and their pieces by hand, and the loss beside transformers'."""

import os

import numpy as np
import pytest
import torch
import transformers

from mason.models.checkpoints import load_model
from mason.models.transformer import Transformer
from mason.tasks.tagging import (
    Examples,
    TaggingObjective,
    align,
    examples_of,
    predict_logits,
    spelled,
)
from tests.text.tiny import TOKENIZERS, tiny

SENTENCES = [
    ["the", "cat", "didn't", "sit", "on", "mats"],
    ["John", "Smith", "ran", ",", "off"],
    ["我", "爱", "北京", "天安门", "。"],
    ["他", "在", "New", "York", "学习"],
    ["catsoftenrun"],
]


def test_words_as_text_by_hand() -> None:
    assert spelled(["John", "ran", "."]) == ("John ran .", [(0, 4), (5, 8), (9, 10)])
    text, places = spelled(["他", "在", "New", "York", "学习", "。"])
    assert text == "他在New York学习。"
    assert [text[a:b] for a, b in places] == ["他", "在", "New", "York", "学习", "。"]


def test_the_first_piece_stands_for_a_word_by_hand() -> None:
    tokenizer = tiny("wordpiece")
    one = align([["the", "catsoften", "cat", "didn't"]], tokenizer)[0]
    pieces = tokenizer.pieces(one.pieces)
    # One piece for "the"; several for the long word; "didn't" is three: didn ' t.
    assert pieces[one.rows[0]] == "the" and pieces[one.rows[2]] == "cat"
    assert not pieces[one.rows[1]].startswith("##") and pieces[one.rows[1] + 1].startswith("##")
    assert pieces[one.rows[3]].startswith("d") and "'" in pieces[one.rows[3] :]
    assert one.own == [True] * 4


def test_chinese_characters_by_hand() -> None:
    one = align([["我", "爱", "北京", "天安门", "。"]], tiny("characters"))[0]
    assert tiny("characters").pieces(one.pieces) == list("我爱北京天安门。")
    assert one.rows == [0, 1, 2, 4, 7]
    assert one.own == [True] * 5


@pytest.mark.parametrize("name", TOKENIZERS)
def test_every_word_gets_a_row_of_its_own(name: str) -> None:
    tokenizer = tiny(name)
    for words, one in zip(SENTENCES, align(SENTENCES, tokenizer), strict=True):
        assert len(one.rows) == len(one.own) == len(words)
        assert one.rows == sorted(one.rows)
        owned = [row for row, own in zip(one.rows, one.own, strict=True) if own]
        assert len(set(owned)) == len(owned), "a row is learned from once"
        if name != "unigram" and name != "bytes":  # whose pieces may hold two Chinese words
            assert all(one.own)


def test_a_piece_of_two_words_is_learned_from_once_and_answers_for_both() -> None:
    tokenizer = tiny("unigram")
    vocabulary = tokenizer.vocabulary()
    assert "▁我爱北京天安门,天安门上太阳升" in vocabulary or any(
        len(p.strip("▁")) > 1 and "天" in p for p in vocabulary
    ), "the tokenizer has joined Chinese characters"
    one = align([list("天安门")], tokenizer)[0]
    if len(one.pieces) < 3:
        assert False in one.own and one.own[0]


def test_words_that_the_tokenizer_drops_are_tagged_all_the_same() -> None:
    given = [["\u0001"], ["the", "\u200b\u0001", "cat"]]
    examples = examples_of(given, tiny("wordpiece"), targets=[[0], [0, 1, 2]])
    assert sorted(w for words in examples.words for w in words) == [0, 1, 2, 3]
    assert examples.targets is not None
    assert list(examples.targets[0]) == [-1], "nothing is learned from it"
    assert -1 in examples.targets[1] and 0 in examples.targets[1] and 2 in examples.targets[1]
    logits = predict_logits(_model(3)[0], examples)
    assert logits.shape == (4, 3)


def _model(num_labels: int) -> tuple[Transformer, torch.nn.Module]:
    import tempfile
    from pathlib import Path

    torch.manual_seed(3)
    size = tiny("wordpiece").num_tokens
    config = transformers.BertConfig(
        vocab_size=size,
        hidden_size=26,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=37,
        max_position_embeddings=64,
        num_labels=num_labels,
        initializer_range=0.3,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    theirs = transformers.BertForTokenClassification(config)
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        ours = load_model(Path(folder)).model
    return ours, theirs.eval()


def test_loss_logits_and_gradients_are_those_of_transformers(tmp_path: os.PathLike[str]) -> None:
    ours, theirs = _model(5)
    tokenizer = tiny("wordpiece")
    targets = [[(len(w) + i) % 5 for i, w in enumerate(words)] for words in SENTENCES]
    examples = examples_of(SENTENCES, tokenizer, targets=targets)
    objective = TaggingObjective(examples)
    run = [3, 0, 4, 1, 2]
    loss = objective.loss(ours, run) / objective.count(run)
    loss.backward()

    # The same from scratch: encode, label first pieces, pad, mask.
    rows, wanted = [], []
    for words, tags in zip(SENTENCES, targets, strict=True):
        encoding = tokenizer.encode([spelled(words)[0]])[0]
        labels = [-100] * len(encoding.ids)
        places = spelled(words)[1]
        for (start, _), tag in zip(places, tags, strict=True):
            first = next(
                i
                for i, (span, part) in enumerate(zip(encoding.spans, encoding.parts, strict=True))
                if part == 0 and span[0] <= start < span[1]
            )
            labels[first] = tag
        rows.append(torch.tensor(encoding.ids))
        wanted.append(torch.tensor(labels))
    pad = torch.nn.utils.rnn.pad_sequence
    out = theirs(
        input_ids=pad(rows, batch_first=True),
        attention_mask=pad([torch.ones_like(r) for r in rows], batch_first=True),
        labels=pad(wanted, batch_first=True, padding_value=-100),
    )
    out.loss.backward()
    assert loss.item() == pytest.approx(out.loss.item(), rel=1e-6)
    mine = ours.heads["tagging"].output.weight.grad
    peer = theirs.classifier.weight.grad
    assert (mine - peer).abs().max() <= 1e-5 * peer.abs().max()
    vectors = ours.encoder.embedding.tokens.weight.grad
    peers = theirs.bert.embeddings.word_embeddings.weight.grad
    assert (vectors - peers).abs().max() <= 1e-5 * peers.abs().max()
    first = torch.tensor(predict_logits(ours, examples))
    flat = torch.cat(
        [
            out.logits[i][w >= 0]
            for i, w in enumerate(pad(wanted, batch_first=True, padding_value=-100))
        ]
    )
    assert (first - flat.detach()).abs().max() <= 1e-5 * flat.abs().max()


def test_long_sentences_in_windows_lose_no_word_and_count_none_twice() -> None:
    words = [f"cat{i % 4}" for i in range(97)]
    targets = [[i % 3 for i in range(97)], [2]]
    examples = examples_of([words, ["cat"]], tiny("wordpiece"), max_tokens=23, targets=targets)
    assert max(examples.lengths) <= 23 and len(examples) > 5
    counted = [word for window in examples.words for word in window]
    assert sorted(counted) == list(range(98))
    assert TaggingObjective(examples).count(range(len(examples))) == 98
    for tokens, rows in zip(examples.tokens, examples.rows, strict=True):
        spelling = tiny("wordpiece").pieces(tokens)
        assert not any(spelling[row].startswith(("##", "[CLS]", "[SEP]")) for row in rows)


def test_a_window_as_wide_as_the_sentence_changes_nothing() -> None:
    model, _ = _model(5)
    whole = predict_logits(model, examples_of(SENTENCES, tiny("wordpiece")))
    bounded = predict_logits(model, examples_of(SENTENCES, tiny("wordpiece"), max_tokens=60))
    assert np.array_equal(whole, bounded)


def test_a_sentence_in_a_batch_is_the_sentence_alone() -> None:
    model, _ = _model(5)
    together = predict_logits(model, examples_of(SENTENCES, tiny("wordpiece")))
    alone = [predict_logits(model, examples_of([s], tiny("wordpiece"))) for s in SENTENCES]
    assert np.abs(together - np.concatenate(alone)).max() <= 1e-5


def test_smoothing_takes_off_its_floor() -> None:
    model, _ = _model(3)
    targets = [[i % 3 for i in range(len(words))] for words in SENTENCES]
    examples: Examples = examples_of(SENTENCES, tiny("wordpiece"), targets=targets)
    plain = TaggingObjective(examples).loss(model, [0, 1]).item()
    smooth = TaggingObjective(examples, label_smoothing=0.1).loss(model, [0, 1]).item()
    logits = torch.tensor(predict_logits(model, examples))[:11]
    floor = -(0.9 + 0.1 / 3) * np.log(0.9 + 0.1 / 3) - 2 * (0.1 / 3) * np.log(0.1 / 3)
    uniform = -logits.log_softmax(1).mean(1).sum().item()
    assert smooth == pytest.approx(0.9 * plain + 0.1 * uniform - 11 * floor, rel=1e-5)
