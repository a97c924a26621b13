"""Servers of these tests have threads of their own, which gevent has to know from their start."""

import pyinfra_cli.cli  # noqa: F401  # patches threads and locks; later it would wait for them forever
