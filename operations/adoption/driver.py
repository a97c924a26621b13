"""Inspects a host's cards and its driver, as its probe has found them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pyinfra.api import Host

from fleet.errors import Failure
from fleet.language import _, n_
from fleet.text.word_lists import join_clauses, join_parts
from fleet.vendor.cnmon import CARD_RUNNING
from operations import driver, driver_package
from operations.adoption.findings import Finding, Relation
from operations.card_users import format_users, list_others
from operations.stages import HostPlan


def inspect_cards(host: Host, plan: HostPlan) -> Iterator[Finding]:
    """Yield which cards a host has, and who uses them.

    Args:
        host: The host.
        plan: Its desired state and its facts.
    """
    facts = plan.probed_facts
    cards, expected = facts.present_cards, plan.options.cards
    models = Counter(facts.card_model(card) or f"cabc:{card.subsystem}" for card in cards)
    words = ", ".join(f"{count} {model}" for model, count in models.items())
    differences = [
        f"{address}: {state}"
        for address, state in facts.card_health.items()
        if state not in (CARD_RUNNING, "no driver")
    ]
    if expected and expected > len(cards):
        differences.insert(
            0,
            _(
                "the inventory has {expected} cards, the bus shows {count}",
                expected=expected,
                count=len(cards),
            ),
        )
    relation = Relation.DIFFERENT if differences else Relation.PRESENT
    if not cards:
        relation = Relation.MISSING
    # containers of docker are findings of their own
    if users := [user for user in list_others(facts) if user.supervisor != "docker"]:
        differences.append(_("processes hold cards: {users}", users=format_users(users)))
    yield Finding("cards", relation, words, "PCI bus", "", tuple(differences))


def inspect_driver(host: Host, plan: HostPlan) -> Iterator[Finding]:
    """Yield which driver a host has installed and loaded, and what adoption would do about it.

    Args:
        host: The host.
        plan: Its desired state and its facts.
    """
    facts, target = plan.probed_facts, plan.target.primary
    installed = driver_package.list_entries(target, facts)
    words = [
        _("package {name} {version}", name=one.name, version=one.version)
        for one in installed
        if one.is_installed
    ]
    if facts.loaded_driver:
        count = len(facts.driver_by_card)
        words.append(
            n_(
                "version {version} loaded on {count} card",
                "version {version} loaded on {count} cards",
                count,
                version=facts.loaded_driver,
            )
        )
    decision = driver.decide(plan, facts)
    version = target.release.driver.version
    item, evidence = _("driver {version}", version=version), join_parts(words)
    if isinstance(decision, Failure):
        blocker = f"{decision.code}: {decision.sentence}"
        relation = Relation.DIFFERENT if words else Relation.MISSING
        yield Finding(item, relation, "", evidence, blocker=blocker)
    elif decision:
        relation = Relation.DIFFERENT if words else Relation.MISSING
        yield Finding(item, relation, "", evidence, action=join_clauses(decision.words))
    else:
        yield Finding(item, Relation.PRESENT, "", evidence)
