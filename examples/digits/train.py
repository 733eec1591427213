"""Trains the digits network of this folder and writes `digits.tflite` and `digits.npz`.

Needs the extra `train` (TensorFlow, scikit-learn); nothing else in the project does.
"""

import random
from pathlib import Path

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent
SEED = 1


def network():
    """A convolution, a depthwise separable one, and a classifier: one of each operator that the chip is built for."""
    layers = tf.keras.layers
    return tf.keras.Sequential([
        layers.Input((8, 8, 1), batch_size=1),
        layers.Conv2D(24, 3, padding="same", activation="relu"),
        layers.DepthwiseConv2D(3, padding="same", activation="relu"),
        layers.Conv2D(48, 1, activation="relu"),
        layers.AveragePooling2D(2),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ])


def train(model, images, labels):
    """Fits the network to the images."""
    batch, epochs = 64, 60
    rate = tf.keras.optimizers.schedules.CosineDecay(3e-3, epochs * (len(images) // batch))
    # The network's batch is fixed at one inference, as the chip runs it; training needs its own, larger one.
    trainable = tf.keras.Sequential([tf.keras.layers.Input((8, 8, 1)), *model.layers])
    trainable.compile(tf.keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    trainable.fit(images, labels, batch_size=batch, epochs=epochs, verbose=2)


def quantise(model, images):
    """The int8 model as bytes, its ranges calibrated on the images."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def main():
    random.seed(SEED)
    np.random.seed(SEED)
    tf.random.set_seed(SEED)
    digits = load_digits()
    images = (digits.images[..., None] / 16).astype(np.float32)
    known, held_out, known_labels, labels = train_test_split(
        images, digits.target, test_size=360, stratify=digits.target, random_state=SEED)
    model = network()
    train(model, known, known_labels)
    content = quantise(model, known)
    (HERE / "digits.tflite").write_bytes(content)

    interpreter = tf.lite.Interpreter(model_content=content)
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero_point = source["quantization"]
    x = np.clip(np.round(held_out / scale) + zero_point, -128, 127).astype(np.int8)[:, None]
    np.savez_compressed(HERE / "digits.npz", x=x, labels=labels.astype(np.int8))

    right = 0
    for image, label in zip(x, labels):
        interpreter.set_tensor(source["index"], image)
        interpreter.invoke()
        right += int(interpreter.get_tensor(sink["index"]).argmax()) == label
    print(f"{len(content)} bytes, {right} of {len(x)} held-out digits right ({100 * right / len(x):.1f} %)")


if __name__ == "__main__":
    main()
