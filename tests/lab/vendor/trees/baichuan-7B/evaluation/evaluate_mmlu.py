"""Scores the model on multiple-choice questions in English: the likeliest letter is its answer."""

import argparse
import os

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

CHOICES = "ABCD"
parser = argparse.ArgumentParser()
parser.add_argument("--ntrain", "-k", type=int, default=5)
parser.add_argument("--ngpu", "-g", type=int, default=1)
parser.add_argument("--data_dir", "-d", default="data")
parser.add_argument("--save_dir", "-s", default="results")
parser.add_argument("--model", "-m", required=True)


def answer(model, tokenizer, question: str) -> str:
    inputs = tokenizer(question, return_tensors="pt").to("cuda")
    with torch.no_grad():
        scores = model(**inputs).logits[0, -1]
    return max(CHOICES, key=lambda letter: scores[tokenizer.convert_tokens_to_ids(letter)])


def main() -> None:
    given = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(given.model, trust_remote_code=True)
    model = AutoModelForCausalLM.from_pretrained(given.model, trust_remote_code=True).to(0)
    for name in sorted(os.listdir(given.data_dir)):
        with open(os.path.join(given.data_dir, name), encoding="utf-8") as lines:
            rows = [line.rstrip("\n").split(",") for line in lines]
        print([answer(model, tokenizer, question) == expected for question, expected in rows])


if __name__ == "__main__":
    main()
