"""Hostile models, tokenizers, chat templates and GGUF files: what each is told, and how soon.

Every file of the tests' lists is opened as a user's would be. It must be refused with one sentence
within two seconds; nothing may run that it names, and nothing may be written.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.report import Goal, Row, Table, publish
from mason.errors import MasonError
from mason.models.files import open_weights
from mason.sources import find_model
from mason.text import load_tokenizer
from mason.text.chat import chat_text
from tests.models.files.test_hostile import CASES
from tests.text.hostile_templates import HOSTILE
from tests.text.test_hostile import CHANGES, FILES
from tests.text.tiny import tiny

LIMIT = 2.0
CODE = (
    "pickle.find_class",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "subprocess.Popen",
    "ctypes.",
)
"""Beginnings of the names of events that a file could cause and a reader never does."""
CHAT = "SmolLM2-135M-Instruct"
EVENTS: set[str] = set()


class Case(NamedTuple):
    """A hostile file and what came of it."""

    kind: str
    name: str
    sentence: str | None
    seconds: float
    ran: bool
    wrote: bool


def opened(kind: str, name: str, folder: Path, read: Callable[[], object]) -> Case:
    """What comes of opening what lies in a folder."""
    before = sorted(folder.parent.rglob("*"))
    EVENTS.clear()
    start, sentence = time.perf_counter(), None
    try:
        read()
    except MasonError as error:
        sentence = str(error).replace(f"{folder}/", "")
    seconds = time.perf_counter() - start
    ran = any(event.startswith(CODE) for event in EVENTS)
    return Case(kind, name, sentence, seconds, ran, sorted(folder.parent.rglob("*")) != before)


def cases(place: Path) -> Iterator[Case]:
    """Every hostile file, in a folder of its own."""

    def folder() -> Path:
        made = Path(tempfile.mkdtemp(dir=place)) / "model"
        made.mkdir()
        return made

    for name, (write, _) in CASES.items():
        write(model := folder())
        kind = "GGUF" if name.startswith("gguf") else "model"
        yield opened(kind, name, model, lambda model=model: open_weights(model))
    for name, (contents, *_) in FILES.items():
        model = folder()
        for file, content in contents.items():
            (model / file).write_bytes(content)
        yield opened("tokenizer", name, model, lambda model=model: load_tokenizer(model))
    for name, change in CHANGES.items():
        tiny("wordpiece").save(model := folder())
        rules = json.loads((model / "tokenizer.json").read_text("utf-8"))
        change(rules)
        (model / "tokenizer.json").write_text(json.dumps(rules), "utf-8")
        yield opened("tokenizer", name, model, lambda model=model: load_tokenizer(model))
    talker = load_tokenizer(find_model(CHAT))
    talk = [{"role": "user", "content": "Hi"}]
    for name, template in HOSTILE.items():
        talker.config["chat_template"] = template
        yield opened("template", name, folder(), lambda: chat_text(talker, talk))


def main() -> int:
    """Open all and print what each was told."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    sys.addaudithook(lambda event, _: EVENTS.add(event))
    with tempfile.TemporaryDirectory() as place:
        found = list(cases(Path(place)))
    rows = [
        Row("files", len(found), None, Goal("≥", 60)),
        *(Row(f"of them: {kind}", sum(case.kind == kind for case in found))
          for kind in dict.fromkeys(case.kind for case in found)),
        Row("refused", sum(case.sentence is not None for case in found), None,
            Goal("≥", len(found))),
        Row("in one line", sum("\n" not in (case.sentence or "\n") for case in found), None,
            Goal("≥", len(found))),
        Row("seconds, slowest", max(case.seconds for case in found), None, Goal("≤", LIMIT)),
        Row("that ran code", sum(case.ran for case in found), None, Goal("≤", 0)),
        Row("that wrote or removed a file", sum(case.wrote for case in found), None, Goal("≤", 0)),
    ]  # fmt: skip
    told = [
        [case.kind, case.name, f"{case.seconds:.2f}", (case.sentence or "READ")[:140]]
        for case in found
    ]
    tables = [
        Table.of("hostile_files", rows),
        Table("what each was told", ("kind", "file", "seconds", "sentence"), told, labels=4),
    ]
    return 0 if publish("hostile_files", rows, tables=tables, save=options.save) else 1


if __name__ == "__main__":
    sys.exit(main())
