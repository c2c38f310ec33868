"""Writing a corpus as tokens: speed beside bare ``tokenizers``, memory, and a kill on the way.

The corpus is made up: documents of some 2,000 characters, words of a made-up vocabulary by Zipf's
law, one document in 50 a copy of an earlier one. Speed is that of ``write_store`` from files, near
copies left out, beside ``encode_batch`` of the same documents in memory, a thousand at a time, on
the same cores, in turn; of both the text's bytes a second, since sentences and whole documents do
not give quite the same tokens. Because words that were met are looked up, which a made-up
vocabulary of 90,000 spellings rewards, the same is asked of the first 8 MB of real text, whose
words do not come to an end, in English and in Chinese, with the tokenizers of BERT and GPT-2
learned from it; every round begins with no word known. Memory is the resident memory of the
process that writes all of the made-up text, which is killed (SIGKILL) halfway and started again.
Then the documents are counted, and a smaller store, killed three times, is compared byte for byte
with one that was left alone.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.report import Goal, Row, publish
from mason.catalog import find
from mason.data.corpora.documents import documents
from mason.data.corpora.sieve import Cleaning
from mason.data.corpora.store import TokenStore, write_store
from mason.models.files.strict_json import read_json
from mason.text import Tokenizer, load_tokenizer
from mason.text.trainers import Kind, train_tokenizer
from mason.text.word_memory import WordMemory

WORDS, SENTENCE, PER_FILE, COPY_EVERY = 30_000, 12, 20_000, 50
SAMPLE_BYTES, REAL_BYTES = 30e6, 8e6
KILLED_EVERY = 0.2
REAL = {"debian-descriptions": "English", "peoples-daily": "Chinese"}
KINDS: dict[Kind, str] = {"wordpiece": "WordPiece", "byte-bpe": "BPE of bytes"}


def made_up(num: int, seed: int = 0) -> Iterator[str]:
    """Documents of 300 words or so; every fiftieth is the tenth before it."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("etaoinshrdlucmfwypvbgk"))
    sizes = rng.integers(2, 11, WORDS)
    words = ["".join(rng.choice(letters, size)) for size in sizes]
    table = words + [word.capitalize() for word in words] + [f"{word}." for word in words]
    recent: list[str] = []
    for first in range(0, num, 1000):
        drawn = np.minimum(rng.zipf(1.3, (1000, 360)), WORDS) - 1
        kind = np.arange(360) % SENTENCE
        drawn += WORDS * np.where(kind == 0, 1, np.where(kind == SENTENCE - 1, 2, 0))
        counts = rng.integers(14, 30, 1000) * SENTENCE
        for i in range(min(1000, num - first)):
            text = " ".join([table[word] for word in drawn[i, : counts[i]].tolist()])
            recent = [*recent[-10:], f"Document {first + i}.\n{text}"]
            yield recent[0] if (first + i) % COPY_EVERY == COPY_EVERY - 1 else recent[-1]


