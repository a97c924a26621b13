"""Compare a release's image, driver and cards with each other."""

from __future__ import annotations

from fleet.language import _
from fleet.proof.inputs import ProofInputs
from fleet.proof.results import ProofResults
from fleet.release import compatibility, image_stack
from fleet.text import suggestions


def check_stack(inputs: ProofInputs, results: ProofResults) -> None:
    """Check that the driver is new enough for the image, and that both are for the cards.

    Args:
        inputs: the release and its files.
        results: takes the results.
    """
    release, labels = inputs.release, inputs.image.labels
    if problem := image_stack.find_driver_problem(release, labels):
        results.add_finding(("driver", "version"), problem)
    if problem := image_stack.find_card_problem(release):
        results.add_finding(("image", "reference"), problem)
    for point in image_stack.describe_unknown_points(release, labels):
        results.add_warning(("image", "reference"), point)
        results.add_unproved(("image", "reference"), point)
    known = {card.name for card in compatibility.load_table().cards}
    for index, model in enumerate(release.card_models):
        if model not in known:
            hint = suggestions.format_suggestions(model, sorted(known))
            reason = _(
                "card model {model} is not in {file}{nearest}",
                model=model,
                file=compatibility.COMPATIBILITY_FILE,
                nearest=hint,
            )
            results.add_warning(("card_models", index), reason)
            results.add_unproved(("card_models", index), reason)
