"""The page of a recipe: at most three choices, then the draft."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from audiencesync.groups import access
from audiencesync.groups.models import Role
from audiencesync.people.segments.edit import NameTaken
from canvases import recipes


@access.signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def recipe(request: HttpRequest, group: str, recipe: str) -> HttpResponse:
    """Ask for the choices and build the draft."""
    app_group = access.group(request, Role.MARKETER)
    chosen_recipe = recipes.RECIPES.get(recipe)
    if chosen_recipe is None:
        raise Http404
    form = recipes.RecipeForm(request.POST or None, recipe=chosen_recipe, app_group=app_group)
    if request.method == "POST" and form.is_valid():
        try:
            canvas = recipes.build(
                chosen_recipe,
                app_group,
                form.cleaned_data,
                by=access.user(request),
                now=timezone.now(),
            )
        except NameTaken:
            form.add_error(None, _("Another segment got this name meanwhile. Send it again."))
        else:
            messages.success(request, _("The draft is ready. Look at it, then launch it."))
            return redirect(canvas)
    return render(
        request,
        "canvases/recipe.html",
        {"form": form, "recipe": chosen_recipe},
        status=422 if form.is_bound else 200,
    )
