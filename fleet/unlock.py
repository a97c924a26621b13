"""pyinfra code of `mlufleet unlock`: the lock of every host is taken away from its holder."""

import getpass
import socket

from pyinfra import host

from operations import failing, lock, sudo

refusal = sudo.prepare(host)
if refusal:
    failing.fail(host, refusal)
lock.broken(f"{getpass.getuser()}@{socket.gethostname()}", name="Unlock")  # type: ignore[call-arg, arg-type]
