"""Realistic ``results.json`` contents, computed with our own metrics from made-up runs."""

from dataclasses import asdict
from typing import Any

import numpy as np
from scipy.special import softmax

from mason import language
from mason.metrics import calibration, fit_temperature, overfitting_verdict, scores

TREC = ["ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"]
QUESTIONS = [
    "What does the abbreviation AIDS stand for ?",
    "What is the chemical in a hot pepper that makes it hot, and why does water not help at all ?",
    "Who was the first woman to fly across the Pacific Ocean ?",
    "What county is Modesto , California in ?",
    "How many colonies were involved in the American Revolution ?",
]
REVIEWS = [
    "房间很干净，服务员态度也好，就是早餐一般，性价比还可以，下次出差还会考虑。",
    "说是五星级，隔音差得离谱，半夜能听到隔壁打电话，空调还漏水。",
    "还行吧，没有想象中那么好。",
]


def evaluation(labels: list[str], rows: int, texts: list[str], seed: int = 0) -> dict[str, Any]:
    """A classifier that is right about 95 times in 100 and a little too sure."""
    generator = np.random.default_rng(seed)
    frequent = generator.dirichlet(np.full(len(labels), 3.0))
    targets = generator.choice(len(labels), rows, p=frequent)
    logits = generator.normal(size=(rows, len(labels)))
    logits[np.arange(rows), targets] += 3.3
    logits[:, 1 % len(labels)] += 0.5
    chances = softmax(6.0 * logits, axis=1)
    temperature = fit_temperature(6.0 * logits, targets)
    cooled = calibration(targets, softmax(6.0 * logits / temperature, axis=1))
    predictions = chances.argmax(axis=1)
    found = scores(targets, predictions, len(labels))
    wrong = np.nonzero(predictions != targets)[0]
    surest = wrong[np.argsort(-chances[wrong].max(axis=1))][:8]
    guess = float(frequent.max())
    return {
        "split": "test",
        "rows": rows,
        "confidence": found.confidence,
        "scores": {name: asdict(score) for name, score in found.overall.items()},
        "per_class": [
            {"label": label, **asdict(row)}
            for label, row in zip(labels, found.per_class, strict=True)
        ],
        "confusion": {"labels": list(labels), "counts": found.confusion},
        "calibration": {
            **asdict(calibration(targets, chances)),
            "temperature": temperature,
            "ece_after": cooled.ece,
            "bins_after": [asdict(b) for b in cooled.bins],
        },
        "errors": [
            {
                "row": int(row) + 2,
                "file": "test.csv",
                "text": texts[i % len(texts)],
                "label": labels[targets[row]],
                "predicted": labels[predictions[row]],
                "probability": float(chances[row].max()),
            }
            for i, row in enumerate(surest)
        ],
        "baselines": [
            {
                "name": "always the commonest label" if texts is QUESTIONS else "总猜最常见的标签",
                "accuracy": {"value": guess, "low": guess - 0.03, "high": guess + 0.03},
            },
            {
                "name": "TF-IDF + linear" if texts is QUESTIONS else "TF-IDF + 线性模型",
                "accuracy": {"value": 0.862, "low": 0.832, "high": 0.891},
            },
        ],
    }


def training(seed: int = 0) -> dict[str, Any]:
    """Two thousand steps that start to overfit after the third evaluation."""
    generator = np.random.default_rng(seed)
    steps = [
        {
            "step": step,
            "epoch": step / 341,
            "loss": float(1.6 * np.exp(-step / 220) + 0.06 + generator.gamma(2.0, 0.03)),
            "learning_rate": 5e-5 * min(step / 100, (1364 - step) / 1264),
            "gradient_norm": float(generator.gamma(5.0, 0.4)),
            "tokens": int(generator.integers(900, 1100)),
            "seconds": float(generator.normal(0.4, 0.02)),
        }
        for step in range(1, 1365)
    ]
    curves = [
        (341, 0.41, 0.45, 0.881, 0.862, 0.79),
        (682, 0.17, 0.27, 0.953, 0.931, 0.902),
        (1023, 0.08, 0.238, 0.981, 0.948, 0.927),
        (1364, 0.035, 0.277, 0.993, 0.946, 0.924),
    ]
    names = ("step", "train_loss", "valid_loss", "train_accuracy", "valid_accuracy")
    evaluations = [
        {**dict(zip(names, row, strict=False)), "epoch": i + 1.0, "valid_macro_f1": row[-1]}
        for i, row in enumerate(curves)
    ]
    return {
        "steps": steps,
        "evaluations": evaluations,
        "best_step": 1023,
        "last_step": 1364,
        "stopped": "early",
        "overfitting": asdict(overfitting_verdict(evaluations)),
    }


def findings() -> list[dict[str, Any]]:
    """One finding of each severity."""
    return [
        {
            "code": "leak", "severity": "error", "file": "train.csv", "row": 812, "column": "text",
            "count": 7, "share": 0.0014,
            "reason": "7 training texts are also in the test file, so the score would be too good.",
            "fix": "Mason left them out of training; remove them from train.csv.",
            "examples": [{"row": 812, "text": "What is the capital of Yugoslavia ?"},
                         {"row": 2907, "text": "Who invented the telephone ?"}],
        },
        {
            "code": "duplicate", "severity": "warning", "file": "train.csv", "row": None,
            "column": "text", "count": 71, "share": 0.013,
            "reason": "71 texts occur more than once with the same label.",
            "fix": "Nothing needed; each counts once.", "examples": [],
        },
        {
            "code": "rare-label", "severity": "note", "file": None, "row": None,
            "column": "label", "count": 86, "share": 0.0158,
            "reason": "The label ABBR has only 86 rows.", "fix": "Add rows if it matters.",
            "examples": [],
        },
    ]  # fmt: skip


