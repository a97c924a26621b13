"""docs/release.md is what the models say."""

from __future__ import annotations

import yaml

from fleet import reference, releases


def test_the_page_is_that_of_the_models() -> None:
    written = reference.EXAMPLE.with_name("release.md").read_text()
    assert written == reference.page(), "make docs"


def test_the_example_is_a_release() -> None:
    assert releases.load(reference.EXAMPLE).name == "example"


def test_every_field_has_a_meaning_and_an_example() -> None:
    data = yaml.safe_load(reference.EXAMPLE.read_text())
    for model in reference.models():
        found = list(reference.examples(model, data))
        assert model.__doc__ and found, model
        for name in model.model_fields:
            assert reference.meanings(model).get(name), f"{model.__name__}.{name} has no comment"
            assert any(name in one for one in found), f"{model.__name__}.{name} is in no example"
