"""Names that transformers imports."""

from accelerate import _none, _nothing

load_offloaded_weights = offload_weight = save_offload_index = _nothing
set_module_tensor_to_device = get_balanced_memory = _nothing
find_tied_parameters = _none
check_tied_parameters_on_same_device = _nothing
