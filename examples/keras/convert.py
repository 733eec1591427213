"""Writes a network of keras.applications as an int8 .tflite file with random weights, to see what the chip makes of it.

    pip install 'systolith[train]'
    python examples/keras/convert.py MobileNetV3Small 224
    systolith run MobileNetV3Small.tflite --device cycles
    systolith run MobileNetV3Small.tflite --device model --check
"""

import argparse
import inspect
from pathlib import Path

import numpy as np
import tensorflow as tf


def network(name, size):
    """The network with random weights, normalisation that does something, and one image as its batch."""
    make = getattr(tf.keras.applications, name)
    # No floats before the network, and no SOFTMAX behind it: of random weights it makes a thousand equals.
    wanted = {"include_preprocessing": False, "classifier_activation": None}
    plain = {key: value for key, value in wanted.items() if key in inspect.signature(make).parameters}
    model = make(weights=None, input_tensor=tf.keras.Input((size, size, 3), batch_size=1), **plain)
    rng = np.random.default_rng(0)
    ranges = {"gamma": (0.5, 1.5), "beta": (-0.5, 0.5), "moving_mean": (-0.5, 0.5), "moving_variance": (0.5, 2)}
    for weights in model.weights:
        for kind, (low, high) in ranges.items():
            if weights.path.endswith(kind):
                weights.assign(rng.uniform(low, high, weights.shape))
    return model


def convert(model, examples=8):
    """The bytes of the .tflite file, fully int8."""
    rng = np.random.default_rng(1)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [rng.uniform(-1, 1, model.input_shape).astype(np.float32)] for _ in range(examples))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of keras.applications, such as MobileNetV2, DenseNet121, NASNetMobile")
    parser.add_argument("size", type=int, help="height and width of the image")
    arguments = parser.parse_args()
    Path(f"{arguments.name}.tflite").write_bytes(convert(network(arguments.name, arguments.size)))
