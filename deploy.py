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
    serving,
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
run.record_assessment(host, plan)

# a host that already is what the release says gets no operation at all, and one that would be
# refused before anything is done to it gets nothing but that
if plan.refusal:
    refused(*plan.refusal, name="Refused")
elif plan.drift:
    swarm.register_demand(host, plan.files)
    preflight.passed(plan, name="Preflight")
    lock.acquired(run.owner, name="Lock")
    if plan.prefetchable:
        prefetch.started(plan.prefetchable, plan.list_prefetchable, name="Prefetch")
    driver.installed(plan, name="Driver")
    engine.running(plan, name="Engine")
    # most hosts have one release; several share the driver, and have cards of their own
    for release in host.loop(plan.target.releases):
        # before the image, whose archive is uploaded meanwhile
        sources.pinned(plan, release, name="Sources")
        image.loaded(plan, release, name="Image")
        weights.placed(plan, release, name="Weights")
        container.running(plan, release, name="Container")
        migration.done(plan, release, name="Migration")
        patches.applied(plan, release, name="Patch")
        packages.installed(plan, release, name="Packages")
        smoke_test.passed(plan, release, name="Smoke")
        serving.ready(plan, release, name="Serve")
    validation.passed(plan, name="Validation")
else:
    sudo.remove_password(host)  # at once: pyinfra would need a command of its own for it
