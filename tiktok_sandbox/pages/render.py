"""Pages for people: Django templates of our own, in the language the browser asks for, without a line of script."""

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
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Language",
}


def language(request: Request) -> str:
    wishes = parse_accept_lang_header(request.headers.get("accept-language", ""))
    spoken = (wish.partition("-")[0] for wish, _ in wishes)
    return next((wish for wish in spoken if wish in LANGUAGES), LANGUAGES[0])


def page(
    request: Request, template: str, context: Mapping[str, object], status: int = 200
) -> Answer:
    """Texts in the context are made here too, so give lazy ones."""
    spoken = language(request)
    with translation.override(spoken):
        written = ENGINE.get_template(f"tiktok_sandbox/{template}").render(
            Context({"lang": spoken, **context})
        )
    return Answer(written.encode(), status, HTML, {"Content-Language": spoken, **HEADERS})


def style() -> Answer:
    return Answer((HERE / "sandbox.css").read_bytes(), content_type="text/css; charset=utf-8")
