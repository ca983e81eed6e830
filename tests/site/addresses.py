"""List every route under /g/ from the resolver, so that a new view is tested by itself."""

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
    """Return the routes of a group's pages."""
    return [route for route, _entry in walk(get_resolver()) if route.startswith(START)]


def path(route: str, things: dict) -> str:
    """Return the route with its placeholders filled.

    An unknown placeholder is a failure, not a skip.
    """
    filled = []
    for part in route.split("/"):
        if not part.startswith("<"):
            filled.append(part)
            continue
        name = part.strip("<>").split(":")[-1]
        assert name in things, f"{route}: tests/site/conftest.py has no object for <{name}>"
        filled.append(str(things[name]))
    return "/" + "/".join(filled)
