"""A body as what is asked: strict JSON, then a schema with bounds for everything."""

import json
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mason.errors import DataError
from mason.models.files.strict_json import (
    RepeatedKeyError,
    depth_of,
    refuse_constant,
    unique_keys,
)
from mason.serving.limits import Limits
from mason.serving.refusals import Refusal, bad_request

M = TypeVar("M", bound=BaseModel)


def read_body(body: bytes, kind: type[M], limits: Limits) -> M:
    """What a body asks for.

    Raises:
        Refusal: It is not JSON, nested too deep, or not what the route takes.
    """
    given = _value(body, limits.json_depth)
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise _unfit(error, kind) from None


def _value(body: bytes, depth: int) -> Any:
    try:
        found = json.loads(
            body.decode("utf-8"), object_pairs_hook=unique_keys, parse_constant=refuse_constant
        )
    except RepeatedKeyError as repeated:
        raise bad_request(
            DataError("The key {key!r} stands twice in one object.", key=repeated.args[0])
        ) from None
    except RecursionError:
        raise _too_deep(depth) from None
    except ValueError as error:
        raise bad_request(DataError("The body is not JSON: {reason}.", reason=error)) from None
    if depth_of(found) > depth:
        raise _too_deep(depth)
    return found


def _too_deep(limit: int) -> Refusal:
    return bad_request(DataError("The body nests more than {limit} levels deep.", limit=limit))


def _unfit(error: ValidationError, kind: type[BaseModel]) -> Refusal:
    """The first thing that is wrong, with its place."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])[:100]
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][-1])[:60]
        near = get_close_matches(name, kind.model_fields, n=1)
        reason = (
            DataError("There is no field {name!r}; did you mean {near}?", name=name, near=near[0])
            if near and len(first["loc"]) == 1
            else DataError("{name!r} is not supported here; leave it out.", name=name)
        )
        return bad_request(reason, place)
    return bad_request(
        DataError(
            "The field {field} is wrong: {reason}.",
            field=place or "body",
            reason=first["msg"].rstrip("."),
        ),
        place or None,
    )
