"""Every kind of page that somebody reaches by following links."""

import re
from collections import Counter
from urllib.parse import urljoin, urlsplit

MOST_OF_A_KIND = 3  # addresses that differ in their numbers only


def crawl(session, start):
    """address -> text of the answer, from the start page on."""
    pages, todo, kinds = {}, [start], Counter()
    while todo:
        url = todo.pop(0)
        kinds[kind := re.sub(r"\d+", "1", url)] += url not in pages
        if url in pages or kinds[kind] > MOST_OF_A_KIND:
            continue
        answer = session.get(url, timeout=20)
        pages[url] = answer.text
        todo += [link for link in links(url, answer.text) if link not in pages]
    return pages


def links(url, text):
    """Addresses of our own that a page links to."""
    for part in text.split('href="')[1:]:
        link = urljoin(url, part.partition('"')[0].replace("&amp;", "&")).partition("#")[0]
        if urlsplit(link).netloc == urlsplit(url).netloc and "/static/" not in link:
            yield link
