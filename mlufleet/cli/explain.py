"""`mlufleet explain`."""

from __future__ import annotations

from collections.abc import Iterator

import click

from fleet.errors import ACTIONS, FAILURE_TABLE, InvalidInput, canonical_code, render_reference
from fleet.language import _
from fleet.text import suggestions, word_lists
from mlufleet.cli.translated_command import TranslatedCommand


def _complete_code(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[str]:
    return [code for code in FAILURE_TABLE if code.startswith(incomplete.upper())]


@click.command(cls=TranslatedCommand)
@click.argument("code", required=False, shell_complete=_complete_code)
@click.option("--markdown", is_flag=True, help="Print all codes as docs/failures.md has them.")
def explain(code: str | None, markdown: bool) -> None:
    """Explain a failure code and its remedy.

    Without CODE, all failure codes are explained. CODE may be in lower case, and one that only
    the watch and its history have, such as DRIFT.

    \b
    Examples:
      mlufleet explain CARD_BUSY
      mlufleet explain
    """
    if markdown:
        click.echo(render_reference(), nl=False)
        return
    if code:
        code = canonical_code(code.strip().upper().replace("-", "_"))
    from mlufleet.watch.problems import OWN_CODES

    known = FAILURE_TABLE | OWN_CODES
    if code and code not in known:
        near = suggestions.format_suggestions(code, known)
        hint = near or _("; codes: {codes}", codes=word_lists.join_words(known))
        raise InvalidInput(_("no failure code {code}{hint}", code=code, hint=hint))
    for name in [code] if code else FAILURE_TABLE:
        meaning, remedy, action = known[name]
        click.echo(f"{name}: {_(meaning)}")
        click.echo("  " + _("remedy: {remedy}", remedy=_(remedy)))
        click.echo(
            "  " + _("action: {action} ({meaning})", action=action, meaning=_(ACTIONS[action]))
        )
    for line in related_facts(code) if code else ():
        click.echo(f"  {line}")


def related_facts(code: str) -> Iterator[str]:
    """Yield facts from the tables of operating systems and compatibility about a failure code.

    Args:
        code: A failure code.
    """
    if code in ("OS_UNSUPPORTED", "HEADERS_MISSING"):
        from mlufleet.reference import systems_page

        yield from systems_page.describe_failure(code)
    elif code == "KERNEL_TOO_NEW":
        from fleet.release import compatibility

        for limit in compatibility.load_table().kernels:
            yield _(
                "driver {driver} and older: kernels up to {kernel}",
                driver=limit.driver,
                kernel=limit.newest_kernel,
            )
