"""What every loss of class logits offers.

A loss is the sum of T terms, each a total over a batch divided by a weight. Both add up over the
parts of a batch, so that a step's loss does not depend on how its images are shared out among
processes and accumulated batches. Weights depend on labels alone: they can be summed up first.
"""

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from sarseg.classes import NODATA
from sarseg.decoders.boxes import FOREGROUND
from sarseg.errors import UsageError
from sarseg.registry import Configured


class Loss(Configured):
    """Settings of a loss.

    ``logits`` are ``(B, K, S, S)`` float32, ``labels`` ``(B, S, S)`` int64, class indices or 255
    for pixels that do not count, ``class_weights`` ``(K,)``, 0 or more. Callers see to full
    precision (``sarseg.sam.precision``).
    """

    two_classes: ClassVar[bool] = False
    """True where it compares one class with the rest, so that K must be 2."""
    weighs_classes: ClassVar[bool] = True
    """False where ``class_weights`` have no meaning."""

    def check(self, num_classes: int, *, weighted: bool) -> None:
        """Raise UsageError where it cannot judge ``num_classes`` or cannot be ``weighted``."""
        if self.two_classes and num_classes != 2:
            raise UsageError(
                f"The loss {self.name} tells one class from the rest, so it needs two classes, "
                f"not {num_classes}: choose another --loss, or one of the classes by --foreground."
            )
        if weighted and not self.weighs_classes:
            raise UsageError(
                f"The loss {self.name} weighs no classes: leave out --class-weights, or choose "
                "another --loss."
            )

    @abstractmethod
    def weights(self, labels: Tensor, class_weights: Tensor) -> Tensor:
        """What each total is divided by, ``(T,)``; 0 where the batch has nothing that counts."""

    @abstractmethod
    def totals(self, logits: Tensor, labels: Tensor, class_weights: Tensor) -> Tensor:
        """Sum of each term over the batch, ``(T,)``; 0, with a gradient, where the weight is 0."""


class PixelLoss(Loss):
    """A mean over the labelled pixels, each as heavy as its class."""

    def weights(self, labels: Tensor, class_weights: Tensor) -> Tensor:
        """Sum of the class weights of the labelled pixels, ``(1,)``."""
        # a table with an entry for 255 needs no look at the values, which a GPU would wait for
        of_label = class_weights.new_zeros(NODATA + 1)
        of_label[: len(class_weights)] = class_weights
        return of_label[labels].sum().reshape(1)


class ImageLoss(Loss):
    """A mean over the images in which something counts: a pixel of a class that has a weight."""

    def weights(self, labels: Tensor, class_weights: Tensor) -> Tensor:
        """How many images count, ``(1,)``."""
        return self._counted(labels, class_weights).sum().reshape(1)

    def totals(self, logits: Tensor, labels: Tensor, class_weights: Tensor) -> Tensor:
        """Sum of ``of_images`` over the images that count, ``(1,)``."""
        losses = self.of_images(logits, labels, class_weights)
        return (self._counted(labels, class_weights) * losses).sum().reshape(1)

    @abstractmethod
    def of_images(self, logits: Tensor, labels: Tensor, class_weights: Tensor) -> Tensor:
        """Loss of each image, ``(B,)``; anything finite where the image does not count."""

    def _counted(self, labels: Tensor, class_weights: Tensor) -> Tensor:
        weighty = present(labels, len(class_weights)) & (class_weights > 0)
        return weighty.any(dim=1).type_as(class_weights)


class MaskLoss(ImageLoss):
    """A loss of the foreground's mask, whose logit is that of class 1 less that of class 0."""

    two_classes: ClassVar[bool] = True
    weighs_classes: ClassVar[bool] = False

    def of_images(self, logits: Tensor, labels: Tensor, class_weights: Tensor) -> Tensor:
        """Loss of each image's mask, ``(B,)``."""
        masks = logits[:, FOREGROUND] - logits[:, 1 - FOREGROUND]
        labelled = (labels != NODATA).type_as(masks)
        return self.of_masks(masks, (labels == FOREGROUND).type_as(masks), labelled)

    @abstractmethod
    def of_masks(self, masks: Tensor, truth: Tensor, labelled: Tensor) -> Tensor:
        """Loss of each image, ``(B,)``; finite where no pixel is labelled.

        ``masks`` are logits, ``truth`` is 1 on the foreground, ``labelled`` 1 where pixels count:
        all ``(B, S, S)``.
        """


def present(labels: Tensor, num_classes: int) -> Tensor:
    """Which classes each image of ``labels`` ``(B, S, S)`` holds: ``(B, K)`` bool."""
    found = [(labels == index).flatten(1).any(dim=1) for index in range(num_classes)]
    return torch.stack(found, dim=1)
