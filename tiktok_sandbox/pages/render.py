"""Render pages from Django templates, in the language of the browser, without scripts."""

from collections.abc import Mapping
from pathlib import Path

from django.template import Context, Engine
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header

from tiktok_sandbox.wire import HTML, Answer, Request

HERE = Path(__file__).parent.parent
LANGUAGES = ("en", "de")
ENGINE = Engine(
    dirs=[str(HERE / "templates")],
    libraries={
        "i18n": "django.templatetags.i18n",
        "humanize": "django.contrib.humanize.templatetags.humanize",
    },
)
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Language",
}


def language(request: Request) -> str:
    accepted = parse_accept_lang_header(request.headers.get("accept-language", ""))
    codes = (tag.partition("-")[0] for tag, _ in accepted)
    return next((code for code in codes if code in LANGUAGES), LANGUAGES[0])


def page(
    request: Request, template: str, context: Mapping[str, object], status: int = 200
) -> Answer:
    """Render a page. Texts in the context must be lazy: they are translated here."""
    code = language(request)
    with translation.override(code):
        html = ENGINE.get_template(f"tiktok_sandbox/{template}").render(
            Context({"lang": code, **context})
        )
    return Answer(html.encode(), status, HTML, {"Content-Language": code, **HEADERS})


def style() -> Answer:
    return Answer((HERE / "sandbox.css").read_bytes(), content_type="text/css; charset=utf-8")
