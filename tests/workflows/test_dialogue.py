"""Dialogue and preferences, end to end: a small model of random weights that learns to talk."""

import json
from pathlib import Path

import pytest

import mason
from mason.errors import DataError, MasonError, SettingsError
from mason.text.chat import chat_ids
from mason.workflows import Run, Talker, Writer
from mason.workflows.tasks import find_task
from tests.workflows.conftest import ANIMALS, FAST, TINY, talks, write


@pytest.fixture
def run(talked: tuple[Run, list[str]]) -> Run:
    return talked[0]


@pytest.fixture
def said(talked: tuple[Run, list[str]]) -> list[str]:
    return talked[1]


def test_it_learns_and_says_so_beside_what_it_said_before(run: Run, said: list[str]) -> None:
    assert "Reads conversations as sharegpt: conversations." in said
    told = run.results["evaluation"]
    nats, scores = told["nats"], told["scores"]
    assert nats["loss"]["value"] < nats["loss_before"]["value"] - 1
    assert nats["gain"]["low"] > 0
    gain = nats["loss_before"]["value"] - nats["loss"]["value"]
    assert nats["gain"]["value"] == pytest.approx(gain)
    (rival,) = told["baselines"]
    assert scores["token_accuracy"]["value"] > rival["scores"]["token_accuracy"]["value"]
    assert told["learned_targets"] > told["targets"] > 0
    assert {"given", "wanted", "written", "before"} == set(told["replies"][0])
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "Loss of an answer" in page and "before tuning" in page


def test_the_saved_folder_talks_by_the_template_it_learned(run: Run) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    writer, again = mason.load(run.folder, task="generation"), mason.load(run.folder)
    assert isinstance(writer, Writer) and isinstance(again, Talker)
    assert isinstance(run.model, Talker)
    turns = [{"role": "user", "content": "Which colour has cat 0?"}]
    answer = writer.reply(turns)
    assert answer.finish == "stop" and answer.text == again.predict(turns)
    assert answer.text == run.model.predict([turns])[0]
    theirs = AutoTokenizer.from_pretrained(run.folder)
    ids = theirs.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    assert ids == chat_ids(writer.tokenizer, turns)
    config = AutoModelForCausalLM.from_pretrained(run.folder).config
    assert config.eos_token_id == writer.tokenizer.special.eos == theirs.eos_token_id
    assert theirs.eos_token == "<|im_end|>"


def test_evaluation_measures_the_same_way(run: Run, tmp_path: Path) -> None:
    told = mason.evaluate(run.folder, write(tmp_path / "test.jsonl", talks()[:9]))["evaluation"]
    assert told["rows"] == 9 and set(told["nats"]) == {"loss"} and not told["baselines"]


def test_only_the_chosen_turns_are_learned(run: Run, tmp_path: Path) -> None:
    model, task = run.model, find_task("dialogue")
    assert isinstance(model, Talker)
    tables, settings = mason.workflows.preparing.read_tables(
        mason.workflows.preparing.data_settings(write(tmp_path / "a.jsonl", talks()[:1]), {})
    )
    arranged = task.arrange(tables, settings)
    columns = task.columns(arranged, settings)
    counts = {}
    for loss_on in ("last", "answers", "everything"):
        model.loss_on = loss_on
        counts[loss_on] = task.examples(model, arranged["all"], columns).num_learned
    model.loss_on = "answers"
    assert 0 < counts["last"] < counts["answers"] < counts["everything"]


def test_preferences_move_the_model_from_where_it_was(run: Run, tmp_path: Path) -> None:
    rows = [
        {
            "prompt": f"Which colour has {ANIMALS[i % 4]} {i}?",
            "chosen": f"A {ANIMALS[i % 4]}.",
            "rejected": "It is red.",
        }
        for i in range(40)
    ]
    heard: list[str] = []
    tuned = mason.train(
        run.folder,
        write(tmp_path / "pairs.jsonl", rows),
        output=tmp_path / "out",
        task="preference",
        notice=heard.append,
        **FAST,
        **{"training.max_steps": 12, "training.learning_rate": 2e-3},
    )
    assert "Reads preferences as prompt: chosen > rejected." in heard
    told = tuned.results["evaluation"]
    assert told["scores"]["reward_accuracy"]["value"] == 1.0
    assert told["nats"]["reward_margin"]["low"] > 0
    assert told["nats"]["margin"]["value"] > told["nats"]["margin_before"]["value"]
    assert told["baselines"][0]["scores"]["preferred"]["value"] == 0.0
    assert tuned.results["task"]["loss"] == "dpo, beta 0.1"
    first = tuned.results["training"]["steps"][0]["loss"]
    assert first == pytest.approx(0.6931, abs=2e-3)  # nothing has moved yet: log 2
    again = mason.load(tmp_path / "out")
    assert again.task == "preference" and again.facts()["preference_loss"] == "dpo"


