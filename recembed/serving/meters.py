"""What is counted, in Prometheus' own types and a registry of one's own."""

import time
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from recembed.recommender import State

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)  # seconds


class Meters:
    """Requests by route and status, their seconds, reloads by result, and the run's identity."""

    def __init__(self) -> None:
        here = self.registry = CollectorRegistry()
        ProcessCollector(registry=here)
        self.requests = Counter(
            "recembed_requests", "Requests answered.", ["route", "status"], registry=here
        )
        self.seconds = Histogram(
            "recembed_request_seconds",
            "From the headers to the last byte.",
            ["route"],
            buckets=BUCKETS,
            registry=here,
        )
        self.reloads = Counter(
            "recembed_reloads", "Runs loaded after the first.", ["result"], registry=here
        )
        for result in ("ok", "failed"):
            self.reloads.labels(result)
        self.degraded = Gauge(
            "recembed_degraded", "1 while the newest run is refused.", registry=here
        )
        self.run = Gauge("recembed_run_info", "The run.", ["identity", "created"], registry=here)
        self.age = Gauge("recembed_run_age_seconds", "Since the run was made.", registry=here)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """One request more."""
        self.requests.labels(route, status).inc()
        self.seconds.labels(route).observe(seconds)

    def serves(self, state: State) -> None:
        """From now on this run answers."""
        self.run.clear()
        self.run.labels(state.identity, state.created).set(1)
        made = datetime.fromisoformat(state.created).timestamp()
        self.age.set_function(lambda: time.time() - made)
