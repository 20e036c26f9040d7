from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sarseg.datasets.division import Division, divided, parent_scene


@pytest.mark.parametrize(
    ("tile", "scene"),
    [
        ("gf3_zhanjiang_03_17", "gf3_zhanjiang"),
        ("gf3_zhanjiang_r003_c017", "gf3_zhanjiang"),
        ("Hefei-12", "Hefei"),
        ("Hefei_1_2_", "Hefei"),  # a word for the layer stood at the end
        ("Hefei_Tile7", "Hefei"),
        ("GF3_E99.2_N23.9_20181012_L10003_4", "GF3_E99.2_N23.9_20181012_L10003"),
        ("s1_20181012_4", "s1_20181012"),  # a date is no tile number
        ("town_1_2_3", "town_1"),
        ("Hefei", "Hefei"),
        ("0001", ""),
        ("_3_4", ""),
    ],
)
def test_the_scene_of_a_tile(tile: str, scene: str) -> None:
    assert parent_scene(tile) == scene


def validation_names(names: list[str]) -> list[str]:
    return [names[index] for index in divided(names).validation]


def tiles(**scenes: int) -> list[str]:
    return [f"{scene}_{tile}" for scene, count in scenes.items() for tile in range(count)]


def test_whole_scenes_closest_to_a_tenth() -> None:
    names = tiles(a=50, b=12, c=4, d=5, e=29)
    assert {name[0] for name in validation_names(names)} == {"c", "d"}  # 9; 12 is further off
    assert (
        divided(names).description == "validation: all of the scenes c, d, 9 of 100 training tiles"
    )


def test_of_equal_scenes_the_last_is_taken() -> None:
    assert set(validation_names(tiles(a=3, b=3, c=3, d=3))) == {"d_0", "d_1", "d_2"}


def test_a_large_scene_is_not_cut_for_a_better_share() -> None:
    assert len(validation_names(tiles(a=9, b=6))) == 6


@pytest.mark.parametrize(
    "names",
    [
        [f"tile_{number}" for number in range(20)],  # one scene
        [f"{number}_{number}" for number in range(20)],
        [f"place{chr(97 + number)}" for number in range(20)],  # as many scenes as tiles
    ],
)
def test_else_the_last_tiles_by_name(names: list[str]) -> None:
    # Numbers count by their value: as text, 19 comes before 2.
    assert validation_names(names[::-1]) == names[:-3:-1]
    assert divided(names).description == (
        "validation: the last 2 of 20 training tiles in the order of their names"
    )


def test_a_single_tile_is_trained_on() -> None:
    assert divided(["a"]) == Division(
        (0,), (), "validation: none, as there is a single training tile"
    )


scene_names = st.sampled_from(["a", "b_x", "GF3-20180101", "c"])
tile_names = st.builds(lambda scene, tile: f"{scene}_{tile}", scene_names, st.integers(0, 300))


@given(st.lists(tile_names, min_size=2, max_size=60, unique=True), st.randoms())
def test_all_tiles_once_scenes_whole_and_the_order_of_files_is_nothing(names, random) -> None:  # type: ignore[no-untyped-def]
    division = divided(names)
    assert sorted([*division.train, *division.validation]) == list(range(len(names)))
    assert division.train
    assert division.validation
    scenes = Counter(parent_scene(name) for name in names)
    if 1 < len(scenes) < len(names):
        train, validation = (
            {parent_scene(names[index]) for index in part}
            for part in (division.train, division.validation)
        )
        assert not train & validation
        # No single scene comes closer.
        off = abs(len(division.validation) - len(names) / 10)
        assert all(off <= abs(count - len(names) / 10) + 1e-9 for count in scenes.values())
    shuffled = random.sample(names, len(names))
    assert sorted(validation_names(shuffled)) == sorted(validation_names(names))
