"""What each setting means, its unit, and what is done when it is left out."""

from mason.language import say


def describe(path: str) -> str:
    """One sentence about the setting at ``path``, such as ``training.learning_rate``.

    Raises:
        KeyError: there is no such setting.
    """
    groups = {"model": _model, "data": _data, "adapter": _adapter}
    groups |= {"training": _training, "output": _output}
    group, _, leaf = path.rpartition(".")
    return (groups[group]() if group else _run())[leaf]


def _run() -> dict[str, str]:
    return {
        "task": say("What to learn, such as classification, which is meant where it is left out."),
        "language": say("Language of messages and reports; auto follows the system."),
    }


def _model() -> dict[str, str]:
    return {
        "source": say("The model to start from: a folder, a .gguf file, a hub id or a package."),
        "revision": say("Branch, tag or commit of the model on its hub."),
        "max_tokens": say("Longest sequence in tokens; longer texts are cut, and counted."),
        "shape": say("Published shape to pretrain from random weights, such as bert-mini."),
        "tokenizer": say(
            "Tokenizer to pretrain with: a folder or a model; left out, one is learned."
        ),
        "vocab_size": say("Pieces of the tokenizer that is learned; left out, from the corpus."),
        "chat_template": say(
            "A chat template for a model that has none: chatml, whose two marks become tokens."
        ),
    }


def _data() -> dict[str, str]:
    return {
        "train": say("File, folder or name of the data to train on, or a list of them."),
        "valid": say("Data to choose the best step by; left out, a share of the training data."),
        "test": say("Data for the final scores only; left out, a share of the training data."),
        "text": say("Column that holds the text."),
        "pair": say("Column that holds the second text of a pair."),
        "negative": say("Column that holds a text unlike the first, for embedding."),
        "label": say("Column that holds the label."),
        "separator": say(
            "What stands between the labels of a text, such as ;, for multilabel; found and said "
            "if left out."
        ),
        "target": say("Column that holds the text to write, for tasks that write one."),
        "group": say("Column whose rows stay on one side of a split, such as author or source."),
        "format": say("Format of the files; auto looks at their names and first bytes."),
        "encoding": say(
            "Character encoding of text files, such as utf-8 or gb18030; auto detects."
        ),
        "columns": say("Names of the columns, with commas between, of a csv without a header."),
        "valid_share": say("Share of the training data held out for validation, from 0 to 0.5."),
        "test_share": say("Share of the training data held out for the final scores, 0 to 0.5."),
        "weights": say(
            "How often an epoch of pretraining visits each source of data.train; once if left out."
        ),
        "deduplicate": say(
            "Which repeated documents pretraining leaves out: equal ones, or those nearly like an "
            "earlier one too; left out, near."
        ),
        "quality": say(
            "Documents that pretraining keeps: all, or those that pass rules made for the web, "
            "which tables, verse and code fail; left out, all."
        ),
        "exclude": say(
            "Evaluation texts: a document of pretraining that shares 13 words in a row, or 40 "
            "Chinese characters, with them is left out."
        ),
    }


def _adapter() -> dict[str, str]:
    return {
        "kind": say("What learns beside frozen weights; left out, the weights themselves learn."),
        "rank": say("Inner width of an adapter; left out, 8."),
        "alpha": say("A change of low rank is multiplied by alpha / rank; left out, by 2."),
        "lora_dropout": say("Probability of dropping a value that an adapter reads; left out, 0."),
        "targets": say(
            "Linear maps that get adapters, by our names or the family's: attention, feed_forward, "
            "query, value, output, q_proj …; left out, all of the layers."
        ),
        "rank_stabilised": say("Multiply by alpha / √rank instead (rsLoRA)."),
        "virtual_tokens": say("Rows that a prompt or a prefix puts before every text; else 20."),
        "rate_ratio": say("Learning rate of LoRA's second matrix over the first's (LoRA+)."),
        "base_bits": say(
            "Bits in which frozen weights are held: 4 (NF4) or 8 save memory (QLoRA); left out, 16 "
            "where products are in bf16."
        ),
    }


