"""pyinfra code of `mlufleet host break-lock`: remove the lock of every host."""

from pyinfra import host

from mlufleet.run import operator
from operations import stages
from operations.host import lock
from operations.stage import refused

refusal = stages.prepare_host(host)
if refusal:
    refused("unlock", refusal, name="Refused")
else:
    lock.force_released(operator.operator_name(), name="Unlock")
