"""Writes a network of torchvision as an int8 ONNX model with random weights, to see what the chip makes of it.

    pip install 'systolith[onnx]' torch torchvision
    python examples/torch/convert.py mobilenet_v2 96
    systolith run mobilenet_v2.onnx --device cycles
    systolith run mobilenet_v2.onnx --device model --check
"""

import argparse
import inspect
import tempfile
from pathlib import Path

import numpy as np
import torch
import torchvision
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process


class Samples(CalibrationDataReader):
    """Random images."""

    def __init__(self, shape, count=8):
        rng = np.random.default_rng(1)
        self._samples = iter([{"image": rng.normal(size=shape).astype(np.float32)} for _ in range(count)])

    def get_next(self):
        """The next one, or None."""
        return next(self._samples, None)


def network(name):
    """The network with random weights, and normalisation that does something."""
    torch.manual_seed(0)
    model = getattr(torchvision.models, name)(weights=None).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model


def convert(model, size, path):
    """Writes the model quantised to int8, weights by channels."""
    shape = 1, 3, size, size
    # The exporter that newer versions prefer wants a package more.
    older = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    with tempfile.TemporaryDirectory() as folder:
        floats, prepared = f"{folder}/floats.onnx", f"{folder}/prepared.onnx"
        torch.onnx.export(model, torch.zeros(shape), floats, opset_version=16, input_names=["image"],
                          output_names=["scores"], **older)
        quant_pre_process(floats, prepared, skip_symbolic_shape=True)
        quantize_static(prepared, path, Samples(shape), quant_format=QuantFormat.QDQ, per_channel=True,
                        activation_type=QuantType.QInt8, weight_type=QuantType.QInt8)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of torchvision.models, such as mobilenet_v2, resnet18, convnext_tiny, vit_b_32")
    parser.add_argument("size", type=int, help="height and width of the image")
    arguments = parser.parse_args()
    convert(network(arguments.name), arguments.size, Path(f"{arguments.name}.onnx"))
