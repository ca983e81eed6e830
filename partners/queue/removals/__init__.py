"""Removals without a step: after an erasure, a withdrawn consent or a misread address."""
