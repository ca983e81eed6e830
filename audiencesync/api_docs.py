"""The page /api/docs: the OpenAPI document rendered on the server, without JavaScript."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from ninja import NinjaAPI
from ninja.openapi.docs import DocsBase

MAX_DEPTH = 4  # levels of fields that are shown
LIMIT_TEXTS = {  # keyword of a JSON schema -> its words
    "maxLength": "at most {} characters",
    "minimum": "from {}",
    "maximum": "to {}",
    "pattern": "like {}",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a body or a query parameter; ``name`` is its path, such as events[].time."""

    name: str
    kind: str
    is_required: bool
    notes: str


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of the API."""

    method: str
    path: str
    anchor: str
    summary: str
    description: str
    parameters: list[Field]
    body: list[Field]
    answer: list[Field]
    status: str
    example: str

    @property
    def curl(self) -> str:
        """A shell command that makes the call."""
        data = (
            f" \\\n  -H 'Content-Type: application/json' \\\n  -d '{self.example}'"
            if self.body
            else ""
        )
        address = f"{settings.SITE_URL}{self.path}"
        return (
            f"curl -X {self.method} '{address}' \\\n  -H \"Authorization: Bearer $API_KEY\"{data}"
        )


class Docs(DocsBase):
    """Renders the document in our own page layout."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        """Return the page; it is public, as the document is."""
        document = Document(api.get_openapi_schema())
        failure = (
            document.fields(document.schemas["Failure"]) if "Failure" in document.schemas else []
        )
        context = {"document": document, "sections": document.sections(), "failure": failure}
        return render(request, "api_docs.html", context)


class Document:
    """An OpenAPI document."""

    def __init__(self, schema: Any) -> None:
        self.paths: dict[str, Any] = schema["paths"]
        self.schemas: dict[str, Any] = schema.get("components", {}).get("schemas", {})
        self.description: str = schema["info"].get("description", "")

    def sections(self) -> dict[str, list[Operation]]:
        """Return the operations by their first tag, in the order of the document."""
        operations: dict[str, list[Operation]] = {}
        for path, calls in self.paths.items():
            for method, call in calls.items():
                operations.setdefault((call.get("tags") or ["other"])[0], []).append(
                    self._operation(method, path, call)
                )
        return operations

    def _operation(self, method: str, path: str, call: dict[str, Any]) -> Operation:
        status = next((code for code in call["responses"] if str(code).startswith("2")), "")
        body = _content(call.get("requestBody", {}))
        return Operation(
            method=method.upper(),
            path=path,
            anchor=path.strip("/").replace("/", "-"),
            summary=call.get("summary", ""),
            description=call.get("description", "").replace("``", ""),
            parameters=[self._parameter(parameter) for parameter in call.get("parameters", [])],
            body=self.fields(body),
            answer=self.fields(_content(call["responses"].get(status, {}))),
            status=str(status),
            example=json.dumps(self._example(body), indent=2, ensure_ascii=False),
        )

    def _parameter(self, parameter: dict[str, Any]) -> Field:
        schema, is_required = self._resolve(parameter.get("schema", {})), parameter.get("required")
        return Field(
            parameter["name"], _kind(schema), bool(is_required), _notes(parameter | schema)
        )

    def fields(self, schema: Any) -> list[Field]:
        """Return the fields of an object and, after each, those nested in it."""
        return list(self._walk(self._resolve(schema), "", MAX_DEPTH))

    def _walk(self, schema: dict[str, Any], prefix: str, depth: int) -> Iterator[Field]:
        for name, property_schema in schema.get("properties", {}).items():
            resolved = self._resolve(property_schema)
            is_required = name in schema.get("required", [])
            yield Field(f"{prefix}{name}", _kind(resolved), is_required, _notes(resolved))
            inner, separator = (
                (self._resolve(resolved.get("items", {})), "[].")
                if resolved.get("type") == "array"
                else (resolved, ".")
            )
            if depth > 1:
                yield from self._walk(inner, f"{prefix}{name}{separator}", depth - 1)

    def _resolve(self, schema: Any) -> dict[str, Any]:
        """Return the schema with its reference resolved and ``or null`` removed."""
        as_written: dict[str, Any] = schema or {}
        if "$ref" in as_written:
            target: dict[str, Any] = self.schemas[as_written["$ref"].rsplit("/", 1)[-1]]
            return target
        options = [one for one in as_written.get("anyOf", []) if one.get("type") != "null"]
        if len(options) != 1:
            return as_written
        return self._resolve(options[0]) | _annotations(as_written)

    def _example(self, schema: Any) -> Any:
        resolved = self._resolve(schema)
        if resolved.get("examples"):
            return resolved["examples"][0]
        if resolved.get("type") == "array":
            return [self._example(resolved.get("items"))]
        if "properties" in resolved:
            names = resolved.get("required") or list(resolved["properties"])
            return {name: self._example(resolved["properties"][name]) for name in names}
        return {"integer": 1, "number": 1.5, "boolean": True, "object": {}}.get(
            str(resolved.get("type")), "…"
        )


def _content(part: dict[str, Any]) -> Any:
    """Return the JSON schema of a request body or a response; None if it has none."""
    return part.get("content", {}).get("application/json", {}).get("schema")


def _annotations(schema: dict[str, Any]) -> dict[str, Any]:
    return {name: schema[name] for name in ("description", "default", "examples") if name in schema}


def _kind(schema: dict[str, Any]) -> str:
    """Return the type in words, such as "string / integer (date)"."""
    kinds = schema.get("type", "")
    names = [kind for kind in (kinds if isinstance(kinds, list) else [kinds]) if kind != "null"]
    if not names[:1] or not names[0]:
        names = [str(one.get("type", "")) for one in schema.get("anyOf", [])]
    return " / ".join(name for name in names if name) + (
        f" ({schema['format']})" if schema.get("format") else ""
    )


def _notes(schema: dict[str, Any]) -> str:
    notes = [str(schema.get("description", "")).replace("``", "")]
    notes += [text.format(schema[name]) for name, text in LIMIT_TEXTS.items() if name in schema]
    if schema.get("enum"):
        notes.append("one of " + ", ".join(map(str, schema["enum"])))
    if schema.get("default") is not None:
        notes.append(f"default {schema['default']}")
    return "; ".join(note for note in notes if note)
