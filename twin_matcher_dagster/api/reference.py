"""The description of the service as a page that needs no other host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)


def reference_page(description: Mapping[str, Any], prefix: str) -> str:
    """The page.

    Args:
        description: of the service, as OpenAPI has it.
        prefix: path that the service is mounted at, such as ``/v1``.
    """
    schemas = description["components"]["schemas"]
    return _PAGES.get_template("reference.html").render(
        info=description["info"],
        prefix=prefix,
        operations=list(_operations(description)),
        schemas={name: list(_fields(schemas[name])) for name in sorted(schemas)},
        notes={name: schemas[name].get("description", "") for name in schemas},
    )


def _operations(description: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {})
            yield {
                "method": method.upper(),
                "path": path,
                "about": operation.get("description", ""),
                "bodies": [
                    (kind, ", ".join(content["schema"].get("properties", ())))
                    for kind, content in body.items()
                ],
                "parameters": [
                    (one["name"], _type(one["schema"]), one.get("description", ""))
                    for one in operation.get("parameters", ())
                ],
                "responses": [
                    (status, answer["description"], _answer(answer))
                    for status, answer in sorted(operation["responses"].items())
                ],
            }


def _answer(response: Mapping[str, Any]) -> str:
    """What a response is made of: the name of a schema, or a kind of file."""
    for kind, content in response.get("content", {}).items():
        return _type(content["schema"]) if content.get("schema") else kind
    return ""


def _fields(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, field in schema.get("properties", {}).items():
        yield name, _type(field), field.get("description", "")


def _type(schema: Mapping[str, Any]) -> str:
    """A type in words; the names of schemas as they are."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    bounds = [f"{schema[name]}" for name in ("minimum", "maximum") if name in schema]
    default = f", else {schema['default']}" if schema.get("default") is not None else ""
    return f"{schema.get('type', 'anything')}{' ' * bool(bounds)}{' to '.join(bounds)}{default}"
