"""What one look at a host shows to be wrong, and which of that explains the rest.

One root cause is one problem: a driver that is not loaded is neither eight faults of cards nor one
of an endpoint. The tables say what is found in which order, and what explains what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from fleet.errors import FAILURE_TABLE, Failure
from fleet.language import N_, _
from fleet.text import sanitize
from fleet.text.word_lists import join_clauses
from fleet.vendor.cnmon import CARD_RUNNING
from mlufleet.journal.events import EndpointRecord, FactsObserved, FailureRecord
from mlufleet.report.model import stage_name, stage_rank
from mlufleet.watch.observation import BUSY, SEEN, UNREACHABLE, Observation
from mlufleet.watch.problems import DRIFT, DRIFT_REMEDY, Problem
from operations.stage import AWAIT_ENGINE, LOAD_DRIVER, MAKE_NODES

#: codes of connections that cannot be made, in the order in which a connection is built up
CONNECTION_CODES = (
    "UNREACHABLE",
    "SSH_ALGORITHMS",
    "HOST_KEY_UNKNOWN",
    "HOST_KEY_CHANGED",
    "SSH_KEY",
    "AUTH",
    "MAX_SESSIONS",
)
#: codes of hosts that can be connected to and not probed
PROBE_CODES = (
    "CONNECTION_LOST",
    "TIMED_OUT",
    "REQUIRETTY",
    "ASKPASS",
    "SUDO",
    "PROBE_FAILED",
    "INTERNAL",
)
#: codes of the preflight, in the order of its checks: the first that fails is the only one told
PREFLIGHT_CODES = (
    "TOOL_MISSING",
    "DUPLICATE_HOST",
    "OS_UNSUPPORTED",
    "CARDS_MISSING",
    "CARD_MODEL",
    "PORT_TAKEN",
    "KERNEL_TOO_NEW",
    "HEADERS_MISSING",
    "BUILD_TOOLS",
    "PACKAGE_HELD",
    "KEY_NOT_ENROLLED",
    "SECURE_BOOT",
    "CLOCK_SKEW",
    "HUNG",
    "PODMAN",
    "USERNS_REMAP",
    "ROOTLESS",
    "XFS_FTYPE",
    "DM_BASESIZE",
    "SNAP",
    "ENGINE",
    "ENGINE_TOO_OLD",
    "CONTAINER_FOREIGN",
    "SHARED_FOLDER",
    "ROOT_SQUASH",
    "READ_ONLY",
    "NO_INODES",
    "NO_SPACE",
)
#: why the driver's modules are not there, or cannot be
MODULE_CODES = PREFLIGHT_CODES[
    PREFLIGHT_CODES.index("KERNEL_TOO_NEW") : PREFLIGHT_CODES.index("CLOCK_SKEW")
]
#: without the engine, or with a container in the way, no container of ours runs
ENGINE_CODES = PREFLIGHT_CODES[
    PREFLIGHT_CODES.index("PODMAN") : PREFLIGHT_CODES.index("SHARED_FOLDER")
]
CONTACT_CODES = (*CONNECTION_CODES, *PROBE_CODES)
_ORDER = (*CONTACT_CODES, *PREFLIGHT_CODES)
#: codes that mean the same for a host that does not answer
_SILENCE = ("CONNECTION_LOST", "TIMED_OUT")

#: state of a card -> code of the problem; a card in another state than these is unhealthy
CARD_STATE_CODES = {N_("dropped"): "CARD_DROPPED", N_("gone"): "CARDS_MISSING"}
NO_DRIVER = N_("no driver")
CARD_CODES = ("CARD_DROPPED", "CARDS_MISSING", "CARD_UNHEALTHY")
DRIVER_CODE = "DRIVER_NOT_PROVED"
ENGINE_CODE = "ENGINE"
#: kinds of changes of the driver stage that say that cards cannot be used as they are
DRIVER_KINDS = (LOAD_DRIVER, MAKE_NODES)
#: code of a problem that only a stage can see -> the stage
STAGE_OF_CODE = {DRIVER_CODE: "driver", ENGINE_CODE: "engine"}
#: an endpoint that has no code of its own and does not answer
ENDPOINT_CODE = "SERVE"
#: states of endpoints that the supervisor changes by itself
PASSING_STATES = ("loading", "draining")

# kinds of problems
CONTACT, REFUSAL, DRIVER, CARD, STAGE, ENDPOINT = (
    *("contact", "refusal", "driver", "card", "stage", "endpoint"),
)
# where an effect is in relation to its cause
ANYWHERE, SAME_CARD, DRIVER_STAGE, ENGINE_STAGE, LATER = (
    *("anywhere", "same card", "driver stage", "engine stage", "later"),
)


class Rule(NamedTuple):
    """A cause and what it explains.

    Attributes:
        causes: Codes of the cause.
        effects: Kinds or codes of problems that it explains.
        where: Which of these.
    """

    causes: tuple[str, ...]
    effects: tuple[str, ...]
    where: str


RULES = (
    # numbers of cards move up when one is gone, so no endpoint can be told apart by its cards
    Rule(("CARD_DROPPED", "CARDS_MISSING", "CARD_MODEL"), (ENDPOINT,), ANYWHERE),
    Rule(("CARDS_MISSING",), ("CARD_DROPPED", "CARD_UNHEALTHY"), SAME_CARD),
    Rule(("CARD_DROPPED",), ("CARD_UNHEALTHY",), SAME_CARD),
    Rule(("CARD_UNHEALTHY",), (ENDPOINT,), SAME_CARD),
    Rule(("CARD_UNHEALTHY",), (STAGE,), DRIVER_STAGE),
    Rule((DRIVER_CODE,), (STAGE, ENDPOINT), ANYWHERE),
    Rule(MODULE_CODES, (DRIVER, ENDPOINT), ANYWHERE),
    Rule(("HUNG", "CARD_BUSY"), (ENDPOINT,), ANYWHERE),
    Rule(ENGINE_CODES, (ENDPOINT,), ANYWHERE),
    Rule((ENGINE_CODE,), (STAGE,), ENGINE_STAGE),
    Rule((DRIFT,), (STAGE,), LATER),
    Rule((DRIFT,), (ENDPOINT,), LATER),
)


class View(NamedTuple):
    """What a look shows.

    Attributes:
        problems: What is wrong, each root cause once.
        hides: Whether the look could not have seen a problem, which says nothing about it then.
        observed: What the probe found; None without one.
    """

    problems: list[Problem]
    hides: Callable[[Problem], bool]
    observed: FactsObserved | None


def judge(observation: Observation) -> View:
    """Return what a look shows.

    Args:
        observation: The look.
    """
    observed = observation.observed
    if observation.outcome == BUSY:
        return View([], lambda known: known.code not in CONTACT_CODES, observed)
    found = list(_list_candidates(observation, observed))
    explain = _Explanation(observed)

    def is_explained(known: Problem) -> bool:
        return any(explain(cause, known) for cause in found if cause.key != known.key)

    def hides(known: Problem) -> bool:
        return (
            _is_beyond(observation, known)
            or is_explained(known)
            or (kind_of(known) == ENDPOINT and known.subject in explain.passing)
        )

    return View([one for one in found if not is_explained(one)], hides, observed)


def kind_of(problem: Problem) -> str:
    """Return the kind of a problem, as :data:`RULES` name it.

    Args:
        problem: The problem.
    """
    code = problem.code
    if code in CONTACT_CODES:
        return CONTACT
    if code == DRIFT:
        return STAGE
    if code == DRIVER_CODE:
        return DRIVER
    if code in CARD_CODES and problem.subject:
        return CARD
    return ENDPOINT if code.startswith("SERVE") and "/" in problem.subject else REFUSAL


def _list_candidates(observation: Observation, observed: FactsObserved | None) -> Iterator[Problem]:
    cards = list(_list_card_problems(observed)) if observed else []
    if observation.failure and not _is_told_by_cards(observation.failure, cards):
        yield _describe_failure(observation.outcome, observation.failure)
    yield from cards
    if observed and (driver := _find_driver_problem(observed, observation)):
        yield driver
    if any(kind == AWAIT_ENGINE for kind, _words in observation.list_changes("engine")):
        yield _describe(ENGINE_CODE, "", _("docker does not answer"))
    for stage, words in observation.drift.items():
        sentence = sanitize.join_lines(join_clauses(words))
        yield Problem(DRIFT, stage, sentence, _(DRIFT_REMEDY))
    if observed:
        for endpoint in observed.endpoints:
            if problem := _find_endpoint_problem(endpoint):
                yield problem


def _describe_failure(outcome: str, failure: FailureRecord) -> Problem:
    is_silent = outcome == UNREACHABLE and failure.code in _SILENCE
    code = "UNREACHABLE" if is_silent else failure.code
    release = failure.stage.partition(" of ")[2]
    return Problem(code, release, sanitize.join_lines(failure.sentence), failure.remedy)


def _is_told_by_cards(failure: FailureRecord, cards: list[Problem]) -> bool:
    return any(card.code == failure.code for card in cards)


def _list_card_problems(observed: FactsObserved) -> Iterator[Problem]:
    states = observed.cards
    has_driver = any(state not in (NO_DRIVER, *CARD_STATE_CODES) for state in states.values())
    for address, state in states.items():
        if state == CARD_RUNNING or (state == NO_DRIVER and not has_driver):
            continue
        code = CARD_STATE_CODES.get(state, "CARD_UNHEALTHY")
        detail = _("{address} ({state})", address=address, state=_(state))
        yield _describe(code, address, detail)


def _find_driver_problem(observed: FactsObserved, observation: Observation) -> Problem | None:
    states = [state for state in observed.cards.values() if state not in CARD_STATE_CODES]
    words = [words for kind, words in observation.list_changes("driver") if kind in DRIVER_KINDS]
    if states and set(states) == {NO_DRIVER}:
        return _describe(DRIVER_CODE, "", join_clauses(words) or _("no driver is loaded"))
    if not words or NO_DRIVER in states:  # a single card without a driver is that card's problem
        return None
    return _describe(DRIVER_CODE, "", join_clauses(words))


def _find_endpoint_problem(endpoint: EndpointRecord) -> Problem | None:
    if endpoint.is_ready or _is_passing(endpoint):
        return None
    code = endpoint.code if endpoint.code in FAILURE_TABLE else ENDPOINT_CODE
    return _describe(
        code,
        endpoint.label,
        _("{label}: {problem}", label=endpoint.label, problem=endpoint.problem),
    )


def _is_passing(endpoint: EndpointRecord) -> bool:
    """Return whether nothing can be said yet: one that is started again has failed before."""
    is_again = endpoint.state == "loading" and endpoint.code != ""
    return endpoint.state in PASSING_STATES and not is_again


def _describe(code: str, subject: str, detail: str) -> Problem:
    failure = Failure(code, detail)
    return Problem(code, subject, failure.sentence, failure.remedy)


def _is_beyond(observation: Observation, known: Problem) -> bool:
    """Return whether a look ended before it came to what would show a problem."""
    failure = observation.failure
    if failure is None:
        return False
    kind = kind_of(known)
    if observation.outcome != SEEN:
        code = _describe_failure(observation.outcome, failure).code
        return kind != CONTACT or _position(known.code) > _position(code)
    is_early = stage_name(failure.stage) in ("preflight", "probe")
    if kind == STAGE or known.code in STAGE_OF_CODE:
        stage = STAGE_OF_CODE.get(known.code, known.subject)
        return is_early or stage_rank(stage) > stage_rank(failure.stage)
    if kind == REFUSAL:
        return _position(known.code) > (_position(failure.code) if is_early else len(_ORDER) - 1)
    return False


def _position(code: str) -> int:
    return _ORDER.index(code) if code in _ORDER else len(_ORDER)


class _Explanation:
    """Says which problems of a look are effects of others."""

    def __init__(self, observed: FactsObserved | None) -> None:
        endpoints = observed.endpoints if observed else []
        addresses = list(observed.cards) if observed else []
        self.passing = {one.label for one in endpoints if _is_passing(one)}
        self._cards = {
            one.label: {addresses[card] for card in one.cards if card < len(addresses)}
            for one in endpoints
        }

    def __call__(self, cause: Problem, effect: Problem) -> bool:
        """Return whether one problem explains another."""
        if kind_of(cause) == ENDPOINT:
            # without a code of its own, it is the stage that says what is missing
            is_cause = cause.code != ENDPOINT_CODE and _is_serving(effect)
            return is_cause and _share_release(effect.subject, cause.subject)
        kind = kind_of(effect)
        return any(
            cause.code in rule.causes
            and (kind in rule.effects or effect.code in rule.effects)
            and self._is_there(rule.where, cause, effect)
            for rule in RULES
        )

    def _is_there(self, where: str, cause: Problem, effect: Problem) -> bool:
        if where == ANYWHERE:
            return True
        if where in (DRIVER_STAGE, ENGINE_STAGE):
            return effect.subject == where.partition(" ")[0]
        if where == SAME_CARD:
            return cause.subject in (effect.subject, *self._cards.get(effect.subject, ()))
        if not _share_release(cause.subject, effect.subject):
            return False
        if kind_of(effect) == STAGE:
            return stage_rank(cause.subject) < stage_rank(effect.subject)
        # a model that is only not asked, or not yet served, leaves servers as they are
        limit = "validation" if effect.code == ENDPOINT_CODE else "smoke"
        return stage_rank(cause.subject) < stage_rank(limit)


def _is_serving(problem: Problem) -> bool:
    return problem.code == DRIFT and stage_name(problem.subject) == "serve"


def _share_release(one: str, other: str) -> bool:
    """Return whether two subjects can be of one release; those of the host are of all."""
    names = [subject.rpartition("/")[0] or subject.partition(" of ")[2] for subject in (one, other)]
    return "" in names or names[0] == names[1]
