"""Nothing but one big file to every host, as an upload of the project's own."""

from pathlib import Path

from pyinfra import host
from pyinfra.api import operation

from operations import stages
from operations.host.context import run_context
from operations.transfer import swarm
from operations.transfer.upload import Upload

FILE, SHA = Path(host.data.big_file), str(host.data.big_sha)


@operation()
def brought():
    yield Upload("image", [(FILE, str(host.data.big_dest), SHA)])


run_context(host).recorder.record_assessment(host, stages.assess(host))
swarm.register_demand(host, {SHA: FILE})
brought(name="Big")
