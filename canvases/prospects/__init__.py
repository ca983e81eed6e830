"""Forecasts: what would become of the people who would enter a canvas now. This only reads."""

from canvases.prospects.launch import Prospect, of_launch
from canvases.prospects.step import Number, Outlook, StepForecast

__all__ = ["Number", "Outlook", "Prospect", "StepForecast", "of_launch"]
