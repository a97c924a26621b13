"""pyinfra code of `mlufleet unlock`: the lock of every host is taken away from its holder."""

from pyinfra import host

from mlufleet.run import operator
from operations import stages
from operations.host import lock
from operations.stage import refused

refusal = stages.reached(host)
if refusal:
    refused("unlock", refusal, name="Refused")  # type: ignore[call-arg, arg-type]
else:
    lock.broken(operator.name(), name="Unlock")  # type: ignore[call-arg, arg-type]
