"""The module torch.mlu.amp: mixed precision, by the CPU's own."""

from torch.cpu.amp import autocast
from torch.cuda.amp import GradScaler

__all__ = ["GradScaler", "autocast"]
