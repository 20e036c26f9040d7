"""The classwise decoder: shapes, independence of images in a batch, order of channels."""

import torch

from sarseg.decoders.classwise import ClasswiseDecoder
from tests.sam.test_encoder import SMALL, randomise


@torch.inference_mode()
def test_images_of_a_batch_do_not_see_each_other() -> None:
    decoder = ClasswiseDecoder(SMALL, num_classes=3).eval()
    randomise(decoder, 6)
    embeddings, positions = torch.randn(3, 32, 5, 4), torch.randn(1, 32, 5, 4)
    prompt = torch.randn(1, 32, 1, 1)
    together = decoder(embeddings, positions, prompt)
    assert together.shape == (3, 3, 20, 16)
    alone = torch.cat([decoder(one, positions, prompt) for one in embeddings.split(1)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_channels_of_the_last_convolution_are_features_first_classes_second() -> None:
    decoder = ClasswiseDecoder(SMALL, num_classes=3).eval()
    randomise(decoder, 7)
    last = decoder.cls_upscaling[3]
    features = SMALL.out_chans // 8
    # class 1 is channel 1 of every feature's group of three; silence it, and only it is zero
    last.weight.data.unflatten(0, (features, 3))[:, 1] = 0
    last.bias.data.unflatten(0, (features, 3))[:, 1] = 0
    logits = decoder(torch.randn(1, 32, 4, 4), torch.randn(1, 32, 4, 4), torch.randn(1, 32, 1, 1))
    assert [bool(logits[0, k].any()) for k in range(3)] == [True, False, True]
