from pathlib import Path
from typing import Any

import pytest
import yaml

from sarseg.comparison.config import SHIPPED, DatasetData, SceneData, load_comparison
from sarseg.comparison.trials import trials_of
from sarseg.errors import ModelError, UsageError

TINY: dict[str, Any] = {
    "title": "Tiny",
    "data": {"dataset": "chips"},
    "settings": {"epochs": 2, "set": {"augment.band_dropout": 0.0}},
    "runs": {"cwsam": {"method": "cwsam"}, "Gauss": {"baseline": "gaussian-ml"}},
}


def _written(folder: Path, **changes: Any) -> str:
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump({**TINY, **changes}, sort_keys=False))
    return str(path)


def test_paths_are_those_of_the_file(tmp_path: Path) -> None:
    found = load_comparison(_written(tmp_path), {})
    assert found.data == DatasetData(dataset=str(tmp_path / "chips"))
    scene = {"scene": "a.tif", "labels": "b.tif", "split": "blocks", "classes": "c.yaml"}
    data = load_comparison(_written(tmp_path, data=scene), {}).data
    assert isinstance(data, SceneData)
    assert data.scene == (str(tmp_path / "a.tif"),)
    assert (data.labels, data.classes) == (tmp_path / "b.tif", tmp_path / "c.yaml")
    assert data.split == "blocks"
    remote = {**scene, "scene": "https://example.org/a.tif"}
    data = load_comparison(_written(tmp_path, data=remote), {}).data
    assert isinstance(data, SceneData)
    assert data.scene == ("https://example.org/a.tif",)
    runs = {"U-Net": {"baseline": "unet", "weights": "w.safetensors"}}
    assert load_comparison(_written(tmp_path, runs=runs), {}).runs["U-Net"].weights == (
        tmp_path / "w.safetensors"
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rusn": {}}, "did you mean runs?"),
        ({"settings": {"epoch": 2}}, "did you mean epochs?"),
        ({"settings": {"devices": 2}}, "one process"),
        ({"runs": {"a": {"methd": "cwsam"}}}, "the run a: there is no option methd; did you mean"),
        ({"runs": {"a": {"baseline": "unet", "method": "full"}}}, "this is a baseline"),
        ({"runs": {"a": {"method": "full", "seed": 3}}}, "seeds: says it for all runs"),
        ({"runs": {"a": {"foreground": "water"}}}, "give it under settings"),
        ({"vary": {"foreground": ["water", "land"]}}, "give it under settings"),
        ({"runs": {"a": {"weights": "w"}}}, "weights are for a baseline"),
        ({"runs": {}}, "runs"),
        ({"reference": "cwsan"}, "did you mean 'cwsam'?"),
        ({"seeds": [1, 1]}, "stands there twice"),
        ({"vary": {"method.rank": [1], "label_share": [0.1]}}, "vary"),
        ({"vary": {"labelshare": [0.1]}}, "did you mean label_share?"),
        ({"vary": {"head.rank": [1]}}, "not of the form"),
        ({"data": {"scene": "a.tif", "labels": "b.tif"}}, "no split"),
        ({"data": {"scene": "a.tif", "dataset": "chips"}}, "both"),
        ({"data": {}}, "neither a dataset"),
        ({"data": {"dataset": "a", "siz": 2}}, "no key siz"),
        ({"part": "tset"}, "part"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=r"The comparison .*tiny\.yaml") as error:
        load_comparison(_written(tmp_path, **changes), {})
    assert told in str(error.value)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="label-share"):
        load_comparison(str(tmp_path / "none.yaml"), {})


def test_a_folder_does_not_hide_a_shipped_comparison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fusar").mkdir()
    assert load_comparison("fusar", {}).data == DatasetData(dataset="fusar")
    Path("fusar2").write_text(yaml.safe_dump(TINY))
    assert load_comparison("fusar2", {}).title == "Tiny"


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_comparisons_are_sound(name: str, tmp_path: Path) -> None:
    fusar = name.startswith("fusar")
    found = load_comparison(name, {} if fusar else {"dataset": "chips"})
    runs = {run: each for run, each in found.runs.items() if "backbone" not in each.options}
    trials = trials_of(found.model_copy(update={"runs": runs}), tmp_path, "")
    assert len(trials) >= 2 * len(found.seeds)
    assert found.reference is not None


