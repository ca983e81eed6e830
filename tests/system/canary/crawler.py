"""Crawl the pages that a session reaches by links."""

import re
from collections import Counter
from urllib.parse import urljoin, urlsplit

MOST_OF_A_KIND = 3  # pages with URLs that differ only in their numbers


def crawl(session, start):
    """Return URL -> text of all pages reached from the start page."""
    pages, todo, kinds = {}, [start], Counter()
    while todo:
        url = todo.pop(0)
        kinds[kind := re.sub(r"\d+", "1", url)] += url not in pages
        if url in pages or kinds[kind] > MOST_OF_A_KIND:
            continue
        answer = session.get(url, timeout=120)
        pages[url] = answer.text
        todo += [link for link in links(url, answer.text) if link not in pages]
    return pages


def links(url, text):
    """Yield the URLs of the same host that a page links to."""
    for part in text.split('href="')[1:]:
        link = urljoin(url, part.partition('"')[0].replace("&amp;", "&")).partition("#")[0]
        if urlsplit(link).netloc == urlsplit(url).netloc and "/static/" not in link:
            yield link
