"""The commands of the host with a kernel: python -m tests.lab vm."""

import sys

import click

from tests.lab.vm import machine
from tests.lab.vm import up as host


@click.group()
def vm() -> None:
    """A host with a kernel of its own, in a machine that qemu emulates: .lab/kernel.yml."""


@vm.command()
def up() -> None:
    """Build what is missing and boot the host; one that is up stays as it is."""
    host.up()
    click.echo(f"the host is up, its inventory is {host.INVENTORY}")


@vm.command()
def down() -> None:
    """Remove the host with its disk, its states and its inventory."""
    host.down()


@vm.command()
def reset() -> None:
    """Put the host back into its bare state, as it was booted."""
    machine.restore(host.BARE)


@vm.command()
def status() -> None:
    """Say whether it has power, its port and its saved states; exits 1 when it has none."""
    on = machine.running()
    saved = ", ".join(sorted(machine.saved())) or "none"
    click.echo(f"{machine.NAME}  {'on' if on else 'off'}  port {machine.port()}  states: {saved}")
    if not on:
        sys.exit(1)
