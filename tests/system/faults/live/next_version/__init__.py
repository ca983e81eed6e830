"""The migrations of `partners` in an invented next release: all of today and one that expands."""

from partners import migrations

__path__ = [*__path__, *migrations.__path__]
