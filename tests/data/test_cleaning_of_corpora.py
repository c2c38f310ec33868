"""What is left out of a corpus: near copies, what is no text, what a model will be tested on."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from mason.data.corpora.contamination import Guarded
from mason.data.corpora.key_set import KeySet, stands_earlier
from mason.data.corpora.quality import fault_of
from mason.data.corpora.sieve import Cleaning, Sieve
from mason.data.corpora.sketches import band_keys
from mason.data.corpora.store import write_store
from mason.text.runs import Runs

WORDS = "river stone old green house walks sings under seven bright letters of winter".split()
RULES = "the be to of and that have with which are from this was were they their what there"


def text_of(seed: int, num: int = 90) -> str:
    """Words at random, sentences of nine."""
    rng = random.Random(seed)
    words = [rng.choice(WORDS) + rng.choice("abcdefgh") for _ in range(num)]
    return " ".join(w + "." if i % 9 == 8 else w for i, w in enumerate(words))


def edited(text: str, num: int, seed: int = 0) -> str:
    """The text with some of its words replaced."""
    words, rng = text.split(), random.Random(seed)
    for place in rng.sample(range(len(words)), num):
        words[place] = "changed"
    return " ".join(words)


def test_a_key_set_is_a_set() -> None:
    rng = np.random.default_rng(3)
    ours, theirs = KeySet(), set()
    for _ in range(17):
        keys = rng.integers(0, 40_009, 997, dtype=np.uint64) * np.uint64(1 << 45)
        assert ours.holds(keys).tolist() == [int(k or 1) in theirs for k in keys]
        ours.add(keys)
        theirs |= {int(k or 1) for k in keys}
        assert ours.num == len(theirs)
    assert not ours.holds(np.arange(2, 999, dtype=np.uint64)).any()


def test_a_full_key_set_remembers_nothing_more() -> None:
    keys = KeySet(most=1 << 12)
    first, second = np.arange(1, 3001, dtype=np.uint64), np.arange(5001, 9001, dtype=np.uint64)
    keys.add(first)
    keys.add(second)
    assert keys.holds(first).all() and not keys.holds(second).any()
    assert len(keys._table) == 1 << 12


def test_stands_earlier() -> None:
    found = stands_earlier(np.array([5, 3, 5, 5, 4, 3], np.uint64))
    assert found.tolist() == [False, False, True, True, False, True]


@pytest.mark.parametrize(("edits", "least", "most"), [(1, 0.98, 1), (3, 0.7, 1), (30, 0, 0.02)])
def test_sketches_know_near_copies(edits: int, least: float, most: float) -> None:
    texts = [text_of(i) for i in range(211)]
    copies = [edited(text, edits, i) for i, text in enumerate(texts)]
    alike = (band_keys(texts) == band_keys(copies)).any(axis=1).mean()
    assert least <= alike <= most


def test_sketches_do_not_depend_on_what_stands_beside() -> None:
    texts = ["", "a", "abc", "漢字", text_of(1), text_of(2, 9000), "A  Bc\n", "a bc", "x" * 700_001]
    together = band_keys(texts)
    assert (together == np.concatenate([band_keys([text]) for text in texts])).all()
    assert (together[6] == together[7]).all()
    assert len({tuple(row) for row in together.tolist()}) == len(texts) - 1


def test_the_first_of_near_copies_is_kept() -> None:
    texts = [text_of(0), text_of(1), edited(text_of(0), 1), text_of(0).upper(), text_of(2)]
    sieve = Sieve(Cleaning(near_copies=True))
    first, later = sieve.sift(texts), sieve.sift([edited(text_of(2), 1), text_of(3), text_of(1)])
    assert [len(found.texts) for found in (first, later)] == [3, 1]
    assert first.dropped == {"num_copies": 0, "num_near_copies": 2}
    assert later.dropped == {"num_copies": 1, "num_near_copies": 1}


ENGLISH = " ".join(f"{w} {RULES.split()[i % 18]}" for i, w in enumerate(text_of(4).split()))
CHINESE = (
    "今年的天气比往年暖和，湖面上的冰早已化开，孩子们沿着岸边奔跑，老人坐在柳树下面谈论收成。"
    "县里新修的公路一直通到山脚，运送水果的卡车从早到晚不曾停过。学校把图书馆搬进了旧粮仓，"
    "每逢周末，附近村庄的读者骑车赶来借书，管理员说去年一共借出了三万多册。"
)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (ENGLISH, None),
        (CHINESE, None),
        ("Too short to learn from.", "length"),
        ("今天天气很好。", "length"),
        (" ".join(["pneumonoultramicroscopic" + str(i) for i in range(60)]), "word-length"),
        (" ".join(f"#{w}" for w in ENGLISH.split()), "symbols"),
        (" ".join(f"{i:05}" for i in range(99)), "letters"),
        (ENGLISH + " Lorem ipsum dolor.", "lorem-ipsum"),
        ("\n".join(f"- {ENGLISH[20 * i : 20 * i + 20]}" for i in range(40)), "bullets"),
        ("\n".join(f"{ENGLISH[150 * i : 150 * i + 150]}..." for i in range(4)), "ellipses"),
        ("\n".join([ENGLISH, *["Read more about this here"] * 30]), "repeated-lines"),
        (ENGLISH[:200] + " buy cheap watches" * 30, "repeated-words"),
        (CHINESE + "点击购买特价手表" * 30, "repeated-words"),
    ],
)
def test_rules_of_quality(text: str, fault: str | None) -> None:
    assert fault_of(text) == fault


def test_passages_of_evaluation_texts_are_found() -> None:
    english, chinese = text_of(7, 300), CHINESE
    guarded = Guarded([english, chinese, "Too short to guard."])
    words = english.split()
    shared = " ".join(words[100:113])
    assert guarded.touches(f"Something before, {shared.upper().replace(' ', ',  ')} and after.")
    assert not guarded.touches(" ".join([*words[100:112], "other", *words[113:120]]))
    assert guarded.touches("前言后语" + chinese[13:56].replace("，", "、") + "另起一行的话")
    assert not guarded.touches("前言后语" + chinese[13:40] + "另起一行的话" * 9)
    assert not guarded.touches("Too short to guard.")
    assert len(guarded) == 300 - 12 + len(chinese) - sum(chinese.count(c) for c in "，。") - 39


def _encode(texts: Sequence[str]) -> Runs:
    return Runs.of([[sum(map(ord, word)) % 251 for word in text.split()] for text in texts])


def _corpus() -> Iterator[tuple[str, int]]:
    """Texts, copies, near copies, poor texts and leaks, of two sources."""
    for i in range(400):
        yield text_of(i), 0
        if i % 3 == 0:
            yield edited(text_of(i), 1), 1
        if i % 7 == 0:
            yield text_of(i), 0
        if i % 11 == 0:
            yield "short", 1
        if i % 13 == 0:
            yield text_of(10_000 + i, 60) + " " + text_of(777_777, 60), 1


CLEANING = Cleaning(near_copies=True, poor=True, guarded=Guarded([text_of(777_777, 400)]))


class _KilledError(BaseException):
    pass


def test_a_cleaned_corpus_is_the_same_after_every_kill(tmp_path: Path) -> None:
    facts = {
        "fingerprint": "f", "vocab_size": 300, "cleaning": CLEANING, "chunk_documents": 150,
    }  # fmt: skip
    whole = write_store(tmp_path / "whole", _corpus(), _encode, **facts)
    counts = whole.counts
    # "short" is poor, so it is no copy but where it stands twice in a chunk.
    assert counts.num_copies == 58 + 37 - counts.num_poor and counts.num_poor <= 5
    assert counts.num_excluded == 31 and counts.num_near_copies == 134
    assert (
        counts.num_read
        == sum(1 for _ in _corpus())
        == counts.num_documents
        + sum((counts.num_copies, counts.num_near_copies, counts.num_excluded, counts.num_poor))
    )
    for kill in (1, 3):
        folder, seen = tmp_path / f"cut{kill}", []

        def encode(texts: Sequence[str], kill: int = kill, seen: list[int] = seen) -> Runs:
            seen.append(len(texts))
            if len(seen) > kill:
                raise _KilledError
            return _encode(texts)

        with pytest.raises(_KilledError):
            write_store(folder, _corpus(), encode, every_seconds=0, **facts)
        assert (folder / "bands").stat().st_size > 0
        with (folder / "bands").open("ab") as stream:
            stream.write(b"half a row")
        write_store(folder, _corpus(), _encode, **facts)
        assert {f.name: f.read_bytes() for f in folder.iterdir()} == {
            f.name: f.read_bytes() for f in (tmp_path / "whole").iterdir()
        }


def test_weights_say_how_often_an_epoch_visits_a_source(tmp_path: Path) -> None:
    texts = [("a a a. B b.", 0), ("c c.", 1), ("d d d. E.", 0), ("f.", 1)]
    store = write_store(tmp_path, texts, _encode, fingerprint="f", vocab_size=300, held_share=0.0)
    plain = store.passages(4, held=False)
    assert plain.lengths.tolist() == [3, 2, 2, 4, 1]
    mixed = store.weighted((1, 3)).passages(4, held=False)
    assert mixed.owners.tolist() == [0, 0, 1, 1, 1, 2, 3, 3, 3]
    assert mixed.lengths.tolist() == [3, 2, 2, 2, 2, 4, 1, 1, 1]
    assert store.tokens_by_origin(3).tolist() == [9, 3, 0]
