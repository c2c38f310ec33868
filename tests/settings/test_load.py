from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mason import language
from mason.errors import SettingsError
from mason.settings import Settings, describe, load_settings, to_yaml
from mason.settings.aliases import ALIASES
from mason.settings.load import wanted
from mason.settings.schema import nested, paths


def written(folder: Path, text: str) -> Path:
    file = folder / "run.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def refusal(folder: Path, text: str, **overrides: object) -> str:
    with pytest.raises(SettingsError) as raised:
        load_settings(written(folder, text), overrides)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_file_then_overrides(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "model: bert-base-uncased\n"
        "data:\n  train: [a.csv, b.csv]\n  text: review\n"
        "training:\n  learning-rate: 2e-5\n  seed: 7\n",
    )
    overrides = {"training.learning-rate": "3e-5", "training.seed": None, "output.report": "false"}
    settings = load_settings(file, overrides).settings
    assert settings.model.source == "bert-base-uncased"
    assert settings.data.train == ("a.csv", "b.csv")
    assert settings.training.learning_rate == 3e-5
    assert settings.training.seed == 7
    assert settings.output.report is False


def test_nothing_given_leaves_it_to_the_workflow() -> None:
    settings = load_settings().settings
    assert settings == Settings()
    assert settings.training.learning_rate is None
    assert settings.training.precision == "auto"


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().training.seed = 3


def test_names_of_other_tools_are_understood_and_reported(tmp_path: Path) -> None:
    resolved = load_settings(
        written(
            tmp_path,
            "model_name_or_path: bert\nnum_train_epochs: 3\n"
            "lr_scheduler_type: constant_with_warmup\n"
            "bf16: true\nfp16: false\ntraining:\n  per_device_train_batch_size: 17\n"
            "  max_grad_norm: 1\noutput_dir: out\nlearning_rate: 1e-4\n",
        )
    )
    settings = resolved.settings
    assert settings.model.source == "bert" and settings.output.folder == "out"
    assert settings.training.epochs == 3 and settings.training.batch_size == 17
    assert settings.training.schedule == "constant" and settings.training.precision == "bf16"
    assert settings.training.clip_norm == 1 and settings.training.learning_rate == 1e-4
    assert resolved.aliases["num_train_epochs"] == "training.epochs"
    assert resolved.aliases["bf16"] == "training.precision: bf16"
    assert "fp16" not in resolved.aliases
    assert "output_dir is read as output.folder." in resolved.notices


def test_every_name_in_the_shared_vocabulary_is_known() -> None:
    expected = """model_name_or_path base_model learning_rate num_train_epochs num_epochs lr seed
    per_device_train_batch_size micro_batch_size train_batch_size gradient_accumulation_steps bf16
    cutoff_len max_length max_seq_length sequence_len val_size val_set_size warmup_ratio fp16
    lr_scheduler_type early_stopping_patience output_dir max_grad_norm weight_decay
    label_smoothing_factor hidden_dropout_prob"""
    assert set(expected.split()) <= set(ALIASES)
    assert {alias.path for alias in ALIASES.values()} == set(paths())
    assert len({path.rpartition(".")[2] for path in paths()}) == len(paths())


@pytest.mark.parametrize(
    "name", ["adapter.rank_stabilised", "training.recompute", "output.checkpoint_in_background"]
)
@pytest.mark.parametrize("value", [True, False])
def test_yes_and_no_where_nothing_is_a_third_answer(name: str, value: bool) -> None:
    group, _, leaf = name.partition(".")
    settings = load_settings(None, {name: value}).settings
    assert getattr(getattr(settings, group), leaf) is value


def test_two_names_for_one_setting(tmp_path: Path) -> None:
    message = refusal(tmp_path, "num_epochs: 3\ntraining:\n  epochs: 5\n")
    assert "line 3" in message and "num_epochs" in message and "training.epochs" in message
    same = load_settings(written(tmp_path, "num_epochs: 3\ntraining:\n  epochs: 3\n"))
    assert same.settings.training.epochs == 3
    won = load_settings(written(tmp_path, "num_epochs: 3\n"), {"training.epochs": "5"})
    assert won.settings.training.epochs == 5


