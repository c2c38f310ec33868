import copy
import html
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mason import language
from mason.reports import render, write_report
from mason.reports.markup import escape
from mason.reports.numbers import count, decimal, duration, magnitude, percent, size
from mason.reports.sections import SECTIONS
from tests.reports.reading import Page
from tests.reports.samples import chinese, many, sample

HOSTILE = "<script>alert(1)</script>\"'&\u202e\u200b</style></title>{x}"
REQUIRED = {"version": 1, "kind": "train", "created": "2026-03-14T09:26:53Z", "mason": "0.1.0"}
BLOCKS = ["data", "training", "evaluation", "model", "cost", "recipe", "command", "machine"]


def leaves(value, path=()):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path, value


def put(results, path, value):
    for step in path[:-1]:
        results = results[step]
    results[path[-1]] = value


@pytest.fixture(scope="module")
def english():
    return Page(render(sample()))


@pytest.mark.parametrize("make", [sample, chinese, lambda: many(60), lambda: many(61)])
def test_is_well_formed_and_self_contained(make):
    source = render(make())
    page = Page(source)
    assert page.tags.isdisjoint({"script", "link", "img", "iframe", "object", "embed", "base"})
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert len(page.ids) == len(set(page.ids)) and not page.handlers
    assert not re.search(r"https?://|//[a-z]+\.|@import|url\(", source)
    assert len(source) < 400_000


def test_every_number_is_shown(english):
    results = sample()
    results["training"].pop("steps")  # these are curves
    text = english.text
    for path, value in leaves(results):
        if not isinstance(value, int | float) or isinstance(value, bool) or path == ("version",):
            continue
        ways = {count(value), decimal(value), decimal(value, 4), str(value)}
        ways |= {percent(value), percent(value, 0), size(value), magnitude(value), duration(value)}
        assert any(way in text for way in ways), (path, value)


def test_every_word_of_the_results_is_shown(english):
    results = sample()
    text = " ".join(english.text.split())
    told_in_words = {"version", "kind", "created", "language", "topology", "stopped", "severity"}
    for path, value in leaves(results):
        if isinstance(value, str) and not told_in_words & set(path) and path[-1] != "split":
            if path[:2] not in (("task", "text"), ("task", "label"), ("task", "name")):
                assert " ".join(value.split()) in text, path


def test_headline_and_curves_say_what_happened(english):
    accuracy = sample()["evaluation"]["scores"]["accuracy"]
    wanted = f"({accuracy['low'] * 100:.1f}–{accuracy['high'] * 100:.1f})"
    assert f"Right on {round(accuracy['value'] * 100)} of 100 unseen texts" in english.text
    assert wanted in english.text
    for name in ("Loss (lower is better)", "Learning rate", "Gradient norm", "Tokens per second"):
        assert name in english.text
    assert "it went from 0.45 to 0.277" in english.text, "the chart's description"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (0.954, "95 of 100"),
        (0.9972, "997 of 1,000"),
        (0.9999, "9,999 of 10,000"),
        (0.5, "50 of 100"),
    ],
)
def test_headline_never_rounds_a_mistake_away(value, wanted):
    results = sample()
    results["evaluation"]["scores"]["accuracy"] = {"value": value, "low": 0.4, "high": 1.0}
    assert f"Right on {wanted} unseen texts" in Page(render(results)).text


def test_hostile_text_stays_text():
    results = sample()
    fixed = {"kind", "language", "stopped", "version"}
    for path, value in list(leaves(results)):
        if isinstance(value, str) and path[-1] not in fixed:
            put(results, path, HOSTILE + value)
    results["recipe"] = {HOSTILE: HOSTILE}
    results["versions"] = {HOSTILE: "1"}
    results["cost"]["seconds"] = {HOSTILE: 1.0}
    results["evaluation"]["scores"][HOSTILE] = {"value": 0.5, "low": 0.4, "high": 0.6}
    source = render(results)
    page = Page(source)
    assert "script" not in page.tags and not page.handlers
    assert "\u202e" not in source and "\u200b" not in source
    assert "U+202E" in page.text and "U+200B" in page.text
    assert page.text.count("<script>alert(1)</script>") > 100


