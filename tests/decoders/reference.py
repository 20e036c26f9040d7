"""SAM's mask head and prompt encoding in float64 numpy, written from the formulas.

Weights come as a state dict of arrays, under SAM's names.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, logsumexp
from torch import nn

Array = NDArray[np.float64]
Weights = Mapping[str, Array]


def weights_of(module: nn.Module) -> dict[str, Array]:
    return {name: tensor.double().numpy() for name, tensor in module.state_dict().items()}


def gelu(x: Array) -> Array:
    return x * (1 + erf(x / np.sqrt(2))) / 2


def linear(x: Array, weights: Weights, name: str) -> Array:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def doubled(x: Array, weights: Weights, name: str) -> Array:
    """Transposed convolution, kernel 2, stride 2: ``(C, h, w) -> (D, 2h, 2w)``."""
    kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    _, height, width = x.shape
    out = np.zeros((kernel.shape[1], 2 * height, 2 * width)) + bias[:, None, None]
    for down in range(2):
        for right in range(2):
            out[:, down::2, right::2] += np.tensordot(kernel[:, :, down, right].T, x, axes=1)
    return out


def channel_norm(x: Array, weights: Weights, name: str) -> Array:
    """LayerNorm over the channels of each pixel, eps 1e-6."""
    normed = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-6)
    scale, shift = weights[f"{name}.weight"], weights[f"{name}.bias"]
    return scale[:, None, None] * normed + shift[:, None, None]


def upscaled(image: Array, weights: Weights) -> Array:
    """The two transposed convolutions: ``(C, h, w) -> (C / 8, 4h, 4w)``."""
    x = doubled(image, weights, "output_upscaling.0")
    x = gelu(channel_norm(x, weights, "output_upscaling.1"))
    return gelu(doubled(x, weights, "output_upscaling.3"))


def hypernetwork(token: Array, weights: Weights, index: int) -> Array:
    """Three layers with ReLU between: ``(C,) -> (C / 8,)``."""
    name = f"output_hypernetworks_mlps.{index}.layers"
    for layer in range(2):
        token = np.maximum(linear(token, weights, f"{name}.{layer}"), 0)
    return linear(token, weights, f"{name}.2")


def mask(token: Array, image: Array, weights: Weights, index: int) -> Array:
    """Mask logits ``(4h, 4w)`` of one mask token ``(C,)`` and the image ``(C, h, w)``."""
    return np.tensordot(hypernetwork(token, weights, index), upscaled(image, weights), axes=1)


def semantic_logits(class_logits: Array, masks: Array) -> Array:
    """``log sum_q P_q(k) sigmoid(m_q)``, all of it in logarithms: ``(K, H, W)``."""
    log_classes = class_logits - logsumexp(class_logits, axis=1, keepdims=True)
    log_masks = -np.logaddexp(0, -masks)
    return np.stack(
        [
            logsumexp(log_classes[:, k, None, None] + log_masks, axis=0)
            for k in range(class_logits.shape[1] - 1)
        ]
    )


def box_tokens(box: Array, size: tuple[int, int], weights: Weights) -> Array:
    """The two corner tokens ``(2, C)`` of x0, y0, x1, y1 on an image of (rows, columns)."""
    frequencies = weights["pe_layer.positional_encoding_gaussian_matrix"]
    tokens = []
    for corner, (x, y) in enumerate((box[:2], box[2:])):
        place = np.array([(x + 0.5) / size[1], (y + 0.5) / size[0]])
        angles = 2 * np.pi * (2 * place - 1) @ frequencies
        kind = weights[f"point_embeddings.{2 + corner}.weight"][0]
        tokens.append(np.concatenate([np.sin(angles), np.cos(angles)]) + kind)
    return np.stack(tokens)
