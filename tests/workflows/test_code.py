"""Code, end to end: small models of random weights on functions of the standard library."""

import csv
import json
from pathlib import Path

import pytest

import mason
from mason.errors import DataError, TokenizerError
from mason.text.infilling import NAMES, find_infill, infill_ids
from mason.workflows import Writer
from mason.workflows.coder import CodeCompleter, CodeTranslator

FAST = {"training.threads": 1, "training.max_steps": 3, "model.vocab_size": 400}
NAMED = ("first", "second", "total", "count", "width", "place", "label", "amount")


def functions() -> list[tuple[str, str]]:
    """Functions in Python 2 and 3."""
    return [
        (f"def {a}_{b}({a}):\n    print {a}\n", f"def {a}_{b}({a}):\n    print({a})\n")
        for a in NAMED
        for b in NAMED
    ]


def write(file: Path, header: list[str], rows: list[tuple[str, ...]]) -> Path:
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return file


def test_programs_are_translated_measured_and_tested(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mason.cli.main import run as command

    rows = [(old, new, "pass") for old, new in functions()]
    file = write(tmp_path / "pairs.csv", ["source", "target", "tests"], rows)
    chosen = {"model.shape": "llama-tiny", "data.test_share": 0.1}
    run = mason.train(
        data=file, task="code-translation", output=tmp_path / "out", **(FAST | chosen)
    )
    told = run.results["evaluation"]
    names = {"same_tree", "compiles", "tests_passed", "exact_completion", "edit_similarity"}
    assert set(told["scores"]) == names
    copied = told["baselines"][0]["scores"]
    assert copied["same_tree"]["value"] == copied["compiles"]["value"] == 0
    assert copied["edit_similarity"]["value"] > 0.9
    assert "Same program" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    again = mason.load(tmp_path / "out")
    assert isinstance(again, CodeTranslator) and again.DRAFTS
    (written,) = again.predict([rows[0][0]])
    assert written == run.model.predict(rows[0][0])
    (tmp_path / "old.py").write_text(rows[0][0], encoding="utf-8")
    sent = ["translate", str(tmp_path / "out"), "--input", str(tmp_path / "old.py")]
    capsys.readouterr()
    assert command([*sent, "--json-lines"]) == 0
    assert json.loads(capsys.readouterr().out) == {"text": rows[0][0], "written": written}
    assert command(["summarise", *sent[1:]]) == 2


def test_a_gap_is_filled_by_a_model_that_was_given_the_tokens_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mason.cli.main import run as command

    rows = [
        (new[:20], new[20:24] if i % 2 else new[20:], new[24:] if i % 2 else "")
        for i, (_, new) in enumerate(functions())
    ]
    file = write(tmp_path / "gaps.csv", ["prompt", "completion", "suffix"], rows)
    said: list[str] = []
    run = mason.train(
        data=file,
        task="code-completion",
        output=tmp_path / "out",
        notice=said.append,
        **(FAST | {"model.shape": "marian-tiny"}),
    )
    assert any("where there is one, suffix behind the gap" in sentence for sentence in said)
    assert set(run.results["evaluation"]["scores"]) == {
        *("exact_completion", "edit_similarity", "compiles")
    }
    assert run.results["data"]["rows"]["train"] > 40  # rows without a suffix count too
    model = mason.load(tmp_path / "out")
    assert isinstance(model, CodeCompleter)
    marks = find_infill(model.tokenizer)
    assert marks is not None and model.network.spec.vocab_size == model.tokenizer.num_tokens
    gap, plain = model.around(["def a(", "def a("], ["):\n    pass\n", ""])
    assert [t for t in gap if t in marks] == list(marks) and not set(plain) & set(marks)
    assert model.tokenizer.decode(gap) and NAMES[0] not in model.tokenizer.decode(gap)
    assert model.predict("def a(", "): pass") == run.model.predict("def a(", "): pass")
    writer = mason.load(tmp_path / "out", task="generation")
    assert isinstance(writer, Writer)
    assert writer.encode_prompt("def a(", "):\n    pass\n") == gap, "read as it was learned"
    sent = ["complete", str(tmp_path / "out"), "def a(", "--suffix", "): pass", "--json-lines"]
    assert command([*sent, "--max-new-tokens", "3"]) == 0
    assert json.loads(capsys.readouterr().out)["given"] == "def a("


def test_a_row_is_shown_as_training_reads_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mason.cli.main import run as command

    rows = [("def a(", "x", "):\n    pass\n"), ("b = ", "1 + " * 90 + "1\n", "print(b)\n")]
    file = write(tmp_path / "gaps.csv", ["prompt", "completion", "after"], rows)
    shown = ["data", "show", str(file), "--task", "code-completion", "--pair", "after", "--json"]
    assert command([*shown, "--model", "SmolLM2-135M-Instruct", "--row", "5"]) == 0
    told = json.loads(capsys.readouterr().out)
    pieces = [piece["piece"] for piece in told["pieces"]]
    assert [name in pieces for name in NAMES] == [True] * 3, "tokens that training adds"
    assert told["learned"] > 170 and told["pieces"][-1]["learned"], "the longest is not cut"


def test_long_prompts_lose_what_is_far_from_the_gap() -> None:
    writer = mason.load("SmolLM2-135M-Instruct", task="code-completion", max_tokens=60)
    assert isinstance(writer, CodeCompleter)
    from mason.workflows.coder import with_infill

    model = with_infill(writer)
    assert with_infill(model) is model
    assert model.network.spec.vocab_size == writer.network.spec.vocab_size + 3
    model.max_new_tokens = 20
    before, after = "x = 1\n" * 50 + "here(", ") + 1\n" + "y = 2\n" * 50
    (gap,) = model.around([before], [after])
    assert len(gap) == 40
    told = model.tokenizer.decode(gap, skip_special=False)
    assert "here(<|fim_suffix|>) + 1" in told and told.endswith("<|fim_middle|>")
    (plain,) = model.around([before], [""])
    assert model.tokenizer.decode(plain).endswith("here(") and len(plain) == 40


def test_what_does_not_know_gaps_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    from mason.cli.main import run as command

    model = mason.load("SmolLM2-135M-Instruct", task="generation")
    assert isinstance(model, Writer)
    with pytest.raises(TokenizerError, match="does not know fill-in-the-middle"):
        infill_ids(model.tokenizer, "a", "b")
    assert command(["complete", "SmolLM2-135M-Instruct", "a", "--suffix", "b"]) == 2
    assert "leave the suffix out" in capsys.readouterr().err


def test_a_suffix_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", ["prompt", "completion"], [("a", "b")] * 3)
    with pytest.raises(DataError, match="no column after"):
        mason.train(
            data=file, task="code-completion", **{"model.shape": "gpt2-tiny", "data.pair": "after"}
        )
