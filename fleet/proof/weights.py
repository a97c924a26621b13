"""Compare weights with what a model is loaded from, and with the memory of the cards."""

from __future__ import annotations

from pathlib import PurePosixPath

from fleet.language import _, join, n_
from fleet.proof.inputs import ProofInputs
from fleet.proof.results import ProofResults
from fleet.release import compatibility
from fleet.release.compatibility import CardModel
from fleet.release.image_stack import DEFAULT_FAMILY
from fleet.release.model import Release
from fleet.store.weight_files import ParameterSize
from fleet.store.weights import Inspection
from fleet.text.word_lists import join_words

#: Environment variable with the numbers of the cards that a program uses.
VISIBLE_DEVICES = "MLU_VISIBLE_DEVICES"
#: Share of a card's memory that weights may take without a warning. The rest is for activations,
#: the key-value cache and the libraries; an estimate, as no tutorial states what they need.
COMFORTABLE_SHARE = 0.85
#: Bytes of a MiB, the unit in which `cnmon` shows memory.
MIB_BYTES = 1 << 20


def check_weights(inputs: ProofInputs, results: ProofResults) -> None:
    """Check that weights are complete and fit the memory of the cards.

    Args:
        inputs: the release and its files.
        results: takes the results.
    """
    sizes = []
    for index, inspection in enumerate(inputs.measured.contents.weights):
        for problem in inspection.problems:
            results.add_finding(("weights", index, "folder"), problem)
        sizes.append(measure_model(inspection))
    if sizes:
        _check_memory(inputs.release, sizes, results)


def measure_model(inspection: Inspection) -> ParameterSize:
    """Add up the parameters that a program loads from a folder of weights.

    A folder may have a model in several formats, of which one is loaded: safetensors, or else the
    largest. Where an index lists shards, other files of its format are no part of the model, and
    neither is a second precision (`model.fp16.safetensors`).

    Args:
        inspection: what is in the folder.

    Returns:
        The size.
    """
    listed = {
        (PurePosixPath(index).parent, PurePosixPath(shards[0]).suffix): set(shards)
        for index, shards in inspection.shards.items()
        if shards
    }
    by_suffix: dict[str, ParameterSize] = {}
    for name, size in inspection.parameters.items():
        path = PurePosixPath(name)
        shards = listed.get((path.parent, path.suffix))
        stem, _dot, precision = path.stem.rpartition(".")
        is_second = bool(
            precision and f"{path.parent / stem}{path.suffix}" in inspection.parameters
        )
        if not is_second and (shards is None or name in shards):
            by_suffix[path.suffix] = by_suffix.get(path.suffix, ParameterSize()) + size
    if ".safetensors" in by_suffix:
        return by_suffix[".safetensors"]
    largest = max(by_suffix.values(), key=lambda size: size.stored, default=ParameterSize())
    # an old pickle tells nothing, but its index does: parameters have four bytes at most
    total = max(inspection.totals.values(), default=0)
    if total and not largest.half:
        return ParameterSize(min(total, largest.stored), min(total, largest.stored) // 2)
    return largest


def find_visible_cards(release: Release) -> int | None:
    """Find out how many cards the smoke test's program uses.

    Args:
        release: The release.

    Returns:
        The number; None if the release does not say, so that the program sees all of the host's.
    """
    environment = {**release.container.environment, **release.smoke.environment}
    numbers = environment.get(VISIBLE_DEVICES, "")
    return len([part for part in numbers.split(",") if part.strip()]) or None


def _find_card_models(release: Release) -> list[CardModel]:
    """Return the models of the release's cards whose memory is known, the smallest first."""
    known = [card for card in compatibility.load_table().cards if card.memory]
    if release.card_models:
        known = [card for card in known if card.name in release.card_models]
    else:
        known = [card for card in known if card.name.startswith(f"{DEFAULT_FAMILY}-")]
    return sorted(known, key=lambda card: card.memory or 0)


def _check_memory(release: Release, sizes: list[ParameterSize], results: ProofResults) -> None:
    """Compare the parameters of all weights with the memory of the cards in use.

    Several weights may be alternatives, so only a single one that is too large is an error.
    """
    cards, models = find_visible_cards(release), _find_card_models(release)
    unknown = set(release.card_models) - {model.name for model in models}
    if unknown:
        reason = _("the memory of {models} is not known", models=join_words(sorted(unknown)))
        results.add_unproved(("weights",), reason)
    if not models:
        return
    largest = (cards or 1) * (models[-1].memory or 0)
    does_not_fit = False
    for index, size in enumerate(sizes):
        if cards and not unknown and to_mib(size.half) > largest:
            does_not_fit = True
            problem = _(
                "{need} do not fit {cards}",
                need=_describe_need(size),
                cards=_describe_cards(cards, models[-1]),
            )
            results.add_finding(
                ("weights", index),
                _(
                    "{problem}; name more cards in {variable} of smoke.environment, or the "
                    "release's cards in card_models",
                    problem=problem,
                    variable=VISIBLE_DEVICES,
                ),
            )
    if not does_not_fit and (tight := _describe_tightness(sizes, cards, models)):
        results.add_warning(("weights",), tight)
        if to_mib(sum(sizes, ParameterSize()).stored) > largest:
            results.add_unproved(("weights",), tight)


def to_mib(size_bytes: int) -> int:
    """Convert bytes to MiB, rounded up.

    Args:
        size_bytes: Number of bytes.

    Returns:
        Number of MiB.
    """
    return -(-size_bytes // MIB_BYTES)


def _describe_need(size: ParameterSize) -> str:
    stored, half = to_mib(size.stored), to_mib(size.half)
    if stored == half:
        return _("parameters of {stored} MiB", stored=stored)
    if not half:
        return _("parameters of at most {stored} MiB", stored=stored)
    return _("parameters of {stored} MiB ({half} MiB in half precision)", stored=stored, half=half)


def _describe_cards(cards: int | None, model: CardModel) -> str:
    count = cards or 1
    each = _("{size} MiB", size=model.memory)
    if model.memory_ecc:
        each = _("{size} MiB, {ecc} MiB with ECC", size=model.memory, ecc=model.memory_ecc)
    return n_(
        "{count} card {model} ({memory} each)",
        "{count} cards {model} ({memory} each)",
        count,
        model=model.name,
        memory=each,
    )


def _describe_tightness(
    sizes: list[ParameterSize], cards: int | None, models: list[CardModel]
) -> str:
    """Describe why the weights fit barely or only under conditions; "" if they fit well."""
    total, count = sum(sizes, ParameterSize()), cards or 1
    need, need_half = to_mib(total.stored), to_mib(total.half)
    reasons = []
    for model in models:
        memory = count * (model.memory or 0)
        name = _describe_cards(cards, model)
        if need > memory:
            if 0 < need_half <= memory:
                reasons.append(_("they fit {cards} only in half precision", cards=name))
            else:
                reasons.append(_("they do not fit {cards}", cards=name))
        elif model.memory_ecc and need > count * model.memory_ecc:
            reasons.append(_("they fit {cards} only without ECC", cards=name))
        elif need > COMFORTABLE_SHARE * memory:
            reasons.append(
                _("they take {share} % of {cards}", share=need * 100 // memory, cards=name)
            )
    if not reasons:
        return ""
    values = {"need": _describe_need(total), "reasons": join(_(", "), reasons)}
    if cards:
        return _("{need}: {reasons}", **values)
    return _(
        "{need}: {reasons}; {variable} does not say how many cards are used",
        variable=VISIBLE_DEVICES,
        **values,
    )
