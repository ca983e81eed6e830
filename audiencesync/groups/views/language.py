"""The language menu: for this browser, and for the mails of the user who is signed in."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST
from django.views.i18n import set_language

from audiencesync.groups.models import User


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Django's way, by a cookie; a signed-in user's choice is kept, too."""
    language = request.POST.get("language", "")
    if request.user.is_authenticated and language in dict(settings.LANGUAGES):
        User.objects.filter(pk=request.user.pk).update(language=language)
    return set_language(request)
