"""Contrast from the palette itself, and widths from a real browser where there is one."""

import re
import shutil
import subprocess
from importlib.resources import files

import pytest

from mason.reports import render
from mason.reports.contest import contest_page
from mason.reports.short_list import short_list_page
from tests.reports.choices import contest, short_list
from tests.reports.samples import chinese, many, sample, watched

STYLE = files("mason.reports").joinpath("style.css").read_text(encoding="utf-8")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDTHS = (320, 360, 768, 1280)


def palettes() -> dict[str, dict[str, str]]:
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[:2]
    read = [dict(re.findall(r"--([\w-]+): (#[0-9A-Fa-f]{6})", block)) for block in (light, dark)]
    assert read[0].keys() == read[1].keys() and len(read[0]) > 15
    return {"light": read[0], "dark": read[1]}


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


TEXT = [(ink, ground) for ink in ("ink", "muted", "blue", "orange", "green", "red", "violet")
        for ground in ("page", "card")]  # fmt: skip
TEXT += [("ink", wash) for wash in ("good-wash", "watch-wash", "problem-wash", "unknown-wash")]
TEXT += [("muted", wash) for wash in ("good-wash", "watch-wash", "problem-wash", "unknown-wash")]
TEXT += [("red", "problem-wash"), ("orange", "watch-wash")]
TEXT += [("ink", "blue-cell"), ("ink", "orange-cell")]


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_has_a_contrast_of_at_least_four_and_a_half(mode):
    palette = palettes()[mode]
    poor = {pair: round(c, 2) for pair in TEXT
            if (c := contrast(*(palette[name] for name in pair))) < 4.5}  # fmt: skip
    assert not poor


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_curves_stand_out_from_the_card(mode):
    palette = palettes()[mode]
    assert contrast(palette["faint"], palette["card"]) >= 2
    for name in ("blue", "orange", "violet", "green"):
        assert contrast(palette[name], palette["card"]) >= 3, name


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
def test_no_page_scrolls_sideways_at_any_width(tmp_path):
    long = sample(["标签" * 40, "a" * 120, "b c " * 30])
    long["command"] = "mason " + "x" * 400
    long["evaluation"]["errors"][0]["text"] = "w" * 500
    pages = {"en": sample(), "zh": chinese(), "many": many(60), "long": long}
    pages["watched"] = watched(9)
    drawn = {name: render(results) for name, results in pages.items()}
    drawn["advice"] = short_list_page(short_list("runs/" + "a" * 120, "w" * 500))
    drawn["contest"] = contest_page(contest("runs/" + "a" * 120), "x" * 200)
    for name, source in drawn.items():
        source = source.replace("<details", "<details open")
        (tmp_path / f"{name}.html").write_text(source, encoding="utf-8")
    frames = "".join(
        f'<iframe src="{name}.html" data-name="{name}" style="width:{width}px;height:900px;'
        f'border:0"></iframe>' for name in drawn for width in WIDTHS
    )  # fmt: skip
    script = (
        "onload = () => { document.title = [...document.querySelectorAll('iframe')].map(f => "
        "f.dataset.name + ' ' + f.clientWidth + ' ' + "
        "f.contentDocument.documentElement.scrollWidth).join(';') }"
    )
    probe = tmp_path / "probe.html"
    probe.write_text(f"<body>{frames}<script>{script}</script>", encoding="utf-8")
    output = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
         "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--allow-file-access-from-files", f"--user-data-dir={tmp_path / 'u'}",
         "--dump-dom", probe.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip
    found = re.search(r"<title>(.*?)</title>", output)[1].split(";")
    assert len(found) == len(drawn) * len(WIDTHS)
    for line in found:
        name, width, needed = line.split()
        assert int(needed) <= int(width), f"{name} at {width}px needs {needed}px"
