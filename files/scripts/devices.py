"""Runs in the container: computes on every card that torch sees, and says how many there are."""

import sys

import torch
import torch_mlu  # noqa: F401

expected = int(sys.argv[1])
count = torch.mlu.device_count() if torch.mlu.is_available() else 0
for index in range(count):
    total = (torch.ones(64, 64).to(f"mlu:{index}") @ torch.ones(64, 64).to(f"mlu:{index}")).sum()
    if float(total) != 64.0**3:
        sys.exit(f"card {index} computes {float(total)} instead of {64.0**3}")
print(f"torch {torch.__version__} computes on {count} of {expected} cards")
sys.exit(count != expected)
