"""Of every host, whatever the inventory."""

_sudo = True
ssh_strict_host_key_checking = "yes"
