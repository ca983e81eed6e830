"""Removals that no step sends: after an erasure, a withdrawn consent or a misread address, and of
people who left a step."""