@pytest.mark.parametrize(
    ("task", "options", "sentence"),
    [
        ("dialogue", {"model.chat_template": None}, "has no chat template; give it the plain one"),
        ("dialogue", {"model.shape": "bert-tiny"}, "no decoder and so cannot write"),
        ("dialogue", {"model.shape": "marian-tiny"}, "is no lone decoder"),
        ("dialogue", {"training.preference_loss": "dpo"}, "preference_loss means nothing"),
        ("dialogue", {"model.max_tokens": 12}, "row 1: the first answer that is learned ends at"),
        ("completion", {}, "model.chat_template means nothing"),
        ("preference", {}, "model.shape means nothing"),
    ],
)
def test_what_cannot_be_is_said(
    task: str, options: dict[str, object], sentence: str, tmp_path: Path
) -> None:
    file = write(tmp_path / "talks.jsonl", talks())
    chosen = {k: v for k, v in {**TINY, **options}.items() if v is not None}
    with pytest.raises(MasonError, match=sentence) as told:
        mason.train(data=file, task=task, **FAST, **chosen)
    assert isinstance(told.value, DataError | SettingsError)


def test_a_template_of_its_own_is_kept(run: Run, tmp_path: Path) -> None:
    model = mason.load(run.folder)
    model.tokenizer.config["chat_template"] = "{{ messages[0].content }}"
    with pytest.raises(SettingsError, match="chat template of its own"):
        mason.train(
            model,
            write(tmp_path / "talks.jsonl", talks()),
            **FAST,
            **{"model.chat_template": "chatml"},
        )


def test_a_row_is_shown_token_by_token_with_what_is_learned(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mason.cli.main import run as command

    file = write(tmp_path / "talks.jsonl", talks()[:3])
    shown = ["data", "show", str(file), "--task", "dialogue", "--model", str(run.folder)]
    assert command([*shown, "--row", "2"]) == 0
    text = capsys.readouterr().out
    assert text.count("⟦<|im_end|>⟧") == 2 and "Row 2: " in text and "\x1b" not in text
    assert command([*shown, "--json", "--loss-on", "last"]) == 0
    told = json.loads(capsys.readouterr().out)
    learned = [piece["text"] for piece in told["pieces"] if piece["learned"]]
    assert learned[-1] == "<|im_end|>" and "".join(learned[:-1]) == "cat"
    assert told["row"] == 1 and told["closed"] and told["learned"] == len(learned)
    assert command([*shown, "--row", "9"]) == 2
    assert "holds no row 9" in capsys.readouterr().err
    assert command(["data", "show", str(file), "--model", str(run.folder)]) == 0
    assert "⟦<|im_end|>⟧" in capsys.readouterr().out, "a dialogue, where no task is named"
    sorts = ["data", "show", str(file), "--model", str(run.folder), "--task", "classification"]
    assert command(sorts) == 2
    capsys.readouterr()


def test_an_end_of_turn_that_is_never_trained_fails(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mason.cli.main import run as command

    model, place = mason.load(run.folder), tmp_path / "open"
    template = str(model.tokenizer.chat_template)
    model.tokenizer.config["chat_template"] = template.replace("+ '<|im_end|>' ", "")
    place.mkdir()
    model.write(place)
    file = write(tmp_path / "talks.jsonl", talks())
    chosen = ["--task", "dialogue", "--model", str(place)]
    assert command(["data", "show", str(file), *chosen]) == 2
    told = capsys.readouterr()
    assert "⟦" in told.out and "row 1: the end-of-turn token is never trained" in told.err
    assert command(["train", "--data", str(file), *chosen]) == 2
    assert "the end-of-turn token is never trained" in capsys.readouterr().err
