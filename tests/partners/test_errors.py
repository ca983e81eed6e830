"""Every error has a sentence for marketers: what happened, what to do, whether people are lost."""

import pytest
from django.utils.translation import override

from partners import registry
from partners.errors import DISCONNECTED, PartnerError, RejectedCause, RetryCause
from partners.tiktok import answers


@pytest.mark.parametrize(
    "code", [None, 20001, 49999, 50000, *answers.RETRY, *answers.REJECTED, *answers.DISCONNECTED]
)
def test_every_code_has_a_sentence(code: int | None) -> None:
    with override("en"):
        sentence = registry.get("tiktok").error_of(None if code is None else str(code)).sentence()
    assert "TikTok" in sentence
    assert "%" not in sentence
    assert any(word in sentence for word in ("lost", "errored", "Retry"))


def test_every_cause_is_reached_by_a_code() -> None:
    errors: list[PartnerError] = [answers.error_for(code) for code in range(20000, 62000)]
    errors.append(answers.no_clear_answer(""))
    reached = {error.cause for error in errors}
    assert reached == {*RetryCause, *RejectedCause, DISCONNECTED}


def test_an_unknown_code_is_named_in_the_sentence() -> None:
    assert "48123" in registry.get("tiktok").error_of("48123").sentence()


def test_the_log_line_names_type_cause_code_and_request() -> None:
    error = answers.error_for(40100, request_id="R1", detail="slow down")
    assert str(error) == "TikTok: Retry(throttled_app) code=40100 request_id=R1 slow down"
