"""The numbers of a step and of a canvas over time, for their pages."""