def write_corpus(folder: Path, num_bytes: float) -> int:
    """Text files of made-up documents; returns how many documents."""
    folder.mkdir(parents=True)
    num = max(1000, round(num_bytes / 1700))
    found = made_up(num)
    for number in range(-(-num // PER_FILE)):
        with (folder / f"{number:04}.txt").open("w", encoding="utf-8") as stream:
            stream.writelines(f"{text}\n\n" for text in islice(found, PER_FILE))
    return num


def real_text(folder: Path, name: str, num_bytes: float) -> None:
    """A file of the first documents of a corpus of the catalogue."""
    folder.mkdir(parents=True)
    size = 0
    with (folder / "0000.jsonl").open("w", encoding="utf-8") as stream:
        for text in documents([find(name).build()]):
            stream.write(json.dumps(text, ensure_ascii=False) + "\n")
            size += len(text.encode())
            if size >= num_bytes:
                break


def store(
    corpus: Path, tokenizer: Tokenizer, folder: Path, every_seconds: float = 2.0
) -> TokenStore:
    """The corpus as a store, as ``mason pretrain`` makes it."""
    return write_store(
        folder,
        documents(sorted(corpus.iterdir())),
        WordMemory(tokenizer),
        fingerprint="benchmark",
        vocab_size=tokenizer.num_tokens,
        cleaning=Cleaning(near_copies=True),
        every_seconds=every_seconds,
    )


class Child:
    """A process that writes a store, and the most memory it was seen to hold."""

    def __init__(self, place: Path, corpus: str, name: str) -> None:
        command = [sys.executable, "-m", "benchmarks.corpus", "--write"]
        self.process = subprocess.Popen([*command, str(place), corpus, name])
        self.facts = place / name / "store.json"
        self.peak, self.early = 0.0, 0.0

    def wait(self, until: Callable[[int], bool] = lambda read: False, early: int = 0) -> None:
        """Until it ends, or is killed because enough documents are read."""
        while self.process.poll() is None:
            resident, read = self._resident(), self._read()
            self.peak = max(self.peak, resident)
            if read <= early:
                self.early = self.peak
            if until(read):
                self.process.kill()
            time.sleep(0.1)
        assert self.process.returncode in (0, -9), self.process.returncode

    def _resident(self) -> float:
        """Megabytes; 0 where the process has just ended."""
        try:
            lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        except OSError:
            return 0.0
        return max((int(x.split()[1]) / 1024 for x in lines if x.startswith("VmRSS")), default=0.0)

    def _read(self) -> int:
        return int(read_json(self.facts)["counts"]["num_read"]) if self.facts.exists() else 0


def learned(corpus: Path, kind: Kind, folder: Path) -> Tokenizer:
    """A tokenizer of 16,000 pieces from the first documents of a corpus."""
    found = train_tokenizer(
        islice(documents(sorted(corpus.iterdir())), 4000),
        kind=kind,
        vocab_size=16_000,
        max_tokens=512,
    )
    folder.mkdir()
    found.save(folder)
    return load_tokenizer(folder)


def speeds(corpus: Path, tokenizer: Tokenizer, stores: Path, rounds: int) -> dict[str, list[float]]:
    """Bytes and tokens a second of both, in turn; the first round warms up."""
    texts = list(documents(sorted(corpus.iterdir())))
    size = sum(len(text.encode()) for text in texts)
    found: dict[str, list[float]] = {"ours": [], "bare": [], "ratio": [], "tokens": []}
    for number in range(rounds + 1):
        start = time.perf_counter()
        for first in range(0, len(texts), 1000):
            tokenizer._backend.encode_batch(texts[first : first + 1000], add_special_tokens=False)
        bare = time.perf_counter() - start
        start = time.perf_counter()
        made = store(corpus, tokenizer, stores / str(number))
        ours = time.perf_counter() - start
        if number:
            found["ours"].append(size / ours / 1e6)
            found["bare"].append(size / bare / 1e6)
            found["ratio"].append(bare / ours)
            found["tokens"].append(made.counts.num_tokens / ours)
        print(f"{stores.name}, round {number}: bare {bare:.1f} s, ours {ours:.1f} s", flush=True)
    return found


def on_real_text(place: Path, rounds: int) -> list[Row]:
    """Ratios of speed for languages and kinds of tokenizer."""
    rows = []
    for name, language in REAL.items():
        real_text(place / name, name, REAL_BYTES)
        for kind, called in KINDS.items():
            tokenizer = learned(place / name, kind, place / f"{name}-{kind}-tokenizer")
            ratios = speeds(place / name, tokenizer, place / f"{name}-{kind}", rounds)["ratio"]
            measure = f"ratio of a round, median; real {language}, {called}"
            rows.append(Row(measure, statistics.median(ratios), None, Goal("≥", 0.9)))
    return rows


def killed(place: Path, times: int) -> tuple[int, int]:
    """Kills that came in time, and files that differ from those of a store left alone."""
    facts, num = place / "killed" / "store.json", 0
    for kill in range(times):
        child = Child(place, "sample", "killed")
        before = int(read_json(facts)["counts"]["num_read"]) if facts.exists() else 0
        child.wait(lambda read, before=before: read > before)  # type: ignore[misc]
        print(f"kill {kill + 1}: exit code {child.process.returncode}", flush=True)
        num += child.process.returncode != 0
    Child(place, "sample", "killed").wait()
    sums = [
        {f.name: hashlib.file_digest(f.open("rb"), "sha256").digest() for f in folder.iterdir()}
        for folder in (place / "killed", place / "speed" / "0")
    ]
    return num, sum(sums[0].get(n) != sums[1].get(n) for n in sums[0].keys() | sums[1].keys())


def measure(place: Path, gigabytes: float, rounds: int) -> list[Row]:
    """Everything, in a folder with room for about 1.6 times the corpus."""
    write_corpus(place / "sample", min(SAMPLE_BYTES, gigabytes * 1e9))
    num = write_corpus(place / "whole", gigabytes * 1e9)
    tokenizer = learned(place / "sample", "wordpiece", place / "tokenizer")
    fast = speeds(place / "sample", tokenizer, place / "speed", rounds)
    on_real = on_real_text(place, rounds)
    kills, differing = killed(place, times=3)
    start = time.perf_counter()
    first = Child(place, "whole", "store")
    first.wait(lambda read: read > num / 2, early=num // 10)
    second = Child(place, "whole", "store")
    second.wait()
    seconds = time.perf_counter() - start
    made = TokenStore(place / "store")
    counts = made.counts
    # Every document read is kept, a copy, or nearly one by chance: none may be missing or twice.
    lost = abs(num - counts.num_read) + abs(num // COPY_EVERY - counts.num_copies)
    lost += abs(num - num // COPY_EVERY - counts.num_near_copies - counts.num_documents)
    start = time.perf_counter()
    passages = made.passages(126, held=False)
    took = time.perf_counter() - start
    return [
        Row(
            "text written, MB/s, median",
            *(statistics.median(fast[name]) for name in ("ours", "bare")),
        ),
        Row("ratio of a round, median", statistics.median(fast["ratio"]), None, Goal("≥", 0.9)),
        *on_real,
        Row("tokens a second, median", statistics.median(fast["tokens"])),
        Row("resident memory, MB, most", max(first.peak, second.peak), None, Goal("≤", 1000)),
        Row("resident memory, MB, most in the first tenth", first.early),
        Row("gigabytes of text", counts.num_bytes / 1e9),
        Row("minutes, the kill's loss among them", seconds / 60),
        Row("documents read", counts.num_read),
        Row("documents nearly like another by chance", counts.num_near_copies),
        Row("documents lost or doubled after a kill", lost, None, Goal("≤", 0)),
        Row("kills of the smaller store", kills, None, Goal("≥", 3)),
        Row("files that differ after them", differing, None, Goal("≤", 0)),
        Row("passages, seconds to find all", took),
        Row("passages", len(passages)),
    ]


def main() -> int:
    """Run, print, perhaps save; exit with 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--save", action="store_true", help="write docs/results/corpus-DATE.md")
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", help="where to put corpus and store; else a temporary one")
    parser.add_argument("--write", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    if options.write:
        place = Path(options.write[0])
        tokenizer = load_tokenizer(place / "tokenizer")
        corpus, folder = (place / name for name in options.write[1:])
        store(corpus, tokenizer, folder, KILLED_EVERY if corpus.name == "sample" else 2.0)
        return 0
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        rows = measure(Path(place), options.gigabytes, options.rounds)
    notes = (__doc__ or "").partition("\n\n")[2]
    return 0 if publish("corpus", rows, notes=notes, save=options.save) else 1


if __name__ == "__main__":
    sys.exit(main())
