"""Answers what a person types, until they type stop."""

from transformers import AutoModel, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("THUDM/chatglm2-6b", trust_remote_code=True)
model = AutoModel.from_pretrained("THUDM/chatglm2-6b", trust_remote_code=True).cuda().eval()
# on more cards: load_model_on_gpus("THUDM/chatglm2-6b", num_gpus=2)

print("欢迎使用 ChatGLM2-6B 模型，输入内容即可进行对话，clear 清空对话历史，stop 终止程序")
history = []
while (query := input("\n用户：").strip()) != "stop":
    print("\nChatGLM：", end="")
    response, history = model.chat(tokenizer, query, history=history)
    print(response)
