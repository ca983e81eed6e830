"""Removals without a step of their own: after an erasure, a withdrawn consent or a misread
address, and of people who left."""
