"""Options of pyinfra's command line that are given to `mlufleet`, as pyinfra itself reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click

from fleet.errors import InvalidInput
from fleet.language import _

#: Options of pyinfra that set data of every host, like ``--data``.
DATA_OPTIONS = ("ssh_user", "ssh_key", "ssh_port")


def parse_options(words: Iterable[str]) -> dict[str, Any]:
    """Parse options for pyinfra's command without running it.

    Args:
        words: The options, as on a command line.

    Returns:
        The values of the options that were given, by pyinfra's names for them.

    Raises:
        InvalidInput: pyinfra has no such option, a value has the wrong type, or a word is not an
            option's value.
    """
    from pyinfra_cli.cli import cli

    context = click.Context(cli)
    try:
        options, _words, _order = cli.make_parser(context).parse_args(["", "", *words])
        for option in cli.params:
            if option.name in options and isinstance(option, click.Option):
                option.type_cast_value(context, options[option.name])
    except click.UsageError as error:
        raise InvalidInput(error.format_message()) from error
    if extra := options.get("operations", ())[1:]:
        raise InvalidInput(
            _("unexpected argument {word}; to select hosts, use --limit {word}", word=extra[0])
        )
    return dict(options)


def parse_data(data: Iterable[str], options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Parse the data that a command line sets for every host.

    Args:
        data: KEY=VALUE pairs of ``--data``.
        options: Further options of pyinfra; ``--user``, ``--key`` and ``--port`` are data, too.

    Returns:
        The values, typed as pyinfra types them.

    Raises:
        InvalidInput: A word is not a KEY=VALUE pair.
    """
    from pyinfra_cli.util import parse_cli_arg

    pairs = {}
    for word in data:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise InvalidInput(
                _("--data {word}: expected KEY=VALUE, for example --data cards=8", word=word)
            )
        pairs[key] = parse_cli_arg(value)
    given = options or {}
    return pairs | {key: given[key] for key in DATA_OPTIONS if given.get(key)}
