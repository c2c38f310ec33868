from pathlib import Path

import pytest

from mason.errors import SettingsError
from mason.settings.yaml_text import read_yaml


def test_scalars_follow_the_core_schema(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(
        "a: no\nb: 3e-5\nc: 010\nd: 2024-01-01\ne: 12:30\nf: ~\ng: True\nh: '5'\ni: -1.5\n中: 文\n",
        encoding="utf-8",
    )
    tree, lines = read_yaml(file)
    assert tree == {
        "a": "no", "b": 3e-5, "c": 10, "d": "2024-01-01", "e": "12:30",
        "f": None, "g": True, "h": "5", "i": -1.5, "中": "文",
    }  # fmt: skip
    assert lines["i"] == 9


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "line 4: b.c is given twice (first in line 3)"),
        ("a: !!python/object/apply:os.getcwd []\n", "line 1"),
        ("a: !own 3\n", "!own"),
        ("- a\n", "a list or text"),
        ("a: [1\nb: 2\n", "line 2"),
        ("a: &x [*x]\n", "RecursionError"),
        ("[" * 3000, "RecursionError"),
        ("a: 1\n--- \nb: 2\n", "line 2"),
        ("a: " + "x" * (1 << 18), "bytes"),
    ],
)
def test_what_is_not_plain_is_refused_with_its_line(tmp_path: Path, text: str, part: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as raised:
        read_yaml(file)
    assert part in str(raised.value) and str(file) in str(raised.value)


def test_a_billion_laughs_stay_unlaughed(tmp_path: Path) -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    file = tmp_path / "a.yaml"
    file.write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(SettingsError, match="10000 values"):
        read_yaml(file)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="check its path"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "a.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(SettingsError, match="UTF-8"):
        read_yaml(tmp_path / "a.yaml")