def _training() -> dict[str, str]:
    return {
        "seed": say("Seed of every random choice; the same seed gives the same run."),
        "epochs": say("Times to go through the training data."),
        "max_steps": say("Optimiser steps to stop after, whatever the epochs say."),
        "batch_size": say("Sequences in one pass through the model."),
        "tokens_per_batch": say("Tokens in one pass through the model."),
        "accumulation": say("Passes whose gradients are added up for one optimiser step."),
        "optimizer": say(
            "What turns gradients into steps; adamw8bit needs the extra lowbit, schedule_free "
            "wants a constant schedule."
        ),
        "learning_rate": say("Highest learning rate, reached at the end of the warm-up."),
        "head_learning_rate": say("Highest learning rate of the new head alone."),
        "probe_rows": say(
            "Examples on which the new head is fitted before the first step; 0 leaves it random."
        ),
        "weight_decay": say("Decoupled weight decay (Loshchilov and Hutter, 2019)."),
        "warmup_share": say("Share of the steps in which the learning rate rises from 0."),
        "schedule": say("How the learning rate falls after the warm-up."),
        "decay_share": say("Share of the steps, the last ones, in which wsd falls to 0."),
        "ema_decay": say(
            "Share of the weights' moving average that stays at each step; the average is then "
            "evaluated and kept."
        ),
        "clip_norm": say("Largest gradient norm of a step; larger gradients are scaled down."),
        "label_smoothing": say("Probability taken from the right label and spread over all."),
        "temperature": say("Cosines are divided by it before they compete, for embedding."),
        "dropout": say("Probability of dropping a hidden value; left out, the model's own."),
        **_against_overfitting(),
        **_by_machine(),
        "freeze": say(
            "What does not learn: embeddings, body (all but the head), or weights (all but biases "
            "and the head, BitFit)."
        ),
        "freeze_layers": say("That many layers from the first do not learn, nor the embeddings."),
        "layer_decay": say("Each layer below the last learns at this share of the rate above it."),
        "patience": say("Evaluations without improvement after which training stops."),
        "evaluations_per_epoch": say("Evaluations on the validation data in each epoch."),
        "evaluate_steps": say("Steps from one evaluation to the next, instead of epochs."),
        "budget": say(
            "What pretraining may cost: a time (30m), tokens (5e6 tokens) or flops (1e15 flops)."
        ),
        "recipe": say(
            "How to pretrain: modern (the default) or as published for the shape, dropout and all."
        ),
        "mask_rate": say("Share of the tokens a masked objective hides; left out, the recipe's."),
        "mask_unit": say(
            "What a masked objective hides together: a token, a whole word, or an n-gram of up to "
            "3 words; left out, a token. Chinese words need the extra zh."
        ),
        **_conversations(),
        "device": say("Where to compute; auto takes the first accelerator there is."),
        "threads": say("Processor threads to compute with; left out, one for each core."),
    }


def _by_machine() -> dict[str, str]:
    return {
        "precision": say("Number format of the products; weights and sums stay in fp32."),
        "compile": say(
            "Compile the feed-forward blocks at the first step, which takes seconds to a minute; "
            "meant for GPUs, on a CPU it gains nothing."
        ),
        "recompute": say(
            "Compute activations again in the backward pass instead of keeping them: a third more "
            "work, much less memory; left out, beside frozen weights in 4 bits. Where memory does "
            "not suffice it is done anyway."
        ),
    }


def _against_overfitting() -> dict[str, str]:
    return {
        "r_drop": say(
            "R-Drop: every text is read twice under different dropout, and the answers shall agree "
            "with this weight, such as 1; left out, 0."
        ),
        "word_swaps": say(
            "Every text is read twice, the second time with up to this share of its English words "
            "swapped for words of like use that the gradient says hurt most; left out, 0."
        ),
        "mixout": say(
            "Share of the layers' values that fall back on the pretrained ones in each step, for "
            "few rows; left out, 0."
        ),
        "reinit_layers": say("That many of the last layers start from random weights again."),
        "privacy_epsilon": say(
            "Train privately (DP-SGD): the ε within which the whole run keeps every row; less is "
            "more private, 1 to 8 is usual. Needs the extra privacy."
        ),
        "privacy_delta": say(
            "The δ of that promise, below one over the number of rows; left out, a tenth of that."
        ),
    }


def _conversations() -> dict[str, str]:
    return {
        "loss_on": say(
            "Which turns of a conversation are learned: the assistant's answers, the last answer "
            "alone, or everything; left out, answers."
        ),
        "preference_loss": say(
            "How to learn from preferences: dpo (left out), ipo, hinge, or simpo and orpo, which "
            "need no reference."
        ),
        "preference_beta": say(
            "How closely preference tuning stays with the model it began with; the higher, the "
            "closer. Left out, 0.1, of simpo 2."
        ),
        "preference_margin": say(
            "By how much the better answer shall lead in simpo; left out, 0.5."
        ),
    }


def _output() -> dict[str, str]:
    return {
        "folder": say("Folder to write the model, its results and its report to."),
        "report": say("Whether to write the HTML report."),
        "checkpoints": say(
            "How many of the last checkpoints to keep, the best besides; 0 keeps none, and then "
            "a killed run is lost."
        ),
        "checkpoint_minutes": say(
            "Minutes from one checkpoint to the next; more where writing took over 2 % of them."
        ),
        "checkpoint_steps": say("Steps from one checkpoint to the next, instead of minutes."),
        "checkpoint_in_background": say(
            "Write checkpoints while training goes on, at the price of a copy in memory; left out, "
            "on an accelerator only."
        ),
        "sinks": say(
            "Other tools, or a list of them, that are told what the log is told; each needs the "
            "extra of its name. MLflow writes to MLFLOW_TRACKING_URI, or to mlruns beside the "
            "folder."
        ),
    }
