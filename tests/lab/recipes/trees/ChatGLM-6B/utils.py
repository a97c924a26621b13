"""Puts a model on cards."""

import torch


def load_model_on_gpus(model, count: int):
    if count < 2:
        return model.half().cuda()
    torch.cuda.set_device(0)
    return model
