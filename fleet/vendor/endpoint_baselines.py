"""Baselines of served models: what endpoints of a host that is known to be good measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, FiniteFloat

from fleet.documents.types import Int, Model
from fleet.language import N_, _

#: The figure of which more is better; of all others, less is.
RATE = "tokens_per_s"
#: All figures; times are in seconds.
FIGURES = ("ready_s", "cold_first_token_s", "first_token_s", RATE)
#: What is said of a figure that is worse than the baseline allows.
TOO_LOW = N_("{name} is {found:g}, the baseline of {host} requires at least {limit:g}")
TOO_HIGH = N_("{name} is {found:g}, the baseline of {host} requires at most {limit:g}")
Tolerance = Annotated[FiniteFloat, Field(ge=0)]


class EndpointTolerances(Model):
    """How much worse than its baseline an endpoint may be."""

    #: Fraction by which the seconds until it is ready may be more.
    ready_s: Tolerance = 1.0
    #: Fraction by which the seconds to the first token of the first answer may be more.
    cold_first_token_s: Tolerance = 1.0
    #: Fraction by which the seconds to the first token of a later answer may be more.
    first_token_s: Tolerance = 0.5
    #: Fraction by which the tokens a second may be fewer.
    tokens_per_s: Annotated[FiniteFloat, Field(ge=0, lt=1)] = 0.1
    #: Seconds that each time may be more in any case: short ones vary more.
    seconds: Tolerance = 1.0


class EndpointBaseline(Model):
    """The figures of one release on cards of one model and number."""

    #: Name of the release.
    release: str
    #: Number of cards of an endpoint.
    cards: Annotated[Int, Field(ge=0)]
    #: Card model such as "MLU370-X8".
    model: str
    #: Name of the host.
    host: str
    #: Its driver version.
    driver: str
    #: Time at which they were recorded, in seconds since the epoch.
    taken: FiniteFloat
    #: Name of a figure -> its value, of the slowest such endpoint of the host.
    figures: dict[str, FiniteFloat]

    @property
    def key(self) -> tuple[str, int, str]:
        """What an endpoint must have in common with it to be compared."""
        return self.release, self.cards, self.model

    def describe_shortfall(
        self, figures: Mapping[str, float | None], tolerances: EndpointTolerances
    ) -> str:
        """Describe which figures of an endpoint are worse than these allow.

        Args:
            figures: Name -> value; None for what was not measured.
            tolerances: How much worse they may be.

        Returns:
            The description; "" if none is.
        """
        problems = []
        for name, value in self.figures.items():
            found, fraction = figures.get(name), getattr(tolerances, name, 0.0)
            limit = value * (1 - fraction)
            if name != RATE:
                limit = value * (1 + fraction) + tolerances.seconds
            if found is None:
                problems.append(_("no value for {name}, which the baseline has", name=name))
            elif found < limit if name == RATE else found > limit:
                message = TOO_LOW if name == RATE else TOO_HIGH
                problems.append(_(message, name=name, found=found, host=self.host, limit=limit))
        return "; ".join(problems)


def merge_figures(found: list[dict[str, float]]) -> dict[str, float]:
    """Return the worst figures of several endpoints; only those that all have.

    Args:
        found: Name -> value, of each endpoint.
    """
    names = [name for name in found[0] if all(name in one for one in found)] if found else []
    return {name: (min if name == RATE else max)(one[name] for one in found) for name in names}
