"""Names that other tools give to Mason's settings, and what their values mean here.

The names are those of Hugging Face transformers, LLaMA-Factory, axolotl, LitGPT and
torchtune, so that a file written for one of them says what it meant.
"""

from collections.abc import Callable
from typing import NamedTuple

from mason.settings.schema import paths

UNSAID = object()
"""What an alias's value turns into where it leaves the setting open, as ``fp16: false`` does."""

SHORTHANDS = {
    "model": "model.source",
    "data": "data.train",
    "adapter": "adapter.kind",
    "output": "output.folder",
}
"""A group given one value: ``model: bert-base-uncased``."""


class Alias(NamedTuple):
    """A setting's path, and how the alias's value becomes the setting's."""

    path: str
    translate: Callable[[object], object] = lambda value: value


def _when_true(meaning: str) -> Callable[[object], object]:
    words = {"true": meaning, "1": meaning, "false": UNSAID, "0": UNSAID}
    return lambda value: words.get(str(value).lower(), value)


def _preference(value: object) -> object:
    return {"sigmoid": "dpo", "slic": "hinge"}.get(str(value), value)


def _tuning(value: object) -> object:
    return UNSAID if value == "full" else value


def _schedule(value: object) -> object:
    return "constant" if value == "constant_with_warmup" else value


_NAMES = {
    "model.source": "model_name_or_path base_model checkpoint_dir",
    "model.revision": "model_revision",
    "model.max_tokens": "cutoff_len max_length max_seq_length max_seq_len sequence_len block_size",
    "data.train": "train_file dataset train_dataset",
    "data.valid": "validation_file valid_file eval_file eval_dataset",
    "data.test": "test_file test_dataset",
    "data.text": "text_column text_column_name text_column_names",
    "data.label": "label_column label_column_name",
    "data.valid_share": "val_size val_set_size valid_size",
    "data.test_share": "test_size",
    "adapter.rank": "lora_rank lora_r adapter_rank",
    "adapter.alpha": "lora_alpha",
    "adapter.targets": "lora_target lora_target_modules target_modules lora_modules",
    "adapter.rank_stabilised": "use_rslora peft_use_rslora",
    "adapter.rate_ratio": "loraplus_lr_ratio",
    "adapter.virtual_tokens": "num_virtual_tokens pre_seq_len",
    "adapter.base_bits": "quantization_bit",
    "training.freeze_layers": "num_frozen_layers",
    "training.layer_decay": "layerwise_lr_decay llrd",
    "training.seed": "random_seed",
    "training.epochs": "num_train_epochs num_epochs",
    "training.batch_size": "per_device_train_batch_size micro_batch_size train_batch_size",
    "training.accumulation": "gradient_accumulation_steps",
    "training.learning_rate": "lr",
    "training.warmup_share": "warmup_ratio",
    "training.evaluate_steps": "eval_steps",
    "training.mask_rate": "mlm_probability",
    "training.preference_beta": "pref_beta dpo_beta beta",
    "training.preference_margin": "simpo_gamma",
    "model.tokenizer": "tokenizer_name",
    "training.clip_norm": "max_grad_norm",
    "training.label_smoothing": "label_smoothing_factor",
    "training.dropout": "hidden_dropout_prob hidden_dropout",
    "training.recompute": "gradient_checkpointing enable_activation_checkpointing",
    "training.compile": "torch_compile",
    "training.patience": "early_stopping_patience",
    "output.folder": "output_dir out_dir",
    "output.checkpoint_steps": "save_steps",
    "output.checkpoints": "save_total_limit",
}

ALIASES = {
    **{path.rpartition(".")[2]: Alias(path) for path in paths()},
    **{name: Alias(path) for path, names in _NAMES.items() for name in names.split()},
    "lr_scheduler_type": Alias("training.schedule", _schedule),
    "lr_scheduler": Alias("training.schedule", _schedule),
    "loss_type": Alias("training.preference_loss", _preference),
    "pref_loss": Alias("training.preference_loss", _preference),
    "mask_history": Alias("training.loss_on", _when_true("last")),
    "train_on_prompt": Alias("training.loss_on", _when_true("everything")),
    "train_on_inputs": Alias("training.loss_on", _when_true("everything")),
    "finetuning_type": Alias("adapter.kind", _tuning),
    "use_dora": Alias("adapter.kind", _when_true("dora")),
    "peft_use_dora": Alias("adapter.kind", _when_true("dora")),
    "load_in_4bit": Alias("adapter.base_bits", _when_true("4")),
    "load_in_8bit": Alias("adapter.base_bits", _when_true("8")),
    "bf16": Alias("training.precision", _when_true("bf16")),
    "fp16": Alias("training.precision", _when_true("bf16")),
    "use_cpu": Alias("training.device", _when_true("cpu")),
    "no_cuda": Alias("training.device", _when_true("cpu")),
}
"""Every name that may stand anywhere: other tools' names, and Mason's own without the group."""
