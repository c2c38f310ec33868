"""What the routes take, in OpenAPI's words: for tools that make clients, and those that test."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from mason.serving.routes import Route

_PLACE = "#/components/schemas/{model}"


def describe(routes: Iterable[Route]) -> dict[str, Any]:
    """The description of routes."""
    routes = list(routes)
    kinds = [route.takes for route in routes if route.takes is not None]
    names, schemas = models_json_schema(
        [(kind, "validation") for kind in kinds], ref_template=_PLACE
    )
    references = {kind: names[kind, "validation"] for kind in kinds}
    return {
        "openapi": "3.1.0",
        "info": {"title": "mason serve", "version": "1"},
        "paths": {route.path: {route.method.lower(): _told(route, references)} for route in routes},
        "components": {
            "schemas": schemas.get("$defs", {}),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _told(route: Route, references: dict[type[BaseModel], dict[str, Any]]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "summary": route.says,
        "responses": {
            "200": {"description": "The answer."},
            "4XX": {"description": "What is wrong with the request, in OpenAI's form."},
        },
    }
    if route.takes is not None:
        schema = references[route.takes]
        told["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    return told
