"""The forms of a page as a browser would send them, read from its HTML."""

from html.parser import HTMLParser

TEXTS = {"text", "search", "email", "url", "tel", None}


class Forms(HTMLParser):
    """``found``: one dict per form: action, method, fields (name -> value), texts (names that a person types into)."""

    def __init__(self, html):
        super().__init__()
        self.found, self._select = [], None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        if tag == "form":
            method = (told.get("method") or "get").lower()
            self.found.append(
                {"action": told.get("action") or "", "method": method, "fields": {}, "texts": []}
            )
        elif not self.found:
            return
        elif tag == "option" and self._select:
            if "selected" in told or not self.found[-1]["fields"].get(self._select):
                self.found[-1]["fields"][self._select] = told.get("value", "")
        elif "name" in told:
            self._field(tag, told)

    def _field(self, tag, told):
        form, name = self.found[-1], told["name"]
        if tag == "select":
            self._select = name
        elif tag == "textarea" or (tag == "input" and told.get("type") in TEXTS):
            form["texts"].append(name)
            form["fields"][name] = told.get("value") or ""
        elif (tag == "input" and told.get("type") in ("hidden", "number")) or "checked" in told:
            form["fields"][name] = told.get("value") or "on"
        elif tag == "button":
            form["fields"].setdefault(name, told.get("value") or "")

    def handle_endtag(self, tag):
        if tag == "select":
            self._select = None