def sample(
    labels: list[str] = TREC, texts: list[str] = QUESTIONS, **changes: Any
) -> dict[str, Any]:
    """A full training run; ``changes`` replace top-level blocks."""
    labels = list(labels)  # tests write into what they get
    generator = np.random.default_rng(1)
    counts = generator.integers(80, 1250, len(labels))
    test = evaluation(labels, 500 if len(labels) < 20 else 3000, texts)
    return {
        "version": 1,
        "kind": "train",
        "created": "2026-03-14T09:26:53Z",
        "mason": "0.1.0",
        "language": "en",
        "name": "questions",
        "task": {"name": "classification", "text": "text", "label": "label", "labels": labels},
        "model": {
            "source": "microsoft/MiniLM-L12-H384-uncased",
            "family": "bert",
            "topology": "encoder",
            "parameters": 33_362_310,
            "license": "mit",
            "fresh": ["head.dense", "head.output"],
            "dropped": ["cls.predictions.bias", "cls.predictions.decoder.weight"],
            "parts": [
                {"name": "embeddings", "parameters": 11_918_592},
                {"name": "encoder", "parameters": 21_293_568},
                {"name": "head", "parameters": 150_150},
            ],
        },
        "data": {
            "file": "data/trec/train.csv",
            "rows": {"train": 4907, "valid": 545, "test": test["rows"]},
            "labels": [
                {"label": label, "train": int(n), "valid": int(n) // 9, "test": row["support"]}
                for label, n, row in zip(
                    labels, counts, test["per_class"], strict=True
                )
            ],
            "lengths": {
                "median": 12, "p90": 19, "p99": 28, "max": 47, "limit": 32, "share_cut": 0.0041,
                "histogram": [[4 * i, 4 * i + 4, n] for i, n in
                              enumerate([31, 640, 1810, 1342, 702, 261, 82, 24, 9, 4, 1, 1])],
            },
            "findings": findings(),
            "split": "A tenth of the rows was held out, label by label, with seed 17.",
            "languages": ["en"],
        },
        "training": training(),
        "evaluation": test,
        "cost": {
            "seconds": {"prepare": 3.21, "train": 547.8, "evaluate": 6.4, "total": 561.9},
            "tokens_per_second": 2513.0,
            "peak_memory_bytes": 1_243_000_000,
            "model_bytes": 133_500_000,
            "latency_ms": {"p50": 6.12, "p99": 11.9},
        },
        "recipe": {
            "model": "microsoft/MiniLM-L12-H384-uncased", "seed": 17,
            "training": {"learning_rate": 5e-5, "epochs": 4, "tokens_per_batch": 1024,
                         "optimizer": {"name": "adamw", "weight_decay": 0.01}},
            "data": {"file": "data/trec/train.csv", "limit": 32, "extra": None},
        },
        "command": "mason train --task classification --model microsoft/MiniLM-L12-H384-uncased "
                   "--data data/trec/train.csv --seed 17 --output runs/questions",
        "machine": {"processor": "AMD EPYC 7B13", "cores": 2, "memory_bytes": 8_330_000_000,
                    "device": "cpu", "system": "Linux 6.1"},
        "versions": {"python": "3.11.9", "torch": "2.13.0", "tokenizers": "0.23.1"},
        "extras": {},
    } | changes  # fmt: skip


def chinese() -> dict[str, Any]:
    """A two-label run reported in Chinese."""
    language.use("zh")
    try:
        run = training()
    finally:
        language.use(None)
    found = findings()[:2]
    found[0] |= {
        "reason": "7 条训练文本也出现在测试文件里，分数会虚高。",
        "fix": "请从 train.csv 中删除。",
    }
    found[0]["examples"] = [{"row": 812, "text": REVIEWS[2]}]
    found[1] |= {"reason": "71 条文本重复出现，标签相同。", "fix": "无需处理；每条只算一次。"}
    full = sample(["负面", "正面"], REVIEWS, language="zh", name="酒店评论", training=run)
    full["data"] |= {
        "findings": found,
        "split": "按标签留出十分之一的行，种子为 17。",
        "languages": ["zh"],
    }
    return full


def many(number: int) -> dict[str, Any]:
    """A run over many labels, some of them long."""
    labels = [f"intent_{i:02d}_{'card_payment_fee_charged' if i % 7 == 0 else 'top_up'}"
              for i in range(number)]  # fmt: skip
    return sample(labels)


def watched(num: int) -> dict[str, Any]:
    """A pretraining run of ``num`` evaluations, each with what the model wrote."""
    results = sample()
    given = "The <mask> horse stood by the old stone bridge and waited for the " + "w" * 60
    results["training"]["evaluations"] = [
        {
            "step": 100 * i,
            "train_loss": 3.5 / (i + 1),
            "valid_loss": 4.0 / (i + 1),
            "token_accuracy": i / (num + 1),
            "question_accuracy": 0.5 + 0.4 * i / num,
            "samples": [
                {"given": given, "written": f"guess {i} <b> 红色的马", "wanted": "It is red 红马"},
                {"given": "A second <mask>", "written": f"again {i} " * 12, "wanted": "one"},
            ],
        }
        for i in range(num)
    ]
    for step in results["training"]["steps"][9::10]:
        step["update_norm"] = 1e-3
    results["cost"]["product_share"] = 0.42
    return results
