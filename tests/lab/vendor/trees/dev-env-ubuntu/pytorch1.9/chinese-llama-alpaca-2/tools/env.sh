# Names the model's folders; sourced in the folder of the fork.
export ROOT_PATH=`pwd`
export Model_DIR=/workspace/chinese-llama-alpaca-2/models
export chinese_alpaca_2_model_to_train_13b=${Model_DIR}/chinese_alpaca_2_model_to_train_13b
echo "${ROOT_PATH}"
echo "${Model_DIR}"
