"""The rooms stay in order, and stay small."""

import statistics
import subprocess
import sys
from pathlib import Path

from tests.contracts.source_tree import (
    ROOT,
    SOURCE,
    functions_of,
    name_of,
    num_lines,
    source_files,
    tree_of,
)

FILE_LIMIT, FILE_MEDIAN = 400, 120
FUNCTION_LIMIT, FUNCTION_MEDIAN = 60, 10
NO_ROOMS = {"utils", "util", "common", "helpers", "helper", "misc"}


def test_rooms_import_only_the_rooms_above_them() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run(
        [lint, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_no_room_for_odds_and_ends() -> None:
    named = [p for p in SOURCE.rglob("*") if p.stem.strip("_").lower() in NO_ROOMS]
    assert not named, [name_of(p) for p in named]


def test_files_and_functions_are_small(capsys) -> None:
    files = {name_of(p): len(p.read_text(encoding="utf-8").splitlines()) for p in source_files()}
    functions = {
        f"{name_of(p)}:{f.lineno} {f.name}": num_lines(f)
        for p in source_files()
        for f in functions_of(tree_of(p))
    }
    file_median = statistics.median(n for n in files.values() if n)
    function_median = statistics.median(functions.values())
    with capsys.disabled():
        print(
            f"\n{len(files)} files, median {file_median:g} lines, longest {max(files.values())}; "
            f"{len(functions)} functions, median {function_median:g}, "
            f"longest {max(functions.values())}"
        )
    assert {f: n for f, n in files.items() if n > FILE_LIMIT} == {}
    assert {f: n for f, n in functions.items() if n > FUNCTION_LIMIT} == {}
    assert file_median <= FILE_MEDIAN
    assert function_median <= FUNCTION_MEDIAN
