from __future__ import annotations

from fractions import Fraction

import pytest

from mlufleet.rollout.host_count import HostCount


@pytest.mark.parametrize("percent", range(101))
def test_a_percentage_is_a_share_rounded_down_of_every_fleet(percent: int) -> None:
    amount = HostCount.parse(f"{percent}%")
    for total in range(1, 1001):
        hosts, share = amount.resolve(total), Fraction(percent, 100) * total
        assert hosts <= share < hosts + 1
        assert amount.resolve(total, minimum=1) == (hosts or 1)
        assert (hosts == total) == (percent == 100)


def test_a_count_is_itself_up_to_the_whole_fleet() -> None:
    for count in range(0, 1001, 7):
        amount = HostCount.parse(str(count))
        for total in range(1, 1001, 13):
            assert amount.resolve(total) == min(count, total)
            assert amount.resolve(total, minimum=1) == max(1, min(count, total))


@pytest.mark.parametrize("text", ["101%", "-1", "1.5", "5 %", "", "%", "ten", "1e3", "٣", "9" * 7])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"neither|more than"):
        HostCount.parse(text)
