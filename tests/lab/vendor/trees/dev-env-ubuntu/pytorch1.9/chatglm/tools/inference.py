"""Talks to the model, and prints how fast it answers."""

import time

from transformers import AutoModel, AutoTokenizer

WEIGHTS = "../chatglm-6b"
QUESTIONS = ("ChatGLM-6B 是啥?", "ChatGPT 是啥?", "ChatGLM-6B 与 ChatGPT 有什么区别?")

tokenizer = AutoTokenizer.from_pretrained(WEIGHTS, trust_remote_code=True)
model = AutoModel.from_pretrained(WEIGHTS, trust_remote_code=True).half().mlu().eval()
response, history = model.chat(tokenizer, "Hi...", history=[])
print(response)
for question in QUESTIONS:
    begin = time.time()
    response, history = model.chat(tokenizer, question, history=history)
    seconds = time.time() - begin
    print("question: ", question)
    print("response: ", response)
    print("len(response): ", len(response))
    print("time_end-time_start: ", seconds)
    print("token: ", len(response) / seconds)
