"""Addresses of canvases and their steps, under /g/<slug>/canvases/."""

from django.urls import path

from canvases.views import (
    audience,
    editor,
    entry,
    launch,
    pages,
    people_lists,
    recipes,
    rehearse,
)
from canvases.views.numbers import canvas_numbers, requests_page, step_page

urlpatterns = [
    path("", pages.canvases, name="canvases"),
    path("new/", pages.new, name="canvas_new"),
    path("new/<slug:recipe>/", recipes.recipe, name="canvas_recipe"),
    path("<int:canvas_id>/", editor.canvas, name="canvas"),
    path("<int:canvas_id>/entry/", entry.entry, name="canvas_entry"),
    path("<int:canvas_id>/entry/runs/", entry.runs, name="canvas_runs"),
    path("<int:canvas_id>/people/", people_lists.of_canvas, name="canvas_people"),
    path("<int:canvas_id>/people/export/", people_lists.export_canvas, name="canvas_people_export"),
    path("<int:canvas_id>/archive/", pages.archive, name="canvas_archive"),
    path("<int:canvas_id>/duplicate/", pages.duplicate_canvas, name="canvas_duplicate"),
    path("<int:canvas_id>/undo/", editor.undo_removal, name="canvas_undo"),
    path("<int:canvas_id>/rehearse/", rehearse.rehearse, name="canvas_rehearse"),
    path("<int:canvas_id>/launch/", launch.launch, name="canvas_launch"),
    path("<int:canvas_id>/stop/", launch.stop, name="canvas_stop"),
    path("<int:canvas_id>/brake/", launch.lift_brake, name="canvas_brake"),
    # A page of numbers, and the answer to polls of the open canvas.
    path("<int:canvas_id>/numbers/", canvas_numbers.page, name="canvas_numbers"),
    path("<int:canvas_id>/counts/", launch.counts, name="canvas_counts"),
    path("<int:canvas_id>/steps/", editor.add, name="step_add"),
    path("<int:canvas_id>/steps/<int:step_id>/", editor.save, name="step"),
    # Swap a step with its neighbour, or move it anywhere.
    path("<int:canvas_id>/steps/<int:step_id>/move/", editor.move, name="step_move"),
    path("<int:canvas_id>/steps/<int:step_id>/place/", editor.place, name="step_place"),
    path("<int:canvas_id>/steps/<int:step_id>/copy/", editor.copy, name="step_copy"),
    path("<int:canvas_id>/steps/<int:step_id>/remove/", editor.remove, name="step_remove"),
    # Decide about the people pending in former Syncs of a step.
    path("<int:canvas_id>/steps/<int:step_id>/waiting/", editor.waiting, name="step_waiting"),
    # The audiences of an ad account to choose from, and a new one.
    path("<int:canvas_id>/steps/<int:step_id>/choices/", audience.choices, name="step_choices"),
    path("<int:canvas_id>/steps/<int:step_id>/audience/", audience.create, name="step_audience"),
    path("<int:canvas_id>/steps/<int:step_id>/people/", people_lists.of_step, name="step_people"),
    path(
        "<int:canvas_id>/steps/<int:step_id>/people/export/",
        people_lists.export_step,
        name="step_people_export",
    ),
    path(
        "<int:canvas_id>/steps/<int:step_id>/people/retry/",
        people_lists.retry,
        name="step_people_retry",
    ),
    path("<int:canvas_id>/steps/<int:step_id>/numbers/", step_page.page, name="step_numbers"),
    path("<int:canvas_id>/steps/<int:step_id>/requests/", requests_page.page, name="step_requests"),
    path("<int:canvas_id>/steps/<int:step_id>/retry/", launch.retry, name="step_retry"),
]
