"""Check the patches of a release against the files that they change."""

from __future__ import annotations

from fleet.proof.inputs import ProofInputs
from fleet.proof.results import ProofResults


def check_patches(inputs: ProofInputs, results: ProofResults) -> None:
    """Check that every patch applies to its file as the release leaves it, and has its result.

    Args:
        inputs: The files of the release.
        results: Collects what is wrong or unproved.
    """
    for number, outcome in enumerate(inputs.patched.outcomes):
        location = ("patches", number, *([outcome.field] if outcome.field else ()))
        if outcome.is_wrong:
            results.add_finding(location, outcome.problem)
        elif outcome.problem:
            results.add_unproved(location, outcome.problem)
