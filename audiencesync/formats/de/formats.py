"""German dates in figures: 23.11.2026, 14:05."""

DATETIME_FORMAT = "d.m.Y, H:i"
SHORT_DATETIME_FORMAT = "d.m.Y, H:i"