def test_trials_vary_what_has_it(tmp_path: Path) -> None:
    config = _written(tmp_path, vary={"method.adapter_ratio": [0.25, 0.5]}, seeds=[4, 5])
    trials = trials_of(load_comparison(config, {}), tmp_path, "data")
    assert [trial.label for trial in trials] == [
        *("cwsam, 0.25, seed 4", "cwsam, 0.25, seed 5"),
        *("cwsam, 0.5, seed 4", "cwsam, 0.5, seed 5"),
        *("Gauss, seed 4", "Gauss, seed 5"),
    ]
    assert trials[2].settings.set["method.adapter_ratio"] == 0.5
    assert trials[2].settings.seed == 4
    assert len({trial.key for trial in trials}) == len(trials)
    shares = _written(tmp_path, vary={"label_share": [0.1, 1.0]}, seeds=[0])
    trials = trials_of(load_comparison(shares, {}), tmp_path, "data")
    assert [trial.settings.label_share for trial in trials] == [0.1, 1.0] * 2


@pytest.mark.parametrize(
    ("varied", "values", "by_classifier"),
    [
        ("epochs", [1, 2], False),
        ("loss.gamma", [1.0, 2.0], False),
        ("augment.band_dropout", [0.0, 0.5], False),
        ("looks", [1.0, 4.0], True),
        ("despeckle.size", [5, 7], True),
    ],
)
def test_a_classifier_is_fitted_once_where_nothing_changes(
    tmp_path: Path, varied: str, values: list[Any], by_classifier: bool
) -> None:
    settings = {"loss": "focal"}
    config = _written(tmp_path, vary={varied: values}, seeds=[0], settings=settings)
    trials = trials_of(load_comparison(config, {}), tmp_path, "data")
    fitted = [trial.value for trial in trials if trial.run == "Gauss"]
    assert fitted == (values if by_classifier else [None])
    assert [trial.value for trial in trials if trial.run == "cwsam"] == values


@pytest.mark.parametrize(
    ("run", "told"),
    [({"baseline": "unett"}, "The run a: .*unet"), ({"epochs": 3}, "The run a: It sets epochs")],
)
def test_what_is_varied_of_runs_that_make_no_sense(
    tmp_path: Path, run: dict[str, Any], told: str
) -> None:
    found = load_comparison(_written(tmp_path, runs={"a": run}, vary={"epochs": [1, 2]}), {})
    with pytest.raises((UsageError, ModelError), match=told):
        trials_of(found, tmp_path, "data")


def test_a_key_changes_with_what_comes_out_alone(tmp_path: Path) -> None:
    def keys(digest: str = "data", **changes: Any) -> list[str]:
        found = load_comparison(_written(tmp_path, seeds=[0], **changes), {})
        return [trial.key for trial in trials_of(found, tmp_path, digest)]

    first = keys()
    assert keys(title="Other", without=[["water"]]) == first
    assert keys(settings={**TINY["settings"], "workers": 2}) == first
    for changed in (keys("others"), keys(part="validation"), keys(settings={"epochs": 3})):
        assert not set(changed) & set(first)
    other_run = {**TINY["runs"], "cwsam": {"set": {"method.prompts": False}}}
    changed = keys(runs=other_run)
    assert changed[0] != first[0]
    assert changed[1] == first[1]


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        ({"a": {"method": "cwsan"}}, "The run a: .*cwsam"),
        ({"a": {"set": {"method.rank": 3}}}, "The run a: .*rank"),
        ({"a": {"baseline": "unett"}}, "The run a: .*unet"),
        ({"a": {"learning_rate": -1}}, "The run a: --learning-rate -1"),
        ({"a": {"baseline": "gaussian-ml", "weights": "w"}}, "starts from no weights"),
        ({"U Net": {}, "u-net": {}}, "other names"),
    ],
)
def test_runs_that_make_no_sense(tmp_path: Path, runs: dict[str, Any], told: str) -> None:
    found = load_comparison(_written(tmp_path, runs=runs), {})
    with pytest.raises((UsageError, ModelError), match=told):
        trials_of(found, tmp_path, "data")
