"""The story of one host: from "SSH works" to "the model answers"."""

from pyinfra import host

from operations import (
    container,
    driver,
    engine,
    image,
    migration,
    packages,
    patches,
    preflight,
    smoke_test,
    sources,
    stages,
    validation,
    weights,
)
from operations.host import lock, sudo
from operations.host.context import run_context
from operations.stage import refused
from operations.transfer import prefetch, swarm

run = run_context(host).recorder
plan = stages.assess(host)
wanted, options = plan.target, plan.options
run.record_assessment(host, plan)

# a host that already is what the release says gets no operation at all, and one that would be
# refused before anything is done to it gets nothing but that
if plan.refusal:
    refused(*plan.refusal, name="Refused")
elif plan.drift:
    swarm.register_demand(host, plan.checksums)
    preflight.passed(wanted, options, name="Preflight")
    lock.acquired(run.owner, name="Lock")
    if plan.prefetchable:
        prefetch.started(plan.prefetchable, plan.list_prefetchable, name="Prefetch")
    driver.installed(wanted, options, name="Driver")
    # most hosts have one release; those of others share the driver, and have cards of their own
    for part in host.loop(wanted.releases):
        engine.running(part, options, name="Engine")
        # before the image: it is on its way meanwhile, and is loaded beside the weights' way
        sources.pinned(part, options, name="Sources")
        image.loaded(part, options, name="Image")
        weights.placed(part, options, name="Weights")
        container.running(part, options, name="Container")
        migration.done(part, options, name="Migration")
        patches.applied(part, options, name="Patch")
        packages.installed(part, options, name="Packages")
        smoke_test.passed(part, options, name="Smoke")
    validation.passed(wanted, options, name="Validation")
else:
    sudo.remove_password(host)  # at once: pyinfra would need a command of its own for it
