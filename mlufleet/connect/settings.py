"""How pyinfra connects: each host fails alone, and nothing waits for an answer on the terminal.

pyinfra prompts if a host fails, a key has a passphrase, sudo needs a password or a jump host's key
is new. One such prompt would hold up every host, and without a terminal it is an exception that
ends the whole run. Here each of them is a failure of the one host.
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
from fleet.language import _
from mlufleet.connect import open_files, private_keys
from mlufleet.connect.errors import exception_chain
from mlufleet.connect.jump_hosts import HostClient, JumpHostClient, open_proxy_command

#: Time limit of one attempt to log in, including all jump hosts.
LOGIN_TIMEOUT_S = 90
#: Pause before each further attempt if an sshd has too many logins at once (MaxStartups).
RETRY_DELAYS_S = (0.5, 1, 2, 4, 8)
#: Key of a host's data for pyinfra's policy for unknown host keys.
STRICT_HOST_KEYS: Final = "ssh_strict_host_key_checking"

_connect = ssh.SSHConnector.connect
_connect_all = api_connect.connect_all


def configure_unattended() -> None:
    """Make pyinfra connect as this module describes. Call it before the inventory is read."""
    from pyinfra_cli import cli  # its import makes all of a process cooperative

    cli.connect_all = connect_all
    cli._do_confirm = explain_missing_terminal(cli._do_confirm)
    util.getpass = ssh_util.getpass = refuse_prompt  # type: ignore[assignment]
    ssh.SSHConnector.connect = connect  # type: ignore[method-assign]
    ssh.SSHClient = HostClient  # type: ignore[misc]
    client.SSHClient = sshuserclient.SSHClient = JumpHostClient  # type: ignore[misc]
    client.ProxyCommand = open_proxy_command  # type: ignore[misc, assignment]


def refuse_prompt(*_arguments: Any) -> str:
    """Take the place of a password prompt.

    Args:
        _: What a prompt takes; ignored.

    Raises:
        PromptRefused: Always.
    """
    raise PromptRefused(_("a password is needed, and runs do not prompt for one"))


def explain_missing_terminal(ask: Callable[[str], bool]) -> Callable[[str], bool]:
    """Wrap the confirmation prompt of pyinfra, which it shows unless it has `-y`.

    Args:
        ask: pyinfra's prompt.

    Returns:
        The same prompt, which raises InputError if there is no terminal to answer on.
    """

    @wraps(ask)
    def ask_or_explain(question: str) -> bool:
        try:
            return ask(question)
        except EOFError:
            raise InputError(
                _("no terminal to confirm on; use -y to proceed, or --dry to change nothing")
            ) from None

    return ask_or_explain


def connect_all(state: State) -> None:
    """Connect to every selected host; hosts that cannot be connected to are left out.

    Args:
        state: pyinfra's state.
    """
    hosts = [host for host in state.inventory if state.is_host_in_limit(host)]
    open_files.raise_limit(hosts)
    if state.should_raise_failed_hosts:  # pyinfra would prompt at the first host that fails
        state.should_raise_failed_hosts = state.config.FAIL_PERCENT = None
    _connect_all(state)


def connect(self: ssh.SSHConnector) -> None:
    """Log in to one host, and try again while its sshd is overloaded.

    Args:
        self: pyinfra's connector of the host.

    Raises:
        ConnectError: The login failed, whatever the reason; its cause is the original exception.
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
            # pyinfra's own default accepts any new key
            if connector.host.data.get(STRICT_HOST_KEYS) is None:
                connector.data[STRICT_HOST_KEYS] = "yes"
            private_keys.provide_key(connector.state, connector.data)
            _connect(connector)
    except ConnectError:
        raise
    except gevent.Timeout as error:
        if error is not limit:
            raise
        raise ConnectError(
            _(
                "Could not connect (no login within {seconds} s)",
                seconds=LOGIN_TIMEOUT_S,
            )
        ) from error
    except Exception as error:
        raise ConnectError(
            _("Could not connect ({type}: {error})", type=type(error).__name__, error=error)
        ) from error


def dropped_before_login(error: BaseException) -> bool:
    """Return whether the connection ended before authentication, usually because of MaxStartups.

    Args:
        error: What the login failed with.
    """
    causes = list(exception_chain(error))
    if any(isinstance(cause, (AuthenticationException, BadHostKeyException)) for cause in causes):
        return False
    return any(
        isinstance(cause, (EOFError, ConnectionResetError, BrokenPipeError)) for cause in causes
    )
