"""Which piece is offered to which host."""

from __future__ import annotations

import pytest

from operations.transfer.offers import HELP_S, OfferedHost, Offers

PIECE = 1 << 20


@pytest.fixture
def offers() -> Offers:
    return Offers(10 * PIECE - 5, PIECE)


def take(offers: Offers, host: OfferedHost, pieces: list[int], now: float = 0) -> None:
    """Send pieces to a host, which has them then."""
    for piece in pieces:
        offers.note_sent(host, piece, PIECE)
    offers.note_has(host, pieces, now)


def test_each_piece_is_offered_to_one_host_and_in_order(offers: Offers) -> None:
    first, second = offers.join(), offers.join()
    # one at first: the sooner a host has a whole one, the sooner it can give it to others
    assert offers.offer(first, 0, 0) == [0]
    assert offers.offer(second, 0, 0) == [1]
    assert offers.offer(first, 0, 0) == []
    take(offers, first, [0])
    assert offers.offer(first, 0, 0) == [2]
    # who takes more is offered more
    assert offers.offer(second, 4 * PIECE, 0) == [3, 4]


def test_what_a_host_is_sent_in_part_is_still_open(offers: Offers) -> None:
    host = offers.join()
    assert offers.offer(host, 2 * PIECE, 0) == [0, 1]
    offers.note_sent(host, 0, PIECE - 1)
    offers.note_sent(host, 1, 1)
    assert offers.offer(host, 0, 0) == []  # a whole piece is left of both
    offers.note_sent(host, 0, 1)
    assert offers.offer(host, 0, 0) == [2]
    offers.note_sent(host, 9, 77)  # it was never offered this one
    assert sorted(host.open) == [1, 2]


def test_what_hosts_have_already_is_offered_last(offers: Offers) -> None:
    seed, host = offers.join(), offers.join()
    offers.note_has(seed, [*range(8), 99], 0)
    assert offers.offer(host, 2 * PIECE, 0) == [8, 9]
    take(offers, host, [8, 9])
    # all the rest is at the seed: nobody else gives it to the host for now
    assert offers.offer(host, 2 * PIECE, HELP_S + 1) == [0, 1]


def test_at_the_end_a_host_that_others_help_is_given_few_pieces_at_a_time(offers: Offers) -> None:
    rich, host = offers.join(), offers.join()
    offers.note_has(rich, range(10), 0)
    offers.note_has(host, [0], 5)
    assert offers.offer(host, 9 * PIECE, 6) == [1, 2]
    assert offers.offer(host, 9 * PIECE, 6) == []
    assert offers.offer(host, 9 * PIECE, 5 + HELP_S + 1) == [3, 4, 5, 6]


def test_the_rarest_piece_goes_first_at_the_end(offers: Offers) -> None:
    hosts = [offers.join() for _ in range(3)]
    for host in hosts:
        offers.note_has(host, range(8), 0)
    offers.note_has(hosts[0], [8], 0)
    assert offers.offer(hosts[0], 0, 0) == [9]
    # it was offered once, but nobody has it, while another one has 8
    assert offers.offer(hosts[1], 2 * PIECE, 0) == [9, 8]
    offers.note_has(hosts[0], [9], 0)
    # now as many have each, and 9 was offered more often
    assert offers.offer(hosts[2], 2 * PIECE, 0) == [8, 9]


def test_what_a_lost_host_has_not_got_is_offered_to_others(offers: Offers) -> None:
    lost, host = offers.join(), offers.join()
    offers.offer(lost, 2 * PIECE, 0)
    take(offers, lost, [0])
    offers.leave(lost)
    assert offers.offer(host, 2 * PIECE, 0) == [1, 2]
    take(offers, host, [1, 2, *range(3, 10)])
    # the only one that had it is gone
    assert offers.offer(host, 0, 0) == [0]
    assert offers.offer(host, 0, 0) == []


def test_a_host_that_others_cannot_reach_gets_all_of_it(offers: Offers) -> None:
    hosts, sent, now = [offers.join(), offers.join()], 0, 0.0
    while not all(all(host.has) for host in hosts):
        now += 1
        for host in hosts:
            found = offers.offer(host, 0, now)
            take(offers, host, found, now)
            sent += len(found)
        assert now < 99
    assert sent == 20


@pytest.mark.parametrize(
    ("block", "is_there"),
    [
        *(((0, 0, PIECE), True), ((9, 0, PIECE - 5), True), ((9, 1, PIECE - 5), False)),
        *(((10, 0, 1), False), ((0, 1, PIECE), False)),
    ],
)
def test_only_blocks_of_the_file_are_given(
    offers: Offers, block: tuple[int, int, int], is_there: bool
) -> None:
    assert offers.contains(*block) is is_there
