"""4, 7: killed or without power at any point, the next runs end where one alone would have."""

from __future__ import annotations

from tests.faults.kills import alone, chain, on_lab, points

TARGET = on_lab("u1604")


def test_a_host_struck_in_every_stage_becomes_what_one_run_alone_makes() -> None:
    (sample,) = points(TARGET.spans, len(TARGET.spans), seed=20)
    assert {point.power for point in sample} == {True, False}
    assert chain(TARGET, sample, alone(TARGET)) == []
