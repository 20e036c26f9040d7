"""Options from presets, YAML files and the command line."""

import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from sarseg.adapters import method
from sarseg.decoders import decoder
from sarseg.errors import UsageError
from sarseg.training.config import PRESETS, as_yaml, effective_settings
from sarseg.training.settings import TrainSettings
from tests.cli.conftest import sarseg  # noqa: F401
from tests.cli.running import Sarseg


def written(folder: Path, text: str) -> Path:
    path = folder / "train.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_command_line_counts_most_then_the_file_then_the_preset(tmp_path: Path) -> None:
    config = written(tmp_path, "epochs: 7\nlearning-rate: 0.01\nbatch_size: 3\n")
    found = effective_settings(
        {"dataset": "chips", "epochs": 9}, config=config, preset="cwsam-fusar"
    )
    assert found.dataset == "chips"
    assert found.epochs == 9
    assert (found.learning_rate, found.batch_size) == (0.01, 3)
    assert (found.accumulate, found.class_weights) == (2, "published")
    assert found.warmup == TrainSettings(dataset="chips").warmup


def test_settings_of_parts_are_merged_name_by_name(tmp_path: Path) -> None:
    config = written(tmp_path, "dataset: chips\nset:\n  augment.zoom: 1.5\n  augment.shift_db: 1\n")
    given = {"set": {"augment.shift_db": 2, "method.rank": 4}}
    assert effective_settings(given, config=config, preset="conv-lora").set == {
        "augment.turns": "mirror",
        "augment.zoom": 1.5,
        "augment.shift_db": 2,
        "method.rank": 4,
    }


def test_a_file_may_name_options_as_the_command_line_does(tmp_path: Path) -> None:
    config = written(
        tmp_path,
        "dataset: chips\nfinal-learning-rate: 1e-6\nprecision: 16\nlogger: none\n"
        "class-weights: [1, 2]\naugment: no\n",
    )
    found = effective_settings({}, config=config)
    assert (found.final_learning_rate, found.precision, found.logger) == (1e-6, "16", ())
    assert (found.class_weights, found.augment) == ((1, 2), False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("learning_rat: 1", "unknown key learning_rat; did you mean learning_rate"),
        ("batch-sise: 1", "did you mean batch_size"),
        ("zzzz: 1", "unknown key zzzz; it may have dataset, data"),
        ("epochs: [", "is not valid YAML"),
        ("epochs: \x00", "is not valid YAML"),
        ("", "must map options to values"),
        ("- epochs", "must map options to values"),
        ("set: [method.rank]", "must give set: as a mapping"),
        ("set: {method: {rank: 4}}", r"In .*train\.yaml, set.*'method' is not of the form"),
        ("set: {augment.zom: 2}", "zoom"),
        ("epochs: many", r"In .*train\.yaml, epochs many: .*integer"),
        ("epochs: 0", r"In .*train\.yaml, epochs 0: .*greater than 0"),
        ("learning_rate: [1, 2]", r"In .*train\.yaml, learning_rate 1,2: .*number"),
        ("augment: perhaps", r"In .*train\.yaml, augment perhaps: .*boolean"),
        (
            "class-weights: [1, x]",
            r"In .*train\.yaml, class_weights 1,x: choose none, frequency",
        ),
        ("logger: excel", r"In .*train\.yaml, logger.*'tensorboard', 'csv'"),
        ("seed: 99999999999", r"In .*train\.yaml, seed 99999999999: .*less than"),
    ],
)
def test_what_is_wrong_in_a_file_gets_a_sentence(tmp_path: Path, text: str, words: str) -> None:
    config = written(tmp_path, text)
    with pytest.raises(UsageError, match=words) as told:
        effective_settings({"dataset": "chips"}, config=config)
    assert str(told.value).endswith((".", "?"))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        effective_settings({"dataset": "chips"}, config=tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="Is a directory"):
        effective_settings({"dataset": "chips"}, config=tmp_path)
    path = tmp_path / "latin.yaml"
    path.write_bytes("backbone: é".encode("latin-1"))
    with pytest.raises(UsageError, match="not valid YAML"):
        effective_settings({"dataset": "chips"}, config=path)


def test_a_dataset_is_needed() -> None:
    with pytest.raises(UsageError, match="give --dataset DIR, or dataset: in the --config file"):
        effective_settings({})


def test_unknown_presets_name_the_known_ones() -> None:
    with pytest.raises(UsageError, match="cwsam-fusar, cwsam-fusar2"):
        effective_settings({}, preset="cwsam")


