"""The lab's command: python -m tests.lab."""

import sys

import click

from tests.lab import hosts, lies, paths
from tests.lab import up as lab
from tests.lab.fleet import size
from tests.lab.steps import LabError
from tests.lab.systems import BY_NAME, named
from tests.lab.vm.commands import vm


class Lab(click.Group):
    """A group of commands whose errors are one clear message."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; an error of the lab exits 1."""
        try:
            return super().invoke(ctx)
        except LabError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Lab, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Servers with stand-in MLU370 cards, reached over SSH at 127.0.0.1.

    \b
    Examples:
      python -m tests.lab up                     one host of each kind
      python -m tests.lab up --hosts 20          the kinds in turn
      python -m tests.lab up --kinds u2204,rocky9  and hosts of other systems
      python -m tests.lab lie u1604 card-rev-ff on
      python -m tests.lab reset c7               bare again, at the same port
      python -m tests.lab down --all             nothing is left
    """


@main.command()
@click.option("--hosts", "count", type=click.IntRange(0), help="How many; else LAB_HOSTS, else 3.")
@click.option(
    "--kinds",
    default="",
    metavar="NAMES",
    help=f"Others beside these: {', '.join(BY_NAME)}.",
)
def up(count: int | None, kinds: str) -> None:
    """Build what is missing and boot the hosts; others that are up are removed."""
    others = named([name for name in kinds.split(",") if name])
    lab.up(size() if count is None else count, others)
    click.echo(f"the lab is up, its inventory is {paths.INVENTORY}")


@main.command()
@click.option("--all", "everything", is_flag=True, help="The images and the artifacts as well.")
def down(everything: bool) -> None:
    """Remove the hosts with their disks, the inventory and the keys."""
    lab.down(everything)


@main.command()
def status() -> None:
    """List the hosts: port, state, loaded driver, lies; exits 1 when there is none."""
    there = hosts.found()
    for name, host in there.items():
        driver = told = ""
        if host.state == "running":
            driver = hosts.run(name, "/usr/lib/mlu-lab/kernel loaded", check=False)
            told = " ".join(lies.told(name))
        click.echo(f"{name:10} {host.port}  {host.state:10} driver {driver or 'none':10} {told}")
    if not there:
        click.echo("no hosts; `python -m tests.lab up` makes them")
        sys.exit(1)


@main.command("lie")
@click.argument("host")
@click.argument("switch", type=click.Choice(list(lies.LIES)), metavar="SWITCH")
@click.argument("position", type=click.Choice(["on", "off"]))
def lie(host: str, switch: str, position: str) -> None:
    """Switch a lie of a host, as in: lie u1804 card-off-bus on."""
    lies.switch(host, switch, position == "on")


@main.command("lies")
def table() -> None:
    """List what a host can be made to do wrong."""
    for name, sentence in lies.LIES.items():
        click.echo(f"{name:22} {sentence}")


@main.command()
@click.argument("host")
def reset(host: str) -> None:
    """Make a host again, bare, at the same port."""
    lab.reset(host)


main.add_command(vm)

if __name__ == "__main__":
    main(prog_name="python -m tests.lab")
