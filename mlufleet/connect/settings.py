"""What pyinfra is told about connecting: a host fails alone, and nobody is asked anything.

pyinfra asks on the terminal where a host fails, a key has a passphrase, sudo wants a password or
a jump host's key is new; one such question holds up every host, and where nobody can answer it is
an exception that ends the run of all. Here each of them is a failure of the one host.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

import gevent
from paramiko import AuthenticationException, BadHostKeyException
from pyinfra.api import connect as api_connect
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.state import State
from pyinfra.connectors import ssh, ssh_util, sshuserclient, util
from pyinfra.connectors.sshuserclient import client

from fleet.errors import PromptRefused
from fleet.inventory.pyinfra_errors import InputError
from mlufleet.connect import open_files, private_keys
from mlufleet.connect.errors import exception_chain
from mlufleet.connect.jump_hosts import HostClient, JumpHostClient, open_proxy_command

#: seconds that one try to log in may take, jump hosts and all
LOGIN_TIMEOUT_S = 90
#: seconds before each further try where an sshd has too many logins at once (MaxStartups)
RETRY_DELAYS_S = (0.5, 1, 2, 4, 8)
STRICT_HOST_KEYS: Final = "ssh_strict_host_key_checking"

_connect = ssh.SSHConnector.connect
_connect_all = api_connect.connect_all


def configure_unattended() -> None:
    """Let pyinfra connect by these rules; said before its inventory is read."""
    from pyinfra_cli import cli  # its import makes all of a process cooperative

    cli.connect_all = connect_all
    cli._do_confirm = explain_missing_terminal(cli._do_confirm)
    util.getpass = ssh_util.getpass = refuse_prompt  # type: ignore[assignment]
    ssh.SSHConnector.connect = connect  # type: ignore[method-assign]
    ssh.SSHClient = HostClient  # type: ignore[misc]
    client.SSHClient = sshuserclient.SSHClient = JumpHostClient  # type: ignore[misc]
    client.ProxyCommand = open_proxy_command  # type: ignore[misc, assignment]


def refuse_prompt(*_: Any) -> str:
    """:raises Asked: always"""
    raise PromptRefused("a password is wanted, and nobody is asked for one")


def explain_missing_terminal(ask: Callable[[str], bool]) -> Callable[[str], bool]:
    """Pyinfra's own question before it begins, where it was not given `-y`."""

    @wraps(ask)
    def asked(question: str) -> bool:
        try:
            return ask(question)
        except EOFError:
            raise InputError("nobody is there to confirm: say -y, or --dry to look only") from None

    return asked


def connect_all(state: State) -> None:
    """Connect to every host; those that cannot be are left out."""
    hosts = [host for host in state.inventory if state.is_host_in_limit(host)]
    open_files.raise_limit(hosts)
    if state.should_raise_failed_hosts:  # it would ask at the first host that fails
        state.should_raise_failed_hosts = state.config.FAIL_PERCENT = None
    _connect_all(state)


def connect(self: ssh.SSHConnector) -> None:
    """Log in to one host.

    :raises ConnectError: whatever goes wrong
    """
    for pause in (*RETRY_DELAYS_S, None):
        try:
            _connect_once(self)
            return
        except ConnectError as error:
            if pause is None or not dropped_before_login(error):
                raise
            time.sleep(pause * random.uniform(0.5, 1.5))


def _connect_once(connector: ssh.SSHConnector) -> None:
    limit = gevent.Timeout(LOGIN_TIMEOUT_S)
    try:
        with limit:
            if connector.host.data.get(STRICT_HOST_KEYS) is None:  # pyinfra would take any new key
                connector.data[STRICT_HOST_KEYS] = "yes"
            private_keys.provide_key(connector.state, connector.data)
            _connect(connector)
    except ConnectError:
        raise
    except gevent.Timeout as error:
        if error is not limit:
            raise
        raise ConnectError(f"Could not connect (no login within {LOGIN_TIMEOUT_S} s)") from error
    except Exception as error:
        raise ConnectError(f"Could not connect ({type(error).__name__}: {error})") from error


def dropped_before_login(error: BaseException) -> bool:
    """Whether an sshd hung up before it was told who comes: MaxStartups, most of all."""
    found = list(exception_chain(error))
    if any(isinstance(one, (AuthenticationException, BadHostKeyException)) for one in found):
        return False
    return any(isinstance(one, (EOFError, ConnectionResetError, BrokenPipeError)) for one in found)
