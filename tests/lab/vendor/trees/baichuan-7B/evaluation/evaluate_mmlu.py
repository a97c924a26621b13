"""Scores the model on multiple-choice questions in English: the likeliest letter is its answer."""

import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

CHOICES = "ABCD"


def answer(model, tokenizer, question: str) -> str:
    inputs = tokenizer(question, return_tensors="pt").to("cuda")
    with torch.no_grad():
        scores = model(**inputs).logits[0, -1]
    return max(CHOICES, key=lambda letter: scores[tokenizer.convert_tokens_to_ids(letter)])


def main(weights: str, questions: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(weights, trust_remote_code=True)
    model = AutoModelForCausalLM.from_pretrained(weights, trust_remote_code=True).to(0)
    with open(questions, encoding="utf-8") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines]
    right = sum(answer(model, tokenizer, question) == expected for question, expected in rows)
    print(f"{right} of {len(rows)} right")


if __name__ == "__main__":
    main(*sys.argv[1:])
