"""Scores the model on multiple-choice questions in Chinese: the likeliest letter is its answer."""

import argparse

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

CHOICES = "ABCD"
parser = argparse.ArgumentParser()
parser.add_argument("--gpu_idx", default="0")
parser.add_argument("--model_id", required=True)
parser.add_argument("--task", required=True)
parser.add_argument("--shot", type=int, default=5)
parser.add_argument("--split", default="val")
parser.add_argument("--show_detail", action="store_true")


def answer(model, tokenizer, question: str) -> str:
    inputs = tokenizer(question, return_tensors="pt").to("cuda")
    with torch.no_grad():
        scores = model(**inputs).logits[0, -1]
    return max(CHOICES, key=lambda letter: scores[tokenizer.convert_tokens_to_ids(letter)])


def main() -> None:
    given = parser.parse_args()
    print("Loading", given.model_id)
    tokenizer = AutoTokenizer.from_pretrained(given.model_id, trust_remote_code=True)
    model = AutoModelForCausalLM.from_pretrained(given.model_id, trust_remote_code=True).to(0)
    with open(f"{given.task}_{given.split}.csv", encoding="utf-8") as lines:
        rows = [line.rstrip("\n").split(",") for line in lines]
    for question, expected in rows:
        print(answer(model, tokenizer, question) == expected)


if __name__ == "__main__":
    main()