PUBLISHED: dict[str, dict[str, Any]] = {
    "cwsam-fusar": {
        "dataset": "fusar",
        "method": "cwsam",
        "decoder": "classwise",
        "backbone": "vit_b",
        "epochs": 200,
        "effective_batch": 2,
        "learning_rate": 2e-4,
        "final_learning_rate": 1e-7,
        "schedule": "cosine",
        "class_weights": "published",
        "turns": "none",
    },
    "conv-lora": {
        "method": "conv-lora",
        "decoder": "mask-classification",
        "epochs": 30,
        "effective_batch": 4,
        "learning_rate": 1e-4,
        "schedule": "poly",
        "class_weights": "none",
        "turns": "mirror",
    },
    "sam-adapter": {
        "method": "sam-adapter",
        "decoder": "box-prompted",
        "learning_rate": 2e-4,
        "schedule": "cosine",
        "class_weights": "none",
        "turns": "all",
    },
}
PUBLISHED["cwsam-fusar2"] = {**PUBLISHED["cwsam-fusar"], "dataset": "fusar2"}


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_carry_the_published_numbers(preset: str) -> None:
    given = {} if preset.startswith("cwsam") else {"dataset": "chips"}
    found = effective_settings(given, preset=preset)
    told = {
        **found.model_dump(),
        "effective_batch": found.batch_size * found.accumulate,
        "turns": found.augmentation.turns,
    }
    expected = PUBLISHED[preset]
    assert {name: told[name] for name in expected} == expected
    assert method(found.method, found.settings_of("method")).name == found.method
    assert decoder(found.decoder, found.settings_of("decoder")).name == found.decoder
    if preset == "sam-adapter":
        assert found.patience is not None
        assert found.augmentation.zoom > 1


def test_presets_name_only_known_options() -> None:
    for preset in PRESETS:
        text = (files("sarseg.training") / "presets" / f"{preset}.yaml").read_text("utf-8")
        assert yaml.safe_load(text).keys() <= TrainSettings.model_fields.keys()


@pytest.mark.parametrize(
    "settings",
    [
        TrainSettings(dataset="chips"),
        TrainSettings(
            dataset="Küste/chips",
            set={"augment.speckle_looks": "1,4", "method.rank": 4, "decoder.skip": False},
            class_weights="1.5,1,0.5",
            logger="none",
            precision="16",
            ema=0.999,
            clip=1,
            backbone_weights=Path("sam.pth"),
            looks=3.5,
            augment=False,
        ),
        *(effective_settings({"dataset": "chips"}, preset=preset) for preset in PRESETS),
    ],
)
def test_what_is_printed_loads_again(settings: TrainSettings, tmp_path: Path) -> None:
    assert effective_settings({}, config=written(tmp_path, as_yaml(settings))) == settings


ARGUMENTS = ("--dataset", "chips", "--preset", "conv-lora", "--epochs", "3", "--logger", "none")
FURTHER = ("--class-weights", "1,2.5", "--set", "augment.zoom=1.5", "--no-augment", "--looks", "3")


def test_the_command_prints_its_configuration_and_takes_it_back(
    tmp_path: Path,
    sarseg: Sarseg,  # noqa: F811
) -> None:
    printed = sarseg("train", *ARGUMENTS, *FURTHER, "--print-config")
    assert printed.code == 0, printed.stderr
    config = written(tmp_path, printed.stdout)
    again = sarseg("train", "--config", config, "--print-config")
    assert again.stdout == printed.stdout
    found = effective_settings({}, config=config)
    assert (found.epochs, found.learning_rate, found.logger) == (3, 1e-4, ())
    assert found.class_weights == (1, 2.5)
    assert found.set == {"augment.turns": "mirror", "augment.zoom": 1.5}
    assert not found.augment
    other = sarseg("train", "--config", config, "--epochs", "4", "--augment", "--print-config")
    assert yaml.safe_load(other.stdout) == {
        **yaml.safe_load(printed.stdout),
        "epochs": 4,
        "augment": True,
    }


def test_a_process_prints_its_configuration_and_writes_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sarseg", "train", *ARGUMENTS, *FURTHER, "--print-config"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(tmp_path.iterdir())
    config = written(tmp_path, done.stdout)
    assert effective_settings({}, config=config).method == "conv-lora"


def test_a_wrong_key_is_a_wrong_command_line(
    tmp_path: Path,
    sarseg: Sarseg,  # noqa: F811
) -> None:
    done = sarseg("train", "--config", written(tmp_path, "learning_rat: 1"))
    assert done.code == 2
    assert "did you mean learning_rate?" in done.stderr
