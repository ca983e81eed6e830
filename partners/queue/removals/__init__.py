"""Removals besides those of steps that remove: after an erasure, a withdrawn consent or a misread
address, and of people who left a step that had added them.
"""
