"""Read-only tables for operators: without secrets and personal data, and fast for many rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import (
    BinaryField,
    CharField,
    Field,
    JSONField,
    Model,
    Q,
    QuerySet,
    TextField,
)
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.logged_changes import masked_email
from audiencesync.groups.operators.site import site

MAX_ROWS = 1_000
"""How many rows of a table are listed, newest first.

Older rows are found by their key: a page far down the list would scan all rows before it.
"""
PER_PAGE = 50
MAX_COLUMNS = 8  # columns of a list; the page of a row shows all
# Names of columns.
SECRET_NAME = re.compile(
    r"sealed|hash|sha256|digest|secret|token|salt|password|fingerprint|_key$|^key$"
)
FREE_TEXT = (TextField, JSONField, BinaryField)
Cell = Callable[[Any], object]  # value of a column -> what is shown


class NewestRowsPaginator(Paginator):
    """Pages of the newest MAX_ROWS rows; it counts no others."""

    @cached_property
    def count(self) -> int:
        """Return how many rows there are, at most MAX_ROWS."""
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]  # of a change list
        return rows.order_by().values("pk")[:MAX_ROWS].count()


class FixedOrderList(ChangeList):
    """A list that ignores the order in the query string: it could sort millions of rows."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return list(self.model_admin.ordering or ())


def presence(value: Any) -> str:
    """Return dots in place of a value, or a dash if there is none."""
    return "•••" if value else "–"


class ReadOnly(admin.ModelAdmin):
    """A table of which rows are neither added, changed nor deleted.

    Free texts, JSON and everything named like a secret are left out unless ``also`` names them.
    """

    also: tuple[str, ...] = ()
    personal: Mapping[str, Cell] = {}  # field with personal data -> what is shown instead
    without: tuple[str, ...] = ()  # more fields that are left out
    keys: tuple[str, ...] = ()  # fields that the search compares, beside the id

    actions = None
    ordering = ("-pk",)
    sortable_by = ()
    list_per_page = PER_PAGE
    list_max_show_all = PER_PAGE
    show_full_result_count = False
    paginator = NewestRowsPaginator
    search_fields = ("pk",)  # shows the field; `get_search_results` searches
    search_help_text = _("An id or another key in full. The newest 1,000 rows are listed.")
    view_on_site = False
    change_form_template = "operators/row.html"
    change_list_template = "operators/rows.html"

    @cached_property
    def cells(self) -> list[Any]:
        """Return what the admin shows for each column, the key first."""
        return [self._cell(field) for field in self.shown_fields()]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return self.cells

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return self.cells

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return self.cells[:MAX_COLUMNS]

    @classmethod
    def is_shown(cls, field: Field[Any, Any]) -> bool:
        """Return whether a column is shown, in full or as ``personal`` says."""
        name = field.name
        if name in cls.also or name in cls.personal or field.primary_key:
            return name not in cls.without
        if isinstance(field, FREE_TEXT) or name in cls.without:
            return False
        # Only texts can hold a secret: a number or a foreign key with such a name is harmless.
        return not isinstance(field, CharField) or not SECRET_NAME.search(name)

    def shown_fields(self) -> list[Field[Any, Any]]:
        """Return the columns that are shown, the key first."""
        fields = [field for field in self.model._meta.concrete_fields if self.is_shown(field)]
        return sorted(fields, key=lambda field: not field.primary_key)

    def _cell(self, field: Field[Any, Any]) -> Any:
        """Return a column as the admin takes it: a field name, or a function of the row.

        A foreign key is shown as an id, so that its row is not queried.
        """
        if field.name in self.personal:
            return _column(field, self.personal[field.name])
        if field.primary_key:  # no separator of thousands
            return _column(field, str)
        return _column(field, _link_to(field)) if field.is_relation else field.name

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read only the columns that are shown."""
        names = [field.name for field in self.shown_fields()]
        rows: QuerySet[Any] = self.model._base_manager.order_by(*self.ordering).only(*names)
        return rows

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return FixedOrderList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Refuse all filters of the query string: many of them together reveal hidden columns."""
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows with this key; nothing if the term cannot be a key."""
        term = search_term.strip()
        if not term:
            return queryset, False
        key_q = Q()  # empty, and so false, if the term can be no key
        for name in ("pk", *self.keys):
            field = self.model._meta.pk if name == "pk" else self.model._meta.get_field(name)
            try:
                field.to_python(term)
                key_q |= Q(**{name: term})
            except (ValidationError, ValueError, OverflowError):
                continue
        return (queryset.filter(key_q) if key_q else queryset.none()), False  # False: no duplicates

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Name the table as the code and the docs do."""
        name = self.model.__name__
        context = {**(extra_context or {}), "table": name, "title": name}
        return super().changelist_view(request, context)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Name the row by its id: the texts of rows hold names and addresses of people."""
        name = self.model.__name__
        titles = {"table": name, "title": name, "subtitle": object_id, "row_id": object_id}
        context = {**(extra_context or {}), **titles}
        return super().changeform_view(request, object_id, form_url, context)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Answer 404: it would show the text of the row, and there is no history."""
        raise Http404

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.admin_site.has_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.admin_site.has_permission(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _column(field: Field[Any, Any], show: Cell) -> Callable[[Any], object]:
    """Return a function that the admin calls with a row to show this column."""

    def cell(row: Any) -> object:
        return show(getattr(row, field.attname))

    cell.__name__ = f"shown_{field.name}"
    cell.short_description = field.verbose_name  # type: ignore[attr-defined]  # read by the admin
    return cell


def _link_to(field: Field[Any, Any]) -> Cell:
    """Show a foreign key as a link to the page of its row."""
    meta = field.related_model._meta  # type: ignore[union-attr]  # a model, not its name

    def link(key: object) -> object:
        if key is None:
            return "–"
        try:
            url = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[key])
        except NoReverseMatch:
            return key
        return format_html('<a href="{}">{}</a>', url, key)

    return link


def register(
    models: Iterable[type[Model]], base: type[ReadOnly] = ReadOnly, **options: Any
) -> None:
    """Register tables; ``options`` are attributes of their class."""
    for model in models:
        site.register(model, type(f"{model.__name__}Rows", (base,), options))


EMAIL: dict[str, Cell] = {"email": masked_email}  # for `personal`
