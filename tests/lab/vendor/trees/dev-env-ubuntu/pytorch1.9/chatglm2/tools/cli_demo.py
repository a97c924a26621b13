"""Answers what a person types, until they type stop."""

import os
import time

from transformers import AutoModel, AutoTokenizer

WEIGHTS = "/workspace/chatglm2/models/chatglm2-6b"
WELCOME = "欢迎使用 ChatGLM2-6B 模型，输入内容即可进行对话，clear 清空对话历史，stop 终止程序"

tokenizer = AutoTokenizer.from_pretrained(WEIGHTS, trust_remote_code=True)
model = AutoModel.from_pretrained(WEIGHTS, trust_remote_code=True).mlu().eval()


def answer(query: str, history: list, state):
    print("\nChatGLM：", end="")
    shown, begin = 0, time.time()
    for step in model.stream_chat(tokenizer, query, history, state):
        print(step[0][shown:], end="", flush=True)
        shown = len(step[0])
    print("")
    seconds = time.time() - begin
    print(f"ChatGLM2(model.stream_chat) 的推理速度为：{shown / seconds:.2f} tokens/s")
    return step[1:]


def main() -> None:
    history, state = [], None
    print(WELCOME)
    while (query := input("\n用户：").strip()) != "stop":
        if query == "clear":
            history, state = [], None
            os.system("clear")
            print(WELCOME)
        else:
            history, state = answer(query, history, state)


if __name__ == "__main__":
    main()
