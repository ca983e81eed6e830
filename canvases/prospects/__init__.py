"""Looking ahead: what becomes of the people who would enter a canvas now. Pure reads."""

from canvases.prospects.launch import Prospect, of_launch
from canvases.prospects.step import Number, Outlook, StepForecast

__all__ = ["Number", "Outlook", "Prospect", "StepForecast", "of_launch"]