@settings(max_examples=200)
@given(st.text())
def test_escaped_text_has_no_markup_and_loses_nothing(text):
    escaped = escape(text)
    visible = re.sub(
        r'<span class="hidden-character">U\+([0-9A-F]+)</span>',
        lambda found: chr(int(found[1], 16)),
        escaped,
    )
    assert Page(f"<p>{visible}</p>".replace("\r", "&#13;")).tags == {"p"}
    bare = re.sub(r'<span class="hidden-character">U\+[0-9A-F]+</span>', "", escaped)
    assert not set(bare) & set("<>\"'\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200b\ufeff\x00")
    assert html.unescape(visible) == html.unescape(html.escape(text))


@pytest.mark.parametrize("block", BLOCKS)
def test_a_missing_block_takes_only_its_section_along(block):
    whole, page = sample(), sample()
    del page[block]
    before, after = (set(Page(render(results)).ids) for results in (whole, page))
    gone = {
        "evaluation": {"scores", "confusion", "mistakes", "certainty"}, "training": {"learning"},
        "recipe": set(), "command": set(), "machine": set(),
    }  # fmt: skip
    assert before - after == gone.get(block, {block})


def test_only_the_required_keys_make_a_page():
    page = Page(render(REQUIRED))
    assert "Not yet tested on unseen texts" in page.text and not page.ids


def test_every_optional_leaf_may_be_missing():
    results = sample()
    empty = copy.deepcopy(results)
    for name in ("steps", "evaluations"):
        empty["training"][name] = []
    for name in ("per_class", "baselines", "errors"):
        empty["evaluation"][name] = []
    empty["evaluation"]["scores"] = {}
    empty["evaluation"]["confusion"] = {"labels": [], "counts": []}
    empty["evaluation"]["calibration"] = {"ece": 0.1}
    empty["data"] |= {"labels": [], "findings": [], "lengths": None, "rows": {}}
    empty["cost"] = {}
    empty["machine"] = {}
    assert "None: every tested text got its right label." in Page(render(empty)).text


def test_one_class_and_a_class_that_is_absent():
    results = sample()
    scored = results["evaluation"]
    known = scored["per_class"][0]
    absent = dict.fromkeys(("precision", "recall", "f1", "low", "high")) | {"support": 0}
    scored["per_class"] = [known, {"label": "NEVER", **absent}]
    scored["confusion"] = {"labels": ["ABBR"], "counts": [[5]]}
    text = Page(render(results)).text
    assert "A dash marks a label that no tested text has." in text and "NEVER" in text


@pytest.mark.parametrize(("number", "cells", "numbers"), [(12, 0, 1), (60, 1, 0), (61, 0, 0)])
def test_confusion_is_shown_as_fits_the_number_of_labels(number, cells, numbers):
    source = render(many(number))
    assert source.count('class="chart map"') == cells
    assert source.count('class="matrix"') == numbers
    assert "Most confused" in source


def test_language_is_that_of_the_results_and_is_put_back():
    language.use("en")
    try:
        source = render(chinese())
        assert language.current() == "en"
    finally:
        language.use(None)
    assert '<html lang="zh-Hans">' in source
    text = Page(source).text
    assert "条没见过的文本答对" in text and "过拟合" in text
    words = re.sub(r"[\w./_-]*[./_\d][\w./_-]*", " ", text)  # names of files, models, settings
    known = "mason train task classification model data seed output F1 TF IDF ECE Brier dropout"
    english = set(re.findall(r"[A-Za-z]{4,}", words)) - set(known.split())
    assert english <= {
        "label", "text", "train", "bert", "encoder", "embeddings", "head", "Mason", "leak",
        "duplicate", "python", "torch", "tokenizers", "adamw", "EPYC", "Linux", "microsoft",
        "questions", "MiniLM", "uncased", "optimizer", "epochs", "extra", "limit", "file", "name",
    }, english  # fmt: skip


def test_is_a_pure_function_and_survives_json(tmp_path):
    results = sample()
    before = copy.deepcopy(results)
    path = write_report(json.loads(json.dumps(results)), tmp_path)
    assert path == tmp_path / "report.html"
    assert path.read_text(encoding="utf-8") == render(results) and results == before


def test_curves_skip_losses_that_are_not_numbers():
    results = sample()
    results["training"]["steps"][5]["loss"] = float("nan")
    results["training"]["steps"][6]["loss"] = None
    results["training"]["evaluations"][0]["valid_loss"] = float("inf")
    source = render(results)
    assert not re.search(r'(?:d|cx|cy|x|y|width)="[^"]*(?:nan|inf)', source)


def test_section_names_are_unique_and_in_order():
    names = [section.name for section in SECTIONS]
    assert len(names) == len(set(names))
    assert [s.order for s in SECTIONS] == sorted({s.order for s in SECTIONS})
