"""The pages of the numbers of a step and of a canvas."""
