"""SmolLM2-135M writes 300 answers under ten JSON schemas, each judged by ``jsonschema``.

Thirty answers to each schema, drawn at temperature 1 in batches after three prompts of unequal
length; every schema bounds its strings, numbers and arrays, so that each answer ends. The judge
checks formats and patterns too. A token's seconds are the processor's on one thread, the
compiling of the schema among them; the peer is the same model without the schema, for as many
tokens of as many answers in bf16. Where the schema leaves no choice several tokens are read in
one step, so a constraint may cost less than nothing.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jsonschema
import torch

from benchmarks.report import Goal, Row, Table, publish
from mason.generation import Constraint, Generated, Sampling, generate
from mason.models.checkpoints import load_model
from mason.models.transformer import Transformer
from mason.sources import find_model
from mason.text import Tokenizer
from mason.text.loading import load_tokenizer

MODEL = "SmolLM2-135M-Instruct"
PROMPTS = (
    "An example as JSON: ",
    "The record below is complete and follows the schema exactly. Record:\n",
    "JSON\n",
)
ROOM = 160
"""Tokens of an answer; the longest that a schema allows takes fewer."""


def record(**properties: Any) -> dict[str, Any]:
    """The schema of an object that has these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def text(longest: int, **more: Any) -> dict[str, Any]:
    return {"type": "string", "maxLength": longest, **more}


def whole(low: int, high: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": low, "maximum": high}


def several(items: dict[str, Any], most: int, least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


SCHEMAS: dict[str, dict[str, Any]] = {
    "person": record(name=text(16), age=whole(0, 130), married={"type": "boolean"}),
    "choice": record(verdict={"enum": ["yes", "no", "unsure"]}, stars=whole(1, 5)),
    "numbers": several(whole(-1000, 1000), 6, 2),
    "nested": record(
        title=text(16), place=record(city=text(12), country={"enum": ["FR", "DE", "CN"]})
    ),
    "optional": {
        **record(id=whole(1, 99_999), note=text(16), tag={"enum": ["a", "b"]}),
        "required": ["id"],
    },
    "either": record(value={"anyOf": [whole(0, 9), text(8), {"type": "null"}]}),
    "pattern": record(
        code={"type": "string", "pattern": "^[A-Z]{3}-[0-9]{4}$"},
        colour={"type": "string", "pattern": "^#[0-9a-f]{6}$"},
    ),
    "formats": record(day={"type": "string", "format": "date"}, at=text(8, minLength=1)),
    "tree": {
        "$defs": {
            "leaf": record(word=text(8)),
            "node": record(left={"$ref": "#/$defs/leaf"}, right={"$ref": "#/$defs/leaf"}),
        },
        "$ref": "#/$defs/node",
    },
    "table": several(record(item=text(8), price=whole(0, 500)), 3, 1),
}


def written(
    model: Transformer, tokenizer: Tokenizer, prompts: Sequence[Sequence[int]], how: Sampling
) -> tuple[list[Generated], float]:
    """Every answer, and the processor's seconds they took."""
    start = time.process_time()
    found = generate(model, prompts, how, tokenizer=tokenizer)
    seconds = time.process_time() - start
    return [answer for best in found for answer in (best, *best.others)], seconds


def valid(answer: Generated, schema: dict[str, Any]) -> bool:
    """Whether an answer is JSON that the schema accepts, by an independent judge."""
    kind = jsonschema.Draft202012Validator
    try:
        kind(schema, format_checker=kind.FORMAT_CHECKER).validate(json.loads(answer.text))
    except (json.JSONDecodeError, jsonschema.ValidationError) as error:
        print(f"not valid ({answer.finish}): {answer.text!r}: {error}", file=sys.stderr)
        return False
    return True


def measured(
    model: Transformer, tokenizer: Tokenizer, name: str, prompts: list[list[int]], each: int
) -> dict[str, float]:
    """One schema: valid answers, and seconds and tokens with it and without."""
    schema = SCHEMAS[name]
    free = Sampling(ROOM, temperature=1.0, num_return=each, stop_tokens=(2,))
    bound = replace(free, constraint=Constraint.json_schema(schema))
    answers, seconds = written(model, tokenizer, prompts, bound)
    tokens = [len(answer.tokens) for answer in answers]
    # As many answers, each as long as theirs are on average.
    mean = max(1, round(sum(tokens) / len(tokens)))
    like = replace(free, max_new_tokens=mean, stop_tokens=())
    others, other_seconds = written(model, tokenizer, prompts, like)
    print(f"{name}: {answers[0].text}", file=sys.stderr)
    return {
        "answers": len(answers),
        "valid": sum(valid(answer, schema) for answer in answers),
        "ended": sum(answer.finish == "stop" for answer in answers),
        "distinct": len({answer.text for answer in answers}),
        "tokens": sum(tokens),
        "seconds": seconds,
        "free tokens": sum(len(answer.tokens) for answer in others),
        "free seconds": other_seconds,
    }


def rows_of(found: dict[str, dict[str, float]]) -> list[Row]:
    """What all schemas show together."""
    total = {key: sum(one[key] for one in found.values()) for key in next(iter(found.values()))}
    bound = 1e3 * total["seconds"] / total["tokens"]
    free = 1e3 * total["free seconds"] / total["free tokens"]
    return [
        Row("answers", total["answers"], goal=Goal("≥", 300)),
        Row("valid", total["valid"] / total["answers"], goal=Goal("≥", 1.0)),
        Row("ended of themselves", total["ended"] / total["answers"], goal=Goal("≥", 1.0)),
        Row("distinct texts", total["distinct"]),
        Row("tokens an answer", total["tokens"] / total["answers"]),
        Row("ms a token, peer: without a constraint", bound, free),
    ]


def table_of(found: dict[str, dict[str, float]]) -> Table:
    """A line for each schema."""
    lines = [
        (
            name,
            f"{one['valid']:.0f} of {one['answers']:.0f}",
            f"{one['distinct']:.0f}",
            f"{one['tokens'] / one['answers']:.1f}",
            f"{1e3 * one['seconds'] / one['tokens']:.1f}",
            f"{1e3 * one['free seconds'] / one['free tokens']:.1f}",
        )
        for name, one in found.items()
    ]
    columns = ("schema", "valid", "distinct", "tokens each", "ms a token", "without")
    return Table("schemas", columns, lines)


def main() -> int:
    """Run, print, perhaps save; exit with 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--save", action="store_true", help="write docs/results/constrained-….md")
    parser.add_argument("--each", type=int, default=10, help="answers to each of three prompts")
    options = parser.parse_args()
    torch.set_num_threads(1)
    path = find_model(MODEL)
    model, tokenizer = load_model(path).model.to(torch.bfloat16), load_tokenizer(path)
    prompts = tokenizer.encode_ids(PROMPTS)
    # The vocabulary is prepared once for a model, not for each schema.
    warm = Sampling(2, constraint=Constraint.regex("a|b"), stop_tokens=(2,))
    written(model, tokenizer, prompts, warm)
    found = {name: measured(model, tokenizer, name, prompts, options.each) for name in SCHEMAS}
    rows = rows_of(found)
    tables = [Table.of("constrained", rows), table_of(found)]
    notes = (__doc__ or "").partition("\n\n")[2]
    return 0 if publish("constrained", rows, tables=tables, notes=notes, save=options.save) else 1


if __name__ == "__main__":
    sys.exit(main())
