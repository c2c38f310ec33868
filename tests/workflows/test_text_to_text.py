"""Text to text, end to end: a small model of random weights on Mason's own two languages."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import mason
from mason.errors import DataError, MasonError, SettingsError
from mason.workflows import Run
from mason.workflows.explaining import explain_table
from mason.workflows.tasks import find_task

MESSAGES = Path(mason.__file__).parent / "messages" / "zh"
FAST = {"training.threads": 1, "data.test_share": 0.02}


def pairs() -> list[dict[str, str]]:
    """Mason's sentences and their Chinese: real text that is always at hand."""
    found: dict[str, str] = {}
    for file in sorted(MESSAGES.glob("*.json")):
        found |= json.loads(file.read_text(encoding="utf-8"))
    return [{"en": english, "zh": chinese} for english, chinese in found.items()]


def write_pairs(file: Path) -> Path:
    rows = [json.dumps(pair, ensure_ascii=False) for pair in pairs()]
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("translation")
    return mason.train(
        data=write_pairs(folder / "pairs.jsonl"),
        output=folder / "out",
        task="translation",
        **FAST,
        **{
            "model.shape": "marian-tiny",
            "model.vocab_size": 2000,
            "data.text": "zh",
            "data.target": "en",
            "training.max_steps": 60,
            "training.tokens_per_batch": 1024,
            "training.learning_rate": 2e-3,
            "training.warmup_share": 0.25,
            "training.evaluate_steps": 30,
        },
    )


def test_it_learns_more_than_how_often_tokens_stand(run: Run) -> None:
    task = mason.workflows.tasks.find_task("translation")
    table = [pair["en"] for pair in pairs()]
    examples = run.model.exchanges(table, table)
    loss = run.results["training"]["evaluations"][-1]["valid_loss"]
    assert loss < task.chance_loss(run.model, examples)
    assert run.results["training"]["best_step"] is not None


def test_the_results_hold_scores_signature_baseline_and_the_worst(run: Run) -> None:
    told = run.results["evaluation"]
    assert told["rows"] == run.results["data"]["rows"]["test"]
    assert "tok:13a" in told["signatures"]["bleu"] and "nrefs:1" in told["signatures"]["chrf"]
    assert 0 <= told["scores"]["bleu"]["low"] <= told["scores"]["bleu"]["high"] <= 1
    assert [set(b["scores"]) for b in told["baselines"]] == [{"bleu", "chrf"}]
    assert 0 < len(told["errors"]) <= 10
    assert "BLEU" in (run.folder / "report.html").read_text(encoding="utf-8")


def test_rows_of_a_table_are_explained(run: Run, tmp_path: Path) -> None:
    """The first token that is written; a run's own report leaves that out, for it takes long."""
    assert "explanations" not in run.results["extras"]
    data = write_pairs(tmp_path / "pairs.jsonl")
    told = explain_table(run.model, data, rows=1, text="zh", target="en")
    (picture,) = told["extras"]["explanations"]["pictures"]
    assert picture["probable"] and (picture["words"] or picture["withheld"])


def test_a_saved_model_writes_as_the_trained_one_and_opens_in_transformers(run: Run) -> None:
    from transformers import AutoModelForSeq2SeqLM

    again, texts = mason.load(run.folder), [pair["zh"] for pair in pairs()[:3]]
    assert type(again) is type(run.model) and again.task == "translation"
    assert again.max_new_tokens == run.model.max_new_tokens
    assert again.predict(texts) == run.model.predict(texts)
    assert again.predict(texts[0]) == again.predict(texts)[0]  # a batch changes nothing
    other = AutoModelForSeq2SeqLM.from_pretrained(run.folder)
    assert sum(p.numel() for p in other.parameters()) > 0


def test_evaluation_measures_the_same_way(run: Run, tmp_path: Path) -> None:
    rows = [json.dumps(pair, ensure_ascii=False) for pair in pairs()[:12]]
    file = tmp_path / "test.jsonl"
    file.write_text("\n".join(rows), encoding="utf-8")
    told = mason.evaluate(run.folder, file, text="zh", target="en")["evaluation"]
    assert told["rows"] == 12 and set(told["scores"]) == {"bleu", "chrf"}


def test_a_lone_decoder_goes_the_same_road(tmp_path: Path) -> None:
    rows = [{"prompt": f"{n} and", "completion": f" {n} more"} for n in range(60)]
    file = tmp_path / "prompts.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    chosen = {"model.shape": "gpt2-tiny", "model.vocab_size": 300, "training.max_steps": 3}
    said: list[str] = []
    run = mason.train(
        data=file, task="completion", output=tmp_path / "out", notice=said.append, **FAST, **chosen
    )
    assert "Reads prompt and learns to write completion." in said
    assert set(run.results["evaluation"]["scores"]) == {"exact_completion", "edit_similarity"}
    assert len(run.results["evaluation"]["baselines"]) == 1
    again = mason.load(tmp_path / "out")
    assert again.separator == "" and again.predict("7 and") == run.model.predict("7 and")
    source, target = run.model.exchanges(["7 and"], [" 7 more"]).columns
    assert run.model.tokenizer.decode(source[0] + target[0]) == "7 and 7 more"
    assert target[0][-1] == run.model.end and run.model.end not in source[0]
    tight = replace(run.model, max_tokens=12, max_new_tokens=4)
    told = tight.exchanges(["7", "7 and " * 9, "7"], [" 7", " 7", " 7 more" * 9])
    assert list(told.shortened) == [False, True, True]
    assert max(told.lengths) <= 12 and len(told.targets[2]) == 4
    ended = [target[-1] == tight.end for target in told.targets]
    assert ended == [True, True, False]  # what goes on has no end to learn
    task = find_task("completion")
    assert task.num_cut(tight, [2, 2, 2], told) == 2
    assert "66.7% of the rows are cut" in str(task.crowded(tight, told))


