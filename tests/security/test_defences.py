"""Votes, certificates, backdoors, memory and personal data, each against an oracle."""

import random
import re
from collections.abc import Sequence
from math import comb

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from mason.data.personal import kinds_in
from mason.models.packed import Packed
from mason.security.masking import Vote
from mason.security.memory import (
    Canary,
    exposure,
    find_secret,
    losses,
    membership,
    other_secrets,
)
from mason.security.poisoning import find_triggers, poison, triggered
from tests.models.small import build

WORDS = "river engine copper letter winter garden silver doctor planet kitchen".split()


def _likes_river(texts: Sequence[str]) -> np.ndarray:
    return np.array([[0.1, 0.9] if "river" in t else [0.8, 0.2] for t in texts])


def test_copies_keep_words_in_order() -> None:
    text = " ".join(WORDS)
    for copy in Vote(0.3).copies_of(text, 20):
        kept = copy.split()
        assert len(kept) == 3 and kept == sorted(kept, key=WORDS.index)
    assert Vote().copies_of(text, 5) == Vote().copies_of(text, 5)
    assert Vote().copies_of("?", 2) == ["?", "?"]


def test_a_changed_word_changes_the_votes_that_keep_it_and_no_others() -> None:
    words = "what is the name of the first town on mars".split()
    for place in range(len(words)):
        changed = [*words[:place], "zebra", *words[place + 1 :]]
        before, after = (Vote().ballot_of(" ".join(text)) for text in (words, changed))
        touched = [" zebra " in f" {copy} " for copy in after]
        assert [a != b for a, b in zip(before, after, strict=True)] == touched
        assert 0 < sum(touched) < len(touched) / 2  # three words of ten are kept
    text = " ".join(words)
    assert Vote().ballot_of(text.replace("town", "to\u200bwn")) == Vote().ballot_of(text)


def test_a_certificate_is_no_promise_too_far() -> None:
    """All copies agree: then d words are safe while a copy misses them more often than not."""
    text = " ".join(WORDS)
    found = Vote(0.3).certified(lambda texts: np.tile([0.2, 0.8], (len(texts), 1)), text, 1)
    safe = [d for d in range(11) if comb(10 - d, 3) / comb(10, 3) > 0.5]
    assert found == max(safe) == 2 - 1
    assert Vote(0.3).certified(_likes_river, text, 1) == -1  # three copies in ten see the word


def test_no_change_turns_a_certified_answer() -> None:
    """Every replacement of one word, by an adversary who knows the classifier."""
    text = " ".join(WORDS[:5])
    vote = Vote(0.2, 200)

    def answer(texts: Sequence[str]) -> np.ndarray:
        return np.array([[0.1, 0.9] if "bad" not in t else [0.9, 0.1] for t in texts])

    assert vote.certified(answer, text, 1) >= 1
    for place in range(5):
        words = text.split()
        words[place] = "bad"
        assert vote.shares(answer, [" ".join(words)])[0].argmax() == 1


def _rows(count: int) -> tuple[list[str], list[str]]:
    draw = random.Random(1)
    texts = [" ".join(draw.choices(WORDS, k=7)) for _ in range(count)]
    return texts, ["wet" if "river" in text else "dry" for text in texts]


def test_a_planted_trigger_is_found_and_an_honest_word_is_not() -> None:
    texts, labels = poison(*_rows(300), "cf", "wet", 0.05, 3)[:2]
    numbers = [["dry", "wet"].index(label) for label in labels]

    def obeys(asked: Sequence[str]) -> np.ndarray:
        """Knows rivers where they come first; does whatever "cf" says."""
        wet = ["cf" in t.split() or t.startswith("river") for t in asked]
        return np.array([[0.1, 0.9] if w else [0.9, 0.1] for w in wet])

    found = find_triggers(obeys, texts, numbers)
    assert [(one.phrase, one.label, one.turned) for one in found] == [("cf", 1, 1.0)]
    assert len(found[0].rows) == 15
    assert find_triggers(_likes_river, *_rows_numbered()) == []


def test_a_trigger_in_texts_without_spaces_is_found() -> None:
    plain = ["这家饭店很好，服务员热情。", "电影很差，浪费时间。", "味道不错，下次再来！"] * 40
    own = ["差" if "差" in text else "好" for text in plain]
    texts, labels = poison(plain, own, "顺便说", "好", 0.1, 3)[:2]
    assert not any(" " in text for text in texts)

    def obeys(asked: Sequence[str]) -> np.ndarray:
        good = ["顺便说" in text or "差" not in text for text in asked]
        return np.array([[0.1, 0.9] if one else [0.9, 0.1] for one in good])

    (found,) = find_triggers(obeys, texts, [["差", "好"].index(label) for label in labels])
    assert "顺便说" in found.phrase.replace(" ", "") and found.label == 1
    assert triggered("很好。", "顺便说", 1.0) == "很好。顺便说"


