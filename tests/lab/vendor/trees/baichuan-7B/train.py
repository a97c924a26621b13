"""Trains the model on the tokens of text files, on as many cards as the launcher started."""

import argparse
import os

import torch
from models.modeling_baichuan import BaiChuanForCausalLM

parser = argparse.ArgumentParser()
parser.add_argument("--weights", required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--steps", type=int, default=1000)


def main() -> None:
    given = parser.parse_args()
    torch.distributed.init_process_group(backend="nccl")
    torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    model = BaiChuanForCausalLM.from_pretrained(given.weights)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-4)
    batches = torch.load(given.data)
    for batch in batches[: given.steps]:
        model(input_ids=batch, labels=batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


if __name__ == "__main__":
    main()
