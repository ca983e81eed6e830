"""Crawl the pages that a session reaches by links."""

import re
from collections import Counter
from urllib.parse import parse_qsl, urljoin, urlsplit

MOST_OF_A_KIND = 3  # pages whose addresses differ only in numbers


def crawl(session, start):
    """Return URL -> text of the pages reached from the start page.

    It opens each path with each value of each of its parameters, but not all combinations.
    """
    pages, todo, seen, kinds = {}, [start], set(), Counter()
    while todo:
        url = todo.pop(0)
        new = {
            part for part in parts(url) if part not in seen and kinds[kind(part)] < MOST_OF_A_KIND
        }
        if not new:
            continue
        seen |= new
        kinds.update(map(kind, new))
        answer = session.get(url, timeout=120)
        pages[url] = answer.text
        todo += [link for link in links(url, answer.text) if link not in pages]
    return pages


def parts(url):
    """Return the path of a URL, or the path with each of its parameters."""
    path, query = urlsplit(url)[2:4]
    return [(path, *pair) for pair in parse_qsl(query, keep_blank_values=True)] or [(path,)]


def kind(part):
    return re.sub(r"\d+", "1", repr(part))


def links(url, text):
    """Yield the URLs of the same host that a page links to."""
    for part in text.split('href="')[1:]:
        link = urljoin(url, part.partition('"')[0].replace("&amp;", "&")).partition("#")[0]
        if urlsplit(link).netloc == urlsplit(url).netloc and "/static/" not in link:
            yield link