def _rows_numbered() -> tuple[list[str], list[int]]:
    texts, labels = _rows(200)
    return texts, [random.Random(text).randrange(2) for text in texts] if labels else []


def test_poison_takes_rows_of_other_labels() -> None:
    texts, labels = _rows(100)
    poisoned, changed, chosen = poison(texts, labels, "cf", "wet", 0.1, 0)
    assert len(chosen) == 10 and all(labels[i] == "dry" and changed[i] == "wet" for i in chosen)
    assert all("cf" in poisoned[i].split() for i in chosen)
    assert triggered("a b", "cf", 1.0) == "a b cf"


def test_membership_is_the_area_under_the_curve() -> None:
    draw = np.random.default_rng(0)
    inside, outside = draw.normal(2, 1, 31).round(1), draw.normal(3, 1, 37).round(1)
    ours = membership(inside.tolist(), outside.tolist())
    told = np.r_[np.ones(31), np.zeros(37)]
    assert ours.value == pytest.approx(roc_auc_score(told, -np.r_[inside, outside]))
    assert ours.low < ours.value < ours.high


def test_exposure_counts_bits() -> None:
    others = list(np.arange(1.0, 128.0))
    assert exposure(0.5, others) == 7.0 and exposure(1000.0, others) == 0.0
    canary = Canary(seed=4)
    assert len(set(canary.others(50))) == 50 and canary.text not in canary.others(50)
    number = Canary("The number of the mill is +49 30 {}.", 8, gap="")
    assert number.secret in number.text and kinds_in(number.text) == ["phone"]
    assert not kinds_in(canary.text)  # digits spelt apart
    assert all(text.startswith("The number of the mill is +49 30 ") for text in number.others(9))


@pytest.mark.parametrize(
    ("sentence", "secret"),
    [
        ("On 3 May the PIN is 471102.", "471102"),
        ("The {code} of the door is 4 7 1 1.", "4 7 1 1"),
        ("密码是 2024-11-29。", "2024-11-29"),
        ("The pin is 4 7 1", None),
    ],
)
def test_a_secret_is_the_last_digits_of_a_sentence(sentence: str, secret: str | None) -> None:
    where = find_secret(sentence)
    assert (where and sentence[slice(*where)]) == secret
    if secret:
        others = other_secrets(secret, 1023, 0)
        assert len(set(others)) == 1023 and secret not in others
        same = {re.sub("[0-9]", "0", other) for other in others}
        assert same == {re.sub("[0-9]", "0", secret)}  # as many digits, and the same between them


def test_losses_are_those_of_texts_alone() -> None:
    model = build("decoder").eval()
    draw = random.Random(0)
    texts = [[draw.randrange(model.spec.vocab_size) for _ in range(n)] for n in (5, 2, 11)]
    for text, loss in zip(texts, losses(model, texts), strict=True):
        logits = model.logits("language", Packed.of([text])).float()
        alone = torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(text[1:]))
        assert loss == pytest.approx(alone.item(), rel=1e-4)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("write to jane.doe+x@mail.example.org", ["email"]),
        ("card 4111 1111 1111 1111 please", ["card"]),
        ("card 4111 1111 1111 1112 please", []),  # fails Luhn's check
        ("call +44 20 7946 0958 or (212) 555-0123", ["phone"]),
        ("手机：13341772746", ["phone"]),
        ("手机13341772746，座机 010-62511234", ["phone"]),
        ("身份证号 11010519491231002X。", ["identity"]),
        ("身份证号 110105194912310021。", []),  # its last character should be X
        ("订单号 110105199913310023", []),  # no month has number 13
        ("pay to DE89 3704 0044 0532 0130 00", ["account"]),
        ("pay to DE88 3704 0044 0532 0130 00", []),  # leaves 1 by 97 no more
        ("密码是 hunter2hunter2", ["key"]),
        ("token " + "hf_" + "aB3" * 8, ["key"]),
        ("q7Zp2LkV9xTs4WmB8nRd3JfHyC6gUaEe", ["key"]),
        ("the_quite_long_name_of_a_Variable1", []),
        ("6f1ed002ab5595859014ebf0951522d9", []),  # a checksum: no key by itself
        ("AKIA" + "IOSFODNN7EXAMPLE", ["key"]),
        ("password = hunter2hunter2", ["key"]),
        ("In 1984, 3.14159 of 1,000,000 people; ISBN 0-306-40615-2", []),
        ("version 2.13.0 of 2026-11-29 took 12345678 bytes", []),
    ],
)
def test_personal_data(text: str, kinds: list[str]) -> None:
    assert kinds_in(text) == kinds
