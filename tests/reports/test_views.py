"""Views into a model on a page: nothing of a text acts, both languages, whatever was found."""

from typing import Any

import pytest

from mason.reports import render
from tests.reports.reading import Page

EVIL = "<script>alert(1)</script>"
HEAD = {"head": 1, "habit": "first", "share": 0.7, "percent": ["100 0", "70 30"]}
KIND = {"place": "decoder", "queries": [EVIL, "b"], "keys": [EVIL, "b"]}
CROSS = {"place": "cross", "queries": ["a", "b"], "keys": [EVIL, "d"]}
PART = {"place": "encoder", "layer": 0, "head": None, "change": -0.2, "low": -0.3, "high": -0.1}
PART |= {"adjusted": 0.004, "sure": True}
PROBE = {"layer": 0, "accuracy": 0.8, "control": 0.5, "selectivity": 0.3, "low": 0.1, "high": 0.5}
TOP = [{"token": EVIL, "probability": 0.6}, {"token": "a", "probability": 0.4}]
ROW = {"row": 2, "text": EVIL, "label": EVIL, "similarity": 0.99}
SMALL, LARGE = {"layer": 1, "heads": [HEAD]}, {"layer": 2, "heads": [HEAD, {**HEAD, "head": 2}]}
VIEWS: dict[str, dict[str, Any]] = {
    "attention": {
        "texts": [EVIL],
        "kinds": [{**KIND, "layers": [SMALL, LARGE]}, {**CROSS, "layers": [SMALL]}],
    },
    "lens": {
        "text": EVIL,
        "hidden": False,
        "token": EVIL,
        "layers": [
            {"layer": 0, "top": TOP[::-1], "probability": 0.4, "rank": 2},
            {"layer": 1, "top": TOP, "probability": 0.6, "rank": 1},
        ],
    },
    "ablation": {
        "score": "accuracy",
        "rows": 40,
        "whole": 0.9,
        "parts": [PART, {**PART, "head": 0}, {**PART, "head": 1, "change": 0.0, "sure": False}],
    },
    "probes": {
        "kind": "texts",
        "fitted": 30,
        "held": 10,
        "labels": ["a", EVIL],
        "commonest": 0.5,
        "layers": [PROBE, {**PROBE, "layer": 1, "selectivity": 0.4}],
    },
    "neighbours": {
        "text": EVIL,
        "answer": EVIL,
        "searched": 70,
        "file": "train.csv",
        "labels": {EVIL: 1, "a": 1},
        "rows": [ROW, {**ROW, "label": None}],
    },
}
SAID = {
    "attention": "Layer 2",
    "lens": "likeliest from layer 1 of 1",
    "ablation": "1 of 2 heads are surely missed; most of all head 1 of layer 1 (-20.0)",
    "probes": "Most selective is layer 1",
    "neighbours": "nearest of 70 rows",
}


def _results(view: str, language: str = "en") -> dict[str, Any]:
    made = {"version": 1, "kind": "explain", "created": "2026-11-29T10:00:00+00:00"}
    return {**made, "mason": "0", "language": language, "extras": {view: VIEWS[view]}}


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_a_page(view: str) -> None:
    source = render(_results(view))
    page = Page(source)
    assert "script" not in page.tags and view in page.ids
    assert SAID[view] in " ".join(" ".join(page.words).split())
    assert source.count("<h1>") == 1 and "NaN" not in source


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_in_chinese(view: str) -> None:
    english, chinese = (Page(render(_results(view, code))) for code in ("en", "zh"))
    assert english.ids == chinese.ids
    assert any("\u4e00" <= c <= "\u9fff" for word in chinese.words for c in word)
