"""pyinfra code of `mlufleet unlock`: the lock of every host is taken away from its holder."""

from pyinfra import host

from fleet import caller
from operations import failing, lock, sudo

refusal = sudo.prepare(host)
if refusal:
    failing.fail(host, refusal)
lock.broken(caller.name(), name="Unlock")  # type: ignore[call-arg, arg-type]