def test_a_character_that_yaml_does_not_have(tmp_path: Path) -> None:
    message = refusal(tmp_path, "training:\n  seed: 1\n  epochs: \0 2\n")
    assert "line 3" in message and "special characters are not allowed" in message
    assert "line 2" in refusal(tmp_path, "seed: 1\n.training: 1\n"), "a dot is part of the name"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("training:\n  learnign_rate: 1\n", ("line 2", "learnign_rate", "training.learning_rate?")),
        ("trainnig:\n  seed: 1\n", ("line 1", "mean training?")),
        ("num_train_epoch: 1\n", ("line 1", "mean training.epochs?")),
        ("data:\n  xyzzy: 1\n", ("line 2", "data.xyzzy", "choose from train, valid")),
        ("training: 3\n", ("line 1", "below it")),
    ],
)
def test_an_unknown_name(tmp_path: Path, text: str, parts: tuple[str, ...]) -> None:
    message = refusal(tmp_path, text)
    assert str(tmp_path / "run.yaml") in message
    assert all(part in message for part in parts), message


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("training:\n  epochs: true\n", ("line 2", "training.epochs is True", "a number above 0")),
        ("training:\n  seed: 1.5\n", ("1.5", "a whole number from 0 to 4294967295")),
        ("lr: -1\n", ("lr (training.learning_rate) is -1", "above 0 and at most 10")),
        ("lr: .nan\n", ("'.nan'", "a number")),
        ("training:\n  dropout: 1\n", ("a number from 0 to less than 1",)),
        ("training:\n  precision: fp8\n", ("'fp8'", "one of auto, fp32, bf16")),
        ("data:\n  train: 5\n", ("data.train is 5", "a list of such names")),
        ("data:\n  train: []\n", ("data.train is []",)),
        ("data:\n  label: 5\n", ("data.label is 5", "in quotes")),
        ('task: "a\\nb"\n', ("task is", "on one line")),
        ("model: 7\n", ("model (model.source) is 7",)),
        ("training:\n  seed: {a: 1}\n", ("line 2", "training.seed")),
        ("output:\n  report: maybe\n", ("'maybe'", "true or false")),
    ],
)
def test_a_wrong_value(tmp_path: Path, text: str, parts: tuple[str, ...]) -> None:
    message = refusal(tmp_path, text)
    assert all(part in message for part in parts), message


def test_a_wrong_override_names_itself(tmp_path: Path) -> None:
    message = refusal(tmp_path, "", **{"training.seed": "many"})
    assert message == "training.seed is 'many'; it must be a whole number from 0 to 4294967295."


def test_every_setting_is_described_in_two_languages() -> None:
    english = [describe(path) + wanted(path) for path in paths()]
    language.use("zh")
    chinese = [describe(path) + wanted(path) for path in paths()]
    assert all(any("一" <= sign <= "鿿" for sign in text) for text in chinese)
    assert len(set(english)) == len(paths())
    with pytest.raises(KeyError):
        describe("training.xyzzy")


letters = st.characters(exclude_categories=["C", "Zl", "Zp"])
texts = st.text(letters, min_size=1, max_size=12)
texts = texts | st.sampled_from(["no", "010", "1e5", "null", "~", "3", ".5", "- a", "a: b", "#"])
some = st.fixed_dictionaries(
    {},
    optional={
        "task": texts,
        "model.source": texts,
        "model.revision": texts,
        "data.train": texts | st.lists(texts, min_size=1, max_size=3).map(tuple),
        "training.seed": st.integers(0, 2**32 - 1),
        "training.learning_rate": st.floats(1e-300, 10),
        "training.dropout": st.floats(0, 0.999),
        "training.schedule": st.sampled_from(["linear", "cosine", "constant"]),
        "output.report": st.booleans(),
    },
)


@given(some)
def test_yaml_goes_round(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, object]
) -> None:
    settings = Settings.model_validate(nested(values))
    file = written(tmp_path_factory.mktemp("yaml"), to_yaml(settings))
    resolved = load_settings(file)
    assert resolved.settings == settings
    assert not resolved.aliases
