"""The store: what is recorded is there after a kill, and a bad disk does not stop the watch."""

from __future__ import annotations

from pathlib import Path

from mlufleet.watch.problems import HostState
from mlufleet.watch.store import Store
from mlufleet.watch.tracking import track
from tests.unit.mlufleet.watch.looks import endpoint, look, off


def fill(store: Store, *looks, state: HostState | None = None) -> HostState:
    state = state or HostState()
    for one in looks:
        state, changes = track(state, one)
        store.record(one, state, changes)
    return state


def test_what_is_recorded_is_there_after_a_start(tmp_path: Path) -> None:
    folder = tmp_path / "watch"
    store = Store(folder)
    looks = [
        look(1000, endpoints=[endpoint(answered=990.5)], cards={"0000:39:00.0": "dropped"}),
        look(1060, endpoints=[endpoint(answered=1050.5)], cards={"0000:39:00.0": "dropped"}),
        off(1120),
    ]
    state = fill(store, *looks)
    changes = store.list_changes()
    assert [(one.kind, one.problem.key) for one in changes] == [
        ("opened", "CARD_DROPPED 0000:39:00.0"),
        ("health", "HEALTH degraded"),
    ]
    store.close()
    with_again = Store(folder)
    assert with_again.load_states() == {"a": state}
    assert with_again.load_observations() == {"a": (looks[1], looks[2])}
    assert with_again.list_changes() == changes
    assert [(one.outcome, one.code, one.count) for one in with_again.list_looks()] == [
        ("seen", "", 1),
        ("seen", "", 1),
        ("unreachable", "UNREACHABLE", 1),
    ]
    with_again.close()
