"""pyinfra code of `mlufleet unlock`: the lock of every host is taken away from its holder."""

from pyinfra import host

from fleet import caller
from operations import lock, outstanding
from operations.stage import refused

refusal = outstanding.reached(host)
if refusal:
    refused("unlock", refusal, name="Refused")  # type: ignore[call-arg, arg-type]
else:
    lock.broken(caller.name(), name="Unlock")  # type: ignore[call-arg, arg-type]
