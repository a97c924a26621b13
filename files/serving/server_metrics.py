"""What mlu-fleet's own server has done since its start, in Prometheus' text format.

Python 3.7 or newer, with nothing but its standard library.
"""

from __future__ import annotations

import time

from server_model import Generation

#: What the names of all metrics begin with.
PREFIX = "mlufleet_server_"


class Metrics:
    """What the server has done since its start."""

    def __init__(self) -> None:
        self.requests: dict[int, int] = {}
        self.prompt_tokens = self.completion_tokens = 0
        self.generations = self.first_tokens = 0
        self.generation_s = self.first_token_s = 0.0

    @property
    def mean_generation_s(self) -> float:
        """Mean seconds of a generation; 0 before the first."""
        return self.generation_s / self.generations if self.generations else 0.0

    def count_request(self, status: int) -> None:
        """Count a request by the status of its answer.

        Args:
            status: HTTP status.
        """
        self.requests[status] = self.requests.get(status, 0) + 1

    def add(self, generation: Generation) -> None:
        """Count a generation that has ended.

        Args:
            generation: The generation.
        """
        self.prompt_tokens += generation.usage["prompt_tokens"]
        self.completion_tokens += generation.usage["completion_tokens"]
        self.generations += 1
        self.generation_s += time.monotonic() - generation.started
        if generation.first_token_s is not None:
            self.first_tokens += 1
            self.first_token_s += generation.first_token_s

    def render(self, running: int, waiting: int) -> str:
        """Write the metrics in Prometheus' text format.

        Args:
            running: Generations that run.
            waiting: Requests that wait.

        Returns:
            The text.
        """
        statuses = {f'{{status="{key}"}}': n for key, n in sorted(self.requests.items())}
        families = (
            ("requests_total", "counter", "Questions by status of their answers.", statuses),
            ("running", "gauge", "Generations that run.", {"": running}),
            ("waiting", "gauge", "Requests that wait.", {"": waiting}),
            ("prompt_tokens_total", "counter", "Tokens of prompts.", {"": self.prompt_tokens}),
            ("tokens_total", "counter", "Tokens of answers.", {"": self.completion_tokens}),
            (
                "generation_seconds",
                "summary",
                "Seconds that generations took.",
                {"_sum": round(self.generation_s, 6), "_count": self.generations},
            ),
            (
                "first_token_seconds",
                "summary",
                "Seconds from the arrival of a request to the first token of its answer.",
                {"_sum": round(self.first_token_s, 6), "_count": self.first_tokens},
            ),
        )
        lines = []
        for name, kind, told, samples in families:
            name = PREFIX + name
            lines += [f"# HELP {name} {told}", f"# TYPE {name} {kind}"]
            lines += [f"{name}{suffix} {value}" for suffix, value in samples.items()]
        return "\n".join(lines) + "\n"
