"""Evaluates pictures on a card."""

import torch
from yolact import Yolact

if __name__ == "__main__":
    net = Yolact().cuda()
    torch.set_default_tensor_type("torch.cuda.FloatTensor")
    raise SystemExit("the tutorial's edited file is missing")
