"""Random operators on single elements and on pairs of them: see `random_operators`."""


import numpy as np
from model_builder import Spec
from random_source import RandomSource

__all__ = ["RandomElementwise"]


class RandomElementwise(RandomSource):
    """Random operators on single elements and on pairs of them."""

    def _two(self, same=False):
        whole = self.size(1, 4, 4)
        part = tuple(size if keep else 1 for size, keep in zip(whole, self.rng.integers(0, 2, 4)))[self.size(0, 4):]
        a = self.spec(*whole)
        b = self.spec(*part, like=a if same else None)
        output = Spec(whole, a.scale, a.zero_point) if same else Spec(whole, self.scale(-4, 1), self.zero())
        return ([a, b] if self.size(0, 1) else [b, a]), output

    def _arithmetic(self, options):
        return *self._two(), (options, {"fusedActivationFunction": self.size(0, 3)})

    def ADD(self):
        return self._arithmetic("AddOptions")

    def SUB(self):
        return self._arithmetic("SubOptions")

    def MUL(self):
        return self._arithmetic("MulOptions")

    def MAXIMUM(self):
        return *self._two(same=True), ("MaximumMinimumOptions", {})

    MINIMUM = MAXIMUM

    def GREATER(self):
        inputs, output = self._two()
        return inputs, Spec(output.shape, None, dtype=np.bool_), None

    EQUAL = GREATER_EQUAL = LESS = LESS_EQUAL = NOT_EQUAL = GREATER

    def RELU(self):
        return [self.spec(256)], self.spec(256), None

    RELU6 = RELU

    def LEAKY_RELU(self):
        return [self.spec(256)], self.spec(256), ("LeakyReluOptions", {"alpha": float(self.rng.integers(-5, 20) / 10)})

    def HARD_SWISH(self):
        x = self.spec(256)
        return [x], Spec((256,), float(np.float32(x.scale * 2 ** self.rng.uniform(-6.5, 1))), self.zero()), None

    def LOGISTIC(self):
        return [self.spec(256)], Spec((256,), 1 / 256, -128), None

    def TANH(self):
        return [self.spec(256)], Spec((256,), 1 / 128, 0), None

    def SOFTMAX(self):
        shape = self.size(1, 3), self.size(1, 60)
        x = Spec(shape, self.scale(-9, 1), self.zero())
        return [x], Spec(shape, 1 / 256, -128), ("SoftmaxOptions", {"beta": float(self.rng.choice([0.3, 1, 2]))})

    def QUANTIZE(self):
        x = self.spec(256) if self.size(0, 1) else Spec((256,), None, dtype=np.float32)
        return [x], self.spec(256), ("QuantizeOptions", {})

    def DEQUANTIZE(self):
        return [self.spec(256)], Spec((256,), None, dtype=np.float32), ("DequantizeOptions", {})

    def ABS(self):
        return [self.spec(256)], self.spec(256), ("AbsOptions", {})

    def ELU(self):
        return [self.spec(256)], self.spec(256), None

    def RSQRT(self):
        return [Spec((256,), self.scale(-12, 3), -128)], self.spec(256), None

    def L2_NORMALIZATION(self):
        shape = (*self.size(1, 4, self.size(0, 3)), self.size(1, 60))
        return [self.spec(*shape)], Spec(shape, 1 / 128, 0), ("L2NormOptions", {})

    def PRELU(self):
        return *self._two(), None

    def SQUARED_DIFFERENCE(self):
        return *self._two(), None
