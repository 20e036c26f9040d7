"""Which chips a step takes, however many processes share it and wherever it begins."""

from hypothesis import given
from hypothesis import strategies as st

from sarseg.training.sampling import Draw, StepSampler, share, steps_per_epoch

CHIPS = st.integers(1, 40)
STEP = st.integers(1, 12)
WORLD = st.integers(1, 5)
SEED = st.integers(0, 2**32 - 1)


def steps(
    chips: int, step_size: int, seed: int, epoch: int, world: int, first_step: int = 0
) -> list[list[list[Draw]]]:
    """What each process takes, by step."""
    by_rank = [
        list(
            StepSampler(
                chips,
                step_size,
                seed=seed,
                epoch=epoch,
                first_step=first_step,
                rank=rank,
                world=world,
            )
        )
        for rank in range(world)
    ]
    return [list(step) for step in zip(*by_rank, strict=True)]


def counted(parts: list[list[Draw]]) -> list[Draw]:
    return [draw for part in parts for draw in part if not draw.blank]


@given(CHIPS, STEP, SEED, st.integers(0, 300), WORLD)
def test_every_chip_is_drawn_once_an_epoch(
    chips: int, step_size: int, seed: int, epoch: int, world: int
) -> None:
    drawn = [
        draw for parts in steps(chips, step_size, seed, epoch, world) for draw in counted(parts)
    ]
    assert sorted(draw.number for draw in drawn) == list(range(chips))
    assert {draw.epoch for draw in drawn} == {epoch}


@given(CHIPS, STEP, SEED, WORLD)
def test_processes_take_together_what_one_takes(
    chips: int, step_size: int, seed: int, world: int
) -> None:
    alone = steps(chips, step_size, seed, 3, 1)
    shared = steps(chips, step_size, seed, 3, world)
    assert len(alone) == steps_per_epoch(chips, step_size)
    assert [counted(parts) for parts in shared] == [counted(parts) for parts in alone]


@given(CHIPS, STEP, SEED, WORLD, st.data())
def test_a_later_beginning_gives_the_rest_of_the_epoch(
    chips: int, step_size: int, seed: int, world: int, data: st.DataObject
) -> None:
    whole = steps(chips, step_size, seed, 1, world)
    first = data.draw(st.integers(0, len(whole)))
    assert steps(chips, step_size, seed, 1, world, first) == whole[first:]
    sampler = StepSampler(chips, step_size, seed=seed, epoch=1, first_step=first)
    assert len(sampler) == len(whole) - first


@given(st.lists(st.integers(0, 99), min_size=1, max_size=20, unique=True), WORLD)
def test_shares_are_never_empty_nor_blank_without_need(numbers: list[int], world: int) -> None:
    shares = [share(numbers, 0, rank, world) for rank in range(world)]
    assert all(shares)
    assert counted(shares) == [Draw(number, 0) for number in numbers]
    blanks = [draw for part in shares for draw in part if draw.blank]
    assert len(blanks) == max(world - len(numbers), 0)
    sizes = [len(part) for part in shares]
    assert max(sizes) - min(sizes) <= 1


def test_orders_differ_by_epoch_and_by_seed() -> None:
    orders = {
        tuple(StepSampler(50, 5, seed=seed, epoch=epoch).order)
        for seed in range(5)
        for epoch in range(5)
    }
    assert len(orders) == 25


@given(SEED, st.tuples(st.integers(0, 500), st.integers(0, 10_000)))
def test_random_numbers_follow_from_seed_epoch_and_chip_alone(
    seed: int, place: tuple[int, int]
) -> None:
    epoch, number = place

    def numbers(seed: int, draw: Draw) -> bytes:
        return draw.generator(seed).random(4).tobytes()

    own = numbers(seed, Draw(number, epoch))
    assert own == numbers(seed, share([number], epoch, 1, 2)[0])  # blank, and another process
    others = [Draw(number + 1, epoch), Draw(number, epoch + 1), Draw(epoch, number + epoch + 1)]
    assert own not in {numbers(seed, draw) for draw in others}
    assert own != numbers(seed + 1, Draw(number, epoch))
