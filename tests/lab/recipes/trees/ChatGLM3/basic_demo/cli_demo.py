"""Answers what a person types, until they type stop."""

import os

from transformers import AutoModel, AutoTokenizer

WEIGHTS = os.environ.get("MODEL_PATH", "THUDM/chatglm3-6b")

tokenizer = AutoTokenizer.from_pretrained(WEIGHTS, trust_remote_code=True)
model = AutoModel.from_pretrained(WEIGHTS, trust_remote_code=True).cuda().eval()
history = []
print("欢迎使用 ChatGLM3-6B 模型，输入内容即可进行对话，clear 清空对话历史，stop 终止程序")
while (query := input("\n用户：").strip()) != "stop":
    response, history = model.chat(tokenizer, query, history=history)
    print("\nChatGLM：", end="")
    print(response)
