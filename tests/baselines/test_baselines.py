"""Every baseline: what it answers, what trains, what is said where it cannot be had."""

import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest
import torch
from torch import Tensor

from sarseg.baselines import BASELINES, baseline
from sarseg.baselines.base import Classifier
from sarseg.errors import ModelError
from sarseg.model.file import trained_state
from sarseg.model.network import Network
from sarseg.model.parameters import parameters_of
from sarseg.training.averaging import WeightAverage
from tests.baselines.chips import Chips

SMALL = {
    "unet": {"channels": [8, 16, 16, 24]},
    "segresnet": {"filters": 16, "blocks": [1, 1, 2]},
    "segformer": {},
    "gaussian-ml": {"window": 3},
    "random-forest": {"trees": 3, "samples": 50},
}
NETWORKS = [name for name, kind in BASELINES.items() if kind.by_gradient]
PACKAGES = {
    "unet": "monai",
    "segresnet": "monai",
    "segformer": "transformers",
    "random-forest": "sklearn",
}


def built(name: str, bands: int = 2, classes: int = 3) -> Network:
    torch.manual_seed(0)
    return baseline(name, SMALL[name]).build(bands, classes)


def images(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def test_all_are_found_by_name() -> None:
    assert list(BASELINES) == ["gaussian-ml", "random-forest", "segformer", "segresnet", "unet"]


@pytest.mark.parametrize("name", BASELINES)
def test_logits_have_the_size_of_the_image_for_any_bands(name: str) -> None:
    for bands, size in ((1, 48), (3, 64), (5, 96), (2, 16)):
        network = built(name, bands, classes=4).eval()
        shown = images(2, bands, size, size)
        if isinstance(network, Classifier):
            network.fit(Chips([(shown[0], torch.arange(size * size).view(size, size) % 4)]))
        with torch.no_grad():
            logits = network(shown)
        assert logits.shape == (2, 4, size, size)
        assert logits.dtype == torch.float32
        assert torch.isfinite(logits).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_what_trains_has_a_gradient(name: str) -> None:
    network = built(name).eval()  # blocks are left out at random while it trains
    labels = torch.randint(3, (2, 48, 48), generator=torch.Generator().manual_seed(2))
    torch.nn.functional.cross_entropy(network(images(2, 2, 48, 48)), labels).backward()
    # one bias for all keys shifts the scores of a query alike: the softmax does not see it
    named = {n: p for n, p in network.named_parameters() if not n.endswith("key.bias")}
    assert all(parameter.requires_grad for parameter in named.values())
    assert [n for n, p in named.items() if p.grad is None or not p.grad.any()] == []
    count = parameters_of(network)
    assert count.total == count.trainable > 0


@pytest.mark.parametrize("name", NETWORKS)
def test_the_trained_state_is_the_whole_network(name: str) -> None:
    network, other = built(name), built(name)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    network(images(2, 2, 64, 64))  # a network that remembers in buffers would change here
    other.load_state_dict(trained_state(network), strict=False)
    shown = images(1, 2, 64, 64)
    assert torch.equal(network.eval()(shown), other.eval()(shown))
    WeightAverage(network, 0.9).update()


@pytest.mark.parametrize(
    ("name", "settings"), [*((name, {}) for name in NETWORKS), ("unet", {"residual_units": 0})]
)
def test_the_level_of_backscatter_is_seen(name: str, settings: dict[str, int]) -> None:
    """As it is not where every channel is normalised by itself; far from the chip's edges."""
    torch.manual_seed(0)
    network = baseline(name, SMALL[name] | settings).build(2, 3).eval()
    shown, middle = images(1, 2, 128, 128), slice(56, 72)
    with torch.no_grad():
        low, high = (network(shown + level)[..., middle, middle] for level in (0.0, 2.0))
    assert (low - high).square().mean().sqrt() > 0.15 * low.std()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_chip_does_not_depend_on_those_beside_it(name: str) -> None:
    network = built(name)
    network.eval()
    shown = images(3, 2, 48, 48)
    with torch.no_grad():
        torch.testing.assert_close(network(shown)[:1], network(shown[:1]), atol=1e-4, rtol=1e-4)
    norms = (torch.nn.modules.batchnorm._BatchNorm,)
    assert not any(isinstance(module, norms) for module in network.modules())


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_follow_from_the_seed(name: str) -> None:
    one, same = built(name).state_dict(), built(name).state_dict()
    assert all(torch.equal(value, same[key]) for key, value in one.items())


@pytest.mark.parametrize("name", ["gaussian-ml", "random-forest"])
def test_classifiers_have_no_parameters(name: str) -> None:
    network = built(name)
    assert isinstance(network, Classifier)
    assert parameters_of(network).total == 0
    assert trained_state(network) == {}


@pytest.mark.parametrize("name", BASELINES)
def test_settings_survive_json(name: str) -> None:
    chosen = baseline(name, SMALL[name])
    assert baseline(name, chosen.model_dump(mode="json")) == chosen


def test_sizes_of_segformer_are_those_of_the_paper() -> None:
    # table 1 of arXiv 2105.15203, with 150 classes: 3.8 and 13.7 million
    for size, millions in (("b0", 3.8), ("b1", 13.7)):
        count = parameters_of(baseline("segformer", {"size": size}).build(3, 150))
        assert count.total == pytest.approx(millions * 1e6, rel=0.02)


def test_without_the_packages_a_sentence_says_what_to_install() -> None:
    hidden = sorted(set(PACKAGES.values()))
    script = f"""
import sys
for package in {hidden}:
    sys.modules[package] = None
from sarseg.baselines import BASELINES
from sarseg.errors import ModelError
for name, kind in BASELINES.items():
    try:
        kind().build(2, 3)
    except ModelError as error:
        print(name, error, sep=": ")
    else:
        print(name, "is there", sep=": ")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    expected = {"gaussian-ml: is there"} | {
        f"{name}: The baseline {name} needs the package {package}, which is not installed: "
        'pip install "sarseg[compare]".'
        for name, package in PACKAGES.items()
    }
    assert set(done.stdout.splitlines()) == expected


def test_listing_them_imports_none_of_the_packages() -> None:
    script = (
        "import sys, sarseg.baselines\n"
        f"print([name for name in {sorted(set(PACKAGES.values()))} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", BASELINES)
def test_versions_of_its_packages_are_known(name: str) -> None:
    modules = {each for package in BASELINES[name].packages for each in modules_of(package)}
    assert modules == ({PACKAGES[name]} if name in PACKAGES else set())


def modules_of(distribution: str) -> set[str]:
    return {
        module
        for module, distributions in packages_distributions().items()
        if distribution in distributions
    }


def test_an_unknown_baseline_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ModelError, match=r"no baseline 'u-net' \(did you mean 'unet'\?\).*segformer"
    ):
        baseline("u-net")


def test_a_wrong_setting_is_refused() -> None:
    with pytest.raises(ModelError, match=r"size of the baseline segformer is 'b9'"):
        baseline("segformer", {"size": "b9"})
    with pytest.raises(
        ModelError, match=r"channels\.1 of the baseline unet is 21: .*multiple of 4"
    ):
        baseline("unet", {"channels": [16, 21]})
