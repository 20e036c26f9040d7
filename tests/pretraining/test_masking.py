import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sarseg.pretraining.masking import hidden_blocks


@given(patches=st.integers(3, 20), seed=st.integers(0, 999))
def test_half_of_the_blocks_is_hidden_whole(patches: int, seed: int) -> None:
    hidden = hidden_blocks(16 * patches, 16, np.random.default_rng(seed))
    assert hidden.shape == (16 * patches, 16 * patches)
    blocks = hidden[::32, ::32]
    np.testing.assert_array_equal(
        hidden, blocks.repeat(32, 0).repeat(32, 1)[: 16 * patches, : 16 * patches]
    )
    assert abs(2 * int(blocks.sum()) - blocks.size) <= 1
    assert 0 < hidden.mean() < 1


def test_another_draw_hides_others() -> None:
    generator = np.random.default_rng(0)
    first, second = (hidden_blocks(224, 16, generator) for _ in range(2))
    assert (first != second).any()
