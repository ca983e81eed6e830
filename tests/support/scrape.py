"""Read /metrics."""

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from canvases import metrics

TOKEN = "a-token-for-the-scraper"


@pytest.fixture
def scrape(settings, monkeypatch):
    """scrape() -> {"audsync_name": value, "audsync_name{label=value}": value}, never cached."""
    settings.METRICS_TOKEN = TOKEN
    monkeypatch.setattr(metrics, "LAWS_WAIT", 60.0)  # enough on a busy machine

    def read():
        metrics.cache.forget()
        answer = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200
        samples = [
            s
            for family in text_string_to_metric_families(answer.content.decode())
            for s in family.samples
        ]
        return {_name(sample): sample.value for sample in samples}

    return read


def _name(sample):
    labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
    return f"{sample.name}{{{labels}}}" if labels else sample.name
