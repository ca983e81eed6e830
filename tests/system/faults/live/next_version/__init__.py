"""The migrations of `partners` as a next release might bring them: all there are, and one more that only expands."""

from partners import migrations

__path__ = [*__path__, *migrations.__path__]
