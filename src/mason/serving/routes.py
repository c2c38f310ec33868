"""Which routes a model answers, and what every route shares."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from mason.errors import DataError
from mason.serving.messages import Head, Reply
from mason.serving.refusals import Refusal
from mason.serving.served import Served

Handler = Callable[[bytes], Awaitable[Reply]]


@dataclass(frozen=True)
class Route:
    """One thing that can be asked.

    Attributes:
        method: GET or POST.
        path: All of it.
        handler: Answers a body.
        takes: The schema of the body; None: there is none.
        says: What it is for, in a line.
    """

    method: str
    path: str
    handler: Handler
    takes: type[BaseModel] | None = None
    says: str = ""


def find_route(routes: Mapping[str, Route], head: Head) -> Route:
    """The route of a request.

    Raises:
        Refusal: There is none, it has another method, or the body is announced as something else.
    """
    route = routes.get(head.path)
    if route is None:
        raise Refusal(
            404,
            DataError("This model has no such route; it has {known}.", known=", ".join(routes)),
        )
    if head.method != route.method:
        raise Refusal(
            405,
            DataError("{path} takes {method}.", path=route.path, method=route.method),
            headers=(("Allow", route.method),),
        )
    kind = head.headers.get("content-type", "").partition(";")[0].strip().lower()
    # Not only for order's sake: pages may send other kinds to anybody without being asked back.
    if route.takes is not None and kind != "application/json":
        raise Refusal(415, DataError("The body must be JSON; send Content-Type: application/json."))
    return route


def adapter_of(asked: str | None, served: Served) -> str | None:
    """The adapter that a request asks for by the name it calls.

    Raises:
        Refusal: There is no such model.
    """
    name = served.name if asked is None else asked
    if name not in served.names:
        raise Refusal(
            404,
            DataError(
                "There is no model {asked!r} here; this is {name}.",
                asked=asked,
                name=", ".join(served.names),
            ),
            code="model_not_found",
            param="model",
        )
    return served.adapters.get(name)