def test_each_side_of_an_encoder_and_a_decoder_has_the_limit_to_itself(run: Run) -> None:
    texts, targets = ([pair[side] for pair in pairs()[:9]] for side in ("zh", "en"))
    lengths, read = run.model.num_tokens(texts, targets), run.model.tokenizer.encode_ids
    whole = [len(a) + len(b) for a, b in zip(read(texts), read(targets), strict=True)]
    assert max(whole) > max(lengths)
    for limit in (max(lengths), max(lengths) - 1):
        tight = replace(run.model, max_tokens=limit, max_new_tokens=limit)
        found = list(tight.exchanges(texts, targets).shortened)
        assert found == [n > limit for n in lengths]
        assert find_task("translation").crowded(tight, tight.exchanges(texts, targets)) is None


def test_what_is_not_clear_is_asked_and_what_cannot_be_is_said(tmp_path: Path) -> None:
    file = write_pairs(tmp_path / "pairs.jsonl")
    mistakes: list[tuple[type[MasonError], str, dict[str, object]]] = [
        (DataError, "languages en, zh; say from which to which", {}),
        (SettingsError, "No model is named", {"model.shape": None, "data.text": "en"}),
        (SettingsError, "no decoder and so cannot write", {"model.shape": "bert-tiny"}),
        (SettingsError, "no shape 'marian-huge'", {"model.shape": "marian-huge"}),
        (SettingsError, "data.label means nothing", {"data.label": "zh"}),
        (SettingsError, "keeps to a time", {"training.budget": "5e6 tokens"}),
    ]
    for kind, sentence, options in mistakes:
        clear = {"data.text": "en", "data.target": "zh"} if options else {}
        chosen = {"model.shape": "marian-tiny", "model.vocab_size": 2000, **clear, **options}
        named = {key: value for key, value in chosen.items() if value is not None}
        with pytest.raises(kind, match=sentence):
            mason.train(data=file, task="translation", **named)


def test_a_part_of_many_rows_is_written_and_said_or_every_one(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mason.cli.main import run as command
    from mason.workflows.tasks import text_to_text

    monkeypatch.setattr(text_to_text, "_MOST_ROWS", 3)
    file = tmp_path / "some.jsonl"
    file.write_text("\n".join(json.dumps(pair) for pair in pairs()[:5]), encoding="utf-8")
    measured = ["evaluate", str(run.folder), "--data", str(file), "--text", "zh", "--target", "en"]
    assert command(measured) == 0
    assert "Written for 3 of 5 rows" in capsys.readouterr().out
    assert command([*measured, "--every-row", "--output", str(tmp_path / "out")]) == 0
    assert "Written for" not in capsys.readouterr().out
    told = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert told["evaluation"]["rows"] == 5


def test_lines_of_a_file_stay_beside_those_written(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mason.cli.main import run as command

    texts = [pair["zh"] for pair in pairs()[:2]]
    file = tmp_path / "news.zh"  # a side of parallel files, by a name that is no table's
    file.write_bytes(f"{texts[0]}\r\n\r\n{texts[1]}\r\n".encode())
    assert command(["translate", str(run.folder), "--input", str(file)]) == 0
    first, _, last = capsys.readouterr().out.splitlines()
    assert [first, last] == [" ".join(one.split()) for one in run.model.predict(texts)]


def test_where_a_person_waits_it_is_written_piece_by_piece(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mason.cli.main import run as command

    text = pairs()[0]["zh"]
    pieces = [*run.model.stream(text)]
    assert len(pieces) > 1 and "".join(pieces) == run.model.predict(text)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert command(["translate", str(run.folder), "--text", text]) == 0
    assert capsys.readouterr().out == "".join(pieces) + "\n"


def test_the_command_translates_lines_and_refuses_another_task(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mason.cli.main import run as command

    file = tmp_path / "texts.txt"
    texts = [pair["zh"] for pair in pairs()[:2]]
    file.write_text("\n".join(texts), encoding="utf-8")
    assert command(["translate", str(run.folder), "--input", str(file), "--json-lines"]) == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["text"] for line in shown] == texts
    assert [line["written"] for line in shown] == run.model.predict(texts)
    assert command(["translate", str(run.folder), "--text", texts[0], "--beams", "2"]) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert command(["summarise", str(run.folder), "--text", texts[0]]) == 2
    assert "was trained for translation, not for summarisation" in capsys.readouterr().err
