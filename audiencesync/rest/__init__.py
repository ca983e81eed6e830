"""The door of the REST API: keys, limits, strict JSON, pages of lists, answers that are given again."""
