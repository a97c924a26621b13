"""The story of one host: from "SSH works" to "the model answers"."""

from pyinfra import host

from fleet.run import Run
from operations import (
    ahead,
    container,
    driver,
    engine,
    image,
    lock,
    migration,
    outstanding,
    packages,
    patch,
    preflight,
    smoke,
    sources,
    sudo,
    swarm,
    weights,
)
from operations.stage import refused

look = outstanding.look(host)
wanted, options = look.wanted, look.options
Run.current().observed(host, look)

# a host that already is what the release says gets no operation at all, and one that would be
# refused before anything is done to it gets nothing but that
if look.refusal:
    refused(*look.refusal, name="Refused")
elif look.drift:
    swarm.wants(host.name, look.files)
    preflight.passed(wanted, options, name="Preflight")
    lock.taken(Run.current().owner, name="Lock")
    if look.ahead:
        ahead.begun(look, name="Ahead")
    driver.installed(wanted, options, name="Driver")
    engine.running(wanted, options, name="Engine")
    image.loaded(wanted, options, name="Image")
    sources.pinned(wanted, options, name="Sources")
    weights.placed(wanted, options, name="Weights")
    container.running(wanted, options, name="Container")
    migration.done(wanted, options, name="Migration")
    patch.applied(wanted, options, name="Patch")
    packages.installed(wanted, options, name="Packages")
    smoke.passed(wanted, options, name="Smoke")
else:
    sudo.remove(host)  # at once: pyinfra would need a command of its own for it
