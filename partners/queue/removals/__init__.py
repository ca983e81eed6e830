"""Removals that no step asked for: after an erasure, a withdrawn consent or a misread address."""
