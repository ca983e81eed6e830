"""Parse the forms of a page, and the fields that a browser would send."""

from html.parser import HTMLParser

TEXTS = {"text", "search", "email", "url", "tel", None}


class Forms(HTMLParser):
    """Collect one dict per form in ``found``.

    Keys: action, method, fields (name -> value), texts (names of text fields).
    """

    def __init__(self, html):
        super().__init__()
        self.found, self._select = [], None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "form":
            method = (attributes.get("method") or "get").lower()
            self.found.append(
                {
                    "action": attributes.get("action") or "",
                    "method": method,
                    "fields": {},
                    "texts": [],
                }
            )
        elif not self.found:
            return
        elif tag == "option" and self._select:
            if "selected" in attributes or not self.found[-1]["fields"].get(self._select):
                self.found[-1]["fields"][self._select] = attributes.get("value", "")
        elif "name" in attributes:
            self._field(tag, attributes)

    def _field(self, tag, attributes):
        form, name = self.found[-1], attributes["name"]
        if tag == "select":
            self._select = name
        elif tag == "textarea" or (tag == "input" and attributes.get("type") in TEXTS):
            form["texts"].append(name)
            form["fields"][name] = attributes.get("value") or ""
        elif (
            tag == "input" and attributes.get("type") in ("hidden", "number")
        ) or "checked" in attributes:
            form["fields"][name] = attributes.get("value") or "on"
        elif tag == "button":
            form["fields"].setdefault(name, attributes.get("value") or "")

    def handle_endtag(self, tag):
        if tag == "select":
            self._select = None
