from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from operations.host.facts import HostFacts
from operations.host.probe_parser import BEGIN_MARKER, END_MARKER, ProbeError, parse
from operations.host.scripts import read_script
from tests.unit.conftest import DRIVEN, probe
from tests.unit.operations.stage_helpers import only


def test_a_banner_around_the_markers_is_nothing(bare: HostFacts) -> None:
    assert (bare.os_key, bare.uid, bare.clock_skew_s) == ("ubuntu18.04", 0, 1.0)
    assert [card.address for card in bare.present_cards] == ["0000:39:00.0", "0000:3a:00.0"]


def test_a_card_of_revision_ff_and_a_virtual_function_are_not_present() -> None:
    state = probe("card|0000:39:00.0|0x0370|ff|ffff", "card|0000:39:00.1|0x0371|01|0054")
    assert state.present_cards == [] and state.cards[0].is_dropped and state.cards[1].is_virtual


def test_the_loaded_version_is_one_only_if_all_cards_agree(driven: HostFacts) -> None:
    assert driven.loaded_driver == "5.10.10"
    mixed = probe("running|0000:39:00.0|5.10.10|x", "running|0000:3a:00.0|5.10.22|x")
    assert mixed.loaded_driver == ""


@pytest.mark.parametrize("cut", range(1, len(DRIVEN) + 1, 3))
def test_truncated_output_is_an_error_never_a_guess(cut: int) -> None:
    lines = ["@@mlufleet-begin", *(line.replace("|", "\t") for line in DRIVEN)]
    with pytest.raises(ProbeError):
        parse(lines[:cut], 0)


def test_a_line_with_too_few_fields_is_an_error() -> None:
    with pytest.raises(ProbeError, match="kernel"):
        probe("kernel")


def test_a_container_names_what_it_shows_stale() -> None:
    state = probe("container|id|sha256:x|true|77|spec", "stale|/usr/bin/cnmon")
    container = only(state).container
    assert container and container.stale_mounts == ("/usr/bin/cnmon",)


def test_a_banner_without_a_line_end_hides_no_marker(tmp_path: Path) -> None:
    head, rest = read_script("probe").split("\nos=$(")
    assert "say os" in rest
    said = "say os a b c\nsay kernel a b\nsay boot a b\nsay clock 1\nsay uid 7"
    words = ["sh", "-c", f"printf Welcome\n{head}\n{said}\necho '{END_MARKER}'"]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert parse(printed.split("\n"), 0).uid == 7
    (tmp_path / "a").write_text("x")
    words = ["sh", "-c", f"printf Welcome\n{read_script('read-file')}", "sh", str(tmp_path / "a")]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert printed.split("\n")[1:] == ["@@begin", "eA==", "@@end", ""]


@pytest.mark.parametrize("kind", ["os", "kernel", "boot", "clock", "uid"])
def test_a_frame_without_what_every_probe_prints_is_no_probe(kind: str) -> None:
    lines = [line.replace("|", "\t") for line in DRIVEN if not line.startswith(f"{kind}|")]
    with pytest.raises(ProbeError, match=f"did not print {kind}"):
        parse([BEGIN_MARKER, *lines, END_MARKER], 0)


def test_a_container_without_our_label_is_somebody_elses() -> None:
    state = probe("container|id|sha256:x|true|77|-")
    container = only(state).container
    assert container and container.spec_digest == ""


def test_a_card_of_an_unknown_board_is_what_its_driver_calls_it() -> None:
    state = probe(
        "card|0000:39:00.0|0x0370|01|1234",
        "running|0000:39:00.0|5.10.10|x|SN/1|MLU370-Y9",
        "card|0000:3a:00.0|0x0370|01|0054",
        "running|0000:3a:00.0|5.10.10|x|SN/1|MLU370-Y9",
        "card|0000:3b:00.0|0x0370|01|1234",
        "running|0000:3b:00.0|5.10.10|x|SN/2|",
    )
    models = {card.address: state.card_model(card) for card in state.cards}
    assert list(models.values())[-3:] == ["MLU370-Y9", "MLU370-X8", ""]
