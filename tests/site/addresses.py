"""Every address under /g/, read from the resolver: a new view is walked without being named here."""

from django.urls import URLPattern, URLResolver, get_resolver

START = "g/<slug:group>/"


def walk(resolver: URLResolver, before: str = ""):
    for entry in resolver.url_patterns:
        route = before + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield route, entry
        else:
            yield from walk(entry, route)


def of_groups() -> list[str]:
    """The routes of a group's pages."""
    return [route for route, _entry in walk(get_resolver()) if route.startswith(START)]


def path(route: str, things: dict) -> str:
    """The route with its placeholders filled. A placeholder that ``things`` does not know is a failure, not a skip."""
    filled = []
    for part in route.split("/"):
        if not part.startswith("<"):
            filled.append(part)
            continue
        name = part.strip("<>").split(":")[-1]
        assert name in things, f"{route}: tests/site/conftest.py has no object for <{name}>"
        filled.append(str(things[name]))
    return "/" + "/".join(filled)
