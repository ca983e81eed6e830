"""Read custom attributes in SQL, with the same meaning on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, F, FloatField, Func, TextField, Value
from django.db.models.expressions import Combinable, Expression, RawSQL
from django.db.models.functions import Coalesce, Left, NullIf, StrIndex
from django.db.models.lookups import Exact, GreaterThan, In, IsNull, LessThan, Range
from django.db.models.sql.compiler import SQLCompiler

from audiencesync.people.segments.fold import Fold, fold

Sql = tuple[str, tuple[Any, ...]]
Text = Combinable | Expression


# SQLite: the attribute of any name as {"v": value}, or NULL. Slower than a JSON path.
_SQLITE_ENTRY = (
    "(SELECT json_object('v', CASE type"
    " WHEN 'true' THEN json('true') WHEN 'false' THEN json('false')"
    " WHEN 'object' THEN json(value) WHEN 'array' THEN json(value) ELSE value END)"
    " FROM json_each({json}) WHERE key = {name} LIMIT 1)"
)


class _Attribute(Func):
    """One custom attribute by name, or a property of an event (``column``).

    ``sqlite`` and ``postgresql`` are templates of SQL: {json} is the column; {key} is the JSON path
    on SQLite, the name on PostgreSQL.
    """

    sqlite = postgresql = ""

    def __init__(self, name: str, column: str = "attributes", **extra: Any) -> None:
        super().__init__(F(column), **extra)
        self.name = name

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> Sql:
        """Use a JSON path; names that cannot stand in one are looked up by _SQLITE_ENTRY."""
        if '"' in self.name or "\\" in self.name:
            return self._fill(
                self.sqlite.replace("{json}", _SQLITE_ENTRY), compiler, self.name, path="$.v"
            )
        return self._fill(self.sqlite, compiler, f"$.{json.dumps(self.name)}")

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> Sql:
        """Use the operators of jsonb, which take a key."""
        return self._fill(self.postgresql, compiler, self.name)

    def _fill(self, template: str, compiler: SQLCompiler, key: str, path: str = "") -> Sql:
        """Fill in {json} and {key}.

        With a ``path``, {key} becomes this constant, and ``key`` is the parameter for {name}.
        """
        column, params = compiler.compile(self.source_expressions[0])
        if path:
            template = template.replace("{key}", f"'{path}'").replace("{name}", "{key}")
        return template.format(json=column, key="%s"), (*params, *[key] * template.count("{key}"))


class AttributeText(_Attribute):
    """The attribute if it is text, else NULL."""

    output_field = TextField()
    sqlite = "(CASE WHEN JSON_TYPE({json}, {key}) = 'text' THEN JSON_EXTRACT({json}, {key}) END)"
    postgresql = (
        "(CASE WHEN jsonb_typeof({json} -> {key}::text) = 'string' THEN {json} ->> {key}::text END)"
    )


class AttributeNumber(_Attribute):
    """The attribute if it is a number, else NULL."""

    output_field = FloatField()
    sqlite = (
        "(CASE WHEN JSON_TYPE({json}, {key}) IN ('integer', 'real')"
        " THEN JSON_EXTRACT({json}, {key}) END)"
    )
    postgresql = (
        "(CASE WHEN jsonb_typeof({json} -> {key}::text) = 'number'"
        " THEN ({json} -> {key}::text)::numeric END)"
    )


class AttributeKind(_Attribute):
    """'true' or 'false' for booleans, 'null' for null, other words for other types; else NULL."""

    output_field = TextField()
    sqlite = "JSON_TYPE({json}, {key})"
    postgresql = (
        "(CASE WHEN jsonb_typeof({json} -> {key}::text) = 'boolean' THEN {json} ->> {key}::text"
        " ELSE jsonb_typeof({json} -> {key}::text) END)"
    )


class AttributeHolds(_Attribute):
    """True if the attribute is a list with this element; a number also matches as text."""

    output_field = BooleanField()
    sqlite = (
        "(JSON_TYPE({json}, {key}) = 'array' AND EXISTS (SELECT 1 FROM json_each({json}, {key}) e"
        " WHERE e.type IN ('text', 'integer', 'real') AND {fold} = {part}))"
    )
    postgresql = (
        "EXISTS (SELECT 1 FROM jsonb_array_elements(CASE WHEN"
        " jsonb_typeof({json} -> {key}::text) = 'array' THEN {json} -> {key}::text"
        " ELSE '[]'::jsonb END) e(value)"
        " WHERE jsonb_typeof(e.value) IN ('string', 'number') AND {fold} = {part})"
    )
    element: ClassVar[dict[str, str]] = {
        "sqlite": "CAST(e.value AS TEXT)",
        "postgresql": "(e.value #>> '{}')",
    }

    def __init__(self, name: str, part: str, column: str = "attributes", **extra: Any) -> None:
        super().__init__(name, column, **extra)
        self.part = fold(part)

    def _fill(self, template: str, compiler: SQLCompiler, key: str, path: str = "") -> Sql:
        """Fill in the element; its parameter is the last one."""
        element = RawSQL(self.element[compiler.connection.vendor], ())  # noqa: S611  # own text
        folded, _params = compiler.compile(Fold(element))
        # "{}" is a part of PostgreSQL's path of an element: `format` must leave it alone
        template = template.replace("{fold}", folded.replace("{}", "{{}}"))
        sql, params = super()._fill(template.replace("{part}", "%s"), compiler, key, path)
        return sql, (*params, self.part)


class Number(Value):
    """A number to compare with an AttributeNumber, in the type that each database gives it."""

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> Sql:
        """Pass an integer or a double."""
        return "%s", (self.value,)

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> Sql:
        """Pass a numeric; a double would lose digits on its way."""
        return "%s::numeric", (Decimal(repr(self.value)),)


class Day(Func):
    """The first ten characters of a text that starts like 2026-11-23, else NULL; sorts as text."""

    arity = 1
    output_field = TextField()

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any
    ) -> Sql:
        """Match by a file pattern."""
        digits = "-".join("[0-9]" * size for size in (4, 2, 2))
        return self._case(f"GLOB '{digits}*'", compiler)

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any
    ) -> Sql:
        """Match by a regular expression."""
        return self._case("~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}'", compiler)

    def _case(self, condition: str, compiler: SQLCompiler) -> Sql:
        text, params = compiler.compile(self.source_expressions[0])
        return f"(CASE WHEN {text} {condition} THEN SUBSTR({text}, 1, 10) END)", (*params, *params)


def null_as_false(condition: Expression) -> Expression:
    """Return the condition with False instead of NULL, so that its negation is the complement."""
    return Coalesce(condition, Value(False), output_field=BooleanField())


def contains(text: Text, part: str) -> Expression:
    """Return the condition: ``part`` is in ``text``; case and composition do not matter."""
    return null_as_false(GreaterThan(StrIndex(Fold(text), Value(fold(part))), Value(0)))


def starts_with(text: Text, part: str) -> Expression:
    """Return the condition: ``text`` begins with ``part``; case and composition do not matter."""
    return null_as_false(Exact(Left(Fold(text), len(fold(part))), Value(fold(part))))


def is_one_of(text: Text, values: Sequence[str]) -> Expression:
    """Return the condition: ``text`` is one of these; case and composition do not matter."""
    return null_as_false(In(Fold(text), [fold(value) for value in values]))


def has_kind(name: str, kind: str, column: str = "attributes") -> Expression:
    """Return the condition: the value of an attribute is ``kind`` (true, false or null)."""
    return null_as_false(Exact(AttributeKind(name, column), Value(kind)))


def exists(name: str, column: str = "attributes") -> Expression:
    """Return the condition: there is an attribute of that name, other than null."""
    kind = NullIf(AttributeKind(name, column), Value("null"), output_field=TextField())
    return IsNull(kind, False)


def list_has(name: str, part: str, column: str = "attributes") -> Expression:
    """Return the condition: a list has this element; case and composition do not matter."""
    return null_as_false(AttributeHolds(name, part, column))


def is_text(name: str, values: Sequence[str], column: str = "attributes") -> Expression:
    """Return the condition: a text is one of these; case and composition do not matter."""
    return is_one_of(AttributeText(name, column), values)


def is_day(name: str, days: Sequence[str], column: str = "attributes") -> Expression:
    """Return the condition: an attribute is one of these days (2026-11-23), or a time on one."""
    return null_as_false(In(Day(AttributeText(name, column)), [Value(day) for day in days]))


def holds_day(name: str) -> Expression:
    """Return the condition: an attribute is a day, or a time on one."""
    return IsNull(Day(AttributeText(name)), False)


def between_days(name: str, first: str, last: str, column: str = "attributes") -> Expression:
    """Return the condition: an attribute is a day, or a time on one, from ``first`` to ``last``."""
    return null_as_false(Range(Day(AttributeText(name, column)), (Value(first), Value(last))))


def is_number(name: str, values: Sequence[float], column: str = "attributes") -> Expression:
    """Return the condition: an attribute is one of these numbers; 5 is 5.0."""
    return null_as_false(In(AttributeNumber(name, column), [Number(value) for value in values]))


def compare(
    name: str, value: float | str, *, greater: bool, column: str = "attributes"
) -> Expression:
    """Return the condition: an attribute is greater (else: less) than a number or a day."""
    lookup = GreaterThan if greater else LessThan
    if isinstance(value, str):
        return null_as_false(lookup(Day(AttributeText(name, column)), Value(value)))
    return null_as_false(lookup(AttributeNumber(name, column), Number(value)))


def is_amount(amount: Combinable, values: Sequence[float]) -> Expression:
    """Return the condition: a number is one of these."""
    return null_as_false(In(amount, list(values)))


def is_beyond(amount: Combinable, value: float, *, greater: bool) -> Expression:
    """Return the condition: a number is greater (else: less) than another."""
    return null_as_false((GreaterThan if greater else LessThan)(amount, Value(value)))
