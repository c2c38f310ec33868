"""Pages of a choice: the short list of ``mason advise``, and ``mason compare``."""

import re
from dataclasses import replace

import pytest

from mason import language
from mason.reports.contest import contest_page
from mason.reports.page import speaking
from mason.reports.short_list import short_list_page
from tests.reports.choices import contest, short_list
from tests.reports.reading import Page
from tests.reports.test_page import HOSTILE


@pytest.mark.parametrize("source", [short_list_page(short_list()), contest_page(contest(), "x")])
def test_is_well_formed_and_self_contained(source: str) -> None:
    page = Page(source)
    assert page.tags.isdisjoint({"script", "link", "img", "iframe", "object", "embed", "base"})
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert len(page.ids) == len(set(page.ids)) and not page.handlers
    assert not re.search(r"https?://|//[a-z]+\.|@import|url\(", source)


def test_the_short_list_tells_all_that_was_found() -> None:
    found = short_list()
    text = Page(short_list_page(found)).text
    for sentence in found.sentences[:-1]:
        if sentence not in found.of_more_rows:  # these are a table and a picture
            assert sentence in text, sentence
    for told in ("66.3% (61.3%–71.7%)", "85.1%", "+8.4 (+3.2 … +12.6)", "1 GB: too much", "1,574"):
        assert told in text, told
    assert "broken cannot be read." in text and "200 of 4,359 training rows" in text
    for rows in ("50", "100", "500"):  # few rows have no power of ten but one between them
        assert f'text-anchor="middle">{rows}</text>' in short_list_page(found)
    bare = short_list_page(replace(found, forecasts=[], doubts=[]))
    assert "nothing is left to gain" in bare and "look wrong" not in bare


def test_the_contest_says_what_is_proved_and_what_is_not() -> None:
    found = contest()
    text = Page(contest_page(found, "test.csv")).text
    worse, same = (one.sentence for one in found.standings[1:])
    assert worse == "runs/worse is worse than the first." and "no proof" in same
    for told in (worse, same, "90.0%", "-20.0", "-0.5", "200 rows", "test.csv"):
        assert told in text, told


def test_what_a_name_or_a_text_holds_stays_text() -> None:
    for source in (
        short_list_page(short_list(HOSTILE, HOSTILE, HOSTILE)),
        contest_page(contest(HOSTILE), HOSTILE),
    ):
        page = Page(source)
        assert "script" not in page.tags and not page.handlers
        assert "alert(1)" in page.text and "\u202e" not in source


def test_in_chinese() -> None:
    before = language.current()
    with speaking("zh"):
        told = short_list_page(short_list()), contest_page(contest(), "x")
    assert language.current() == before
    for source in told:
        assert 'lang="zh-Hans"' in source
        text = Page(source).text.replace("broken cannot be read.", "")  # the reason is as given
        assert not re.search(r"[a-z]+ [a-z]+ [a-z]+ [a-z]+", text)
