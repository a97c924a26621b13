"""Runs in the container: computes on every card with the image's own framework.

Usage: devices.py EXPECTED. Prints on how many of the expected cards a computation was right. The
exit status is 0 if it was on all of them.
"""

import sys
from importlib.util import find_spec

#: rows and columns of a matrix of ones; the product of two has SIZE ** 3 as its sum
SIZE = 64


def compute_with_torch(expected):
    """Compute with Cambricon PyTorch."""
    import torch
    import torch_mlu  # noqa: F401

    count = torch.mlu.device_count() if torch.mlu.is_available() else 0
    for index in range(count):
        ones = torch.ones(SIZE, SIZE).to(f"mlu:{index}")
        check_sum(index, float((ones @ ones).sum()))
    return f"torch {torch.__version__}", count


def compute_with_paddle(expected):
    """Compute with PaddlePaddle, whose plugin makes cards custom devices.

    A single one is called mlu, several are mlu:0, mlu:1 and so on.
    """
    import paddle

    devices = paddle.device.get_available_custom_device() or []
    count = sum(device.split(":")[0] == "mlu" for device in devices)
    for index in range(count):
        paddle.device.set_device(f"mlu:{index}")
        ones = paddle.ones([SIZE, SIZE])
        check_sum(index, float((ones @ ones).sum()))
    return f"paddle {paddle.__version__}", count


def compute_with_magicmind(expected):
    """Compute with MagicMind: a network of one activation, which leaves only positive numbers."""
    import magicmind.python.runtime as mm
    import numpy

    network = mm.Network()
    tensor = network.add_input(mm.DataType.FLOAT32, mm.Dims((SIZE * SIZE, 2)))
    activation = network.add_i_activation_node(tensor, mm.IActivation.RELU)
    check_status(network.mark_output(activation.get_output(0)))
    model = mm.Builder().build_model("devices", network, mm.BuilderConfig())
    values = numpy.tile(numpy.array([-1, SIZE], dtype=numpy.float32), (SIZE * SIZE, 1))
    for index in range(expected):
        device = mm.Device()
        device.id = index
        if not device.active().ok():
            return "magicmind", index
        queue, config = device.create_queue(), mm.Model.EngineConfig()
        config.device_type = "MLU"
        context = model.create_i_engine(config).create_i_context()
        inputs, outputs = context.create_inputs(), []
        inputs[0].from_numpy(values)
        inputs[0].to(device)
        check_status(context.enqueue(inputs, outputs, queue))
        check_status(queue.sync())
        check_sum(index, float(outputs[0].asnumpy().sum()))
    return "magicmind", expected


def check_status(status):
    """End if a call of MagicMind failed."""
    if not status.ok():
        sys.exit(f"magicmind: {status}")


def check_sum(index, total):
    """End if a card computed something else."""
    if total != float(SIZE**3):
        sys.exit(f"card {index} computes {total} instead of {float(SIZE**3)}")


#: module that an image with the framework has -> how to compute with it
FRAMEWORKS = {
    "torch_mlu": compute_with_torch,
    "paddle_custom_device": compute_with_paddle,
    "magicmind": compute_with_magicmind,
}


def main():
    """Compute on all cards."""
    expected = int(sys.argv[1])
    compute = next((FRAMEWORKS[name] for name in FRAMEWORKS if find_spec(name)), None)
    if compute is None:
        sys.exit(
            f"{sys.executable} has none of {', '.join(FRAMEWORKS)}: nothing can compute on a card"
        )
    framework, count = compute(expected)
    print(f"{framework} computes on {count} of {expected} cards")
    sys.exit(count != expected)


main()
