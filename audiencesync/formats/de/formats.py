"""German date formats in digits: 23.11.2026, 14:05 Uhr."""

DATETIME_FORMAT = "d.m.Y, H:i \\U\\h\\r"
SHORT_DATETIME_FORMAT = DATETIME_FORMAT
