"""The story of one host: from "SSH works" to "the model answers"."""

from pyinfra import host

from fleet.run import Run
from fleet.wanted import STORE, load
from operations import (
    connection,
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
    weights,
)
from operations.observe import observe
from operations.stage import Options, refused

wanted = load(host.data.release, host.data.get("store", STORE))
options = Options.of(host)

connection.prepare(host)
state = sudo.prepare(host) or observe(host, wanted)
drift = outstanding.drift(wanted, state, options)
Run.current().observed(host, wanted, state, drift)

# a host that already is what the release says gets no operation at all, and one that would be
# refused before anything is done to it gets nothing but that
refusal = outstanding.refusal(drift)
if refusal:
    refused(*refusal, name="Refused")
elif drift:
    preflight.passed(wanted, options, name="Preflight")
    lock.taken(Run.current().owner, name="Lock")
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
