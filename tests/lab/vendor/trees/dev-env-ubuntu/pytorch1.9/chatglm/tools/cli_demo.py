"""Answers what a person types, until they type stop."""

import os

from transformers import AutoModel, AutoTokenizer

WEIGHTS = "../chatglm-6b"
WELCOME = "欢迎使用 ChatGLM-6B 模型，输入内容即可进行对话，clear 清空对话历史，stop 终止程序"

tokenizer = AutoTokenizer.from_pretrained(WEIGHTS, trust_remote_code=True)
model = AutoModel.from_pretrained(WEIGHTS, trust_remote_code=True).half().mlu().eval()
history = []
print(WELCOME)
while (query := input("\n用户：").strip()) != "stop":
    response, history = model.chat(tokenizer, query, history=[] if query == "clear" else history)
    os.system("clear")
    print(
        "\n\n".join([WELCOME, *(f"用户：{asked}\n\nChatGLM-6B：{said}" for asked, said in history)])
    )
