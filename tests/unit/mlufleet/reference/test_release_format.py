"""The example of docs/release.md has what the models have."""

from __future__ import annotations

import yaml

from fleet.release import files
from mlufleet.reference import release_format


def test_the_example_is_a_release() -> None:
    assert files.load_release(release_format.EXAMPLE_FILE).name == "example"


def test_every_field_has_a_meaning_and_an_example() -> None:
    data = yaml.safe_load(release_format.EXAMPLE_FILE.read_text())
    for model in release_format.list_models():
        found = list(release_format.find_examples(model, data))
        assert model.__doc__ and found, model
        for name in model.model_fields:
            assert release_format.read_field_descriptions(model).get(name), (
                f"{model.__name__}.{name} has no comment"
            )
            assert any(name in one for one in found), f"{model.__name__}.{name} is in no example"
