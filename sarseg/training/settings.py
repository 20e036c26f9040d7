"""What a training run can be told: the options of ``sarseg train``, and their defaults."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from sarseg.datasets.augment import NO_AUGMENTATION, Augmentation
from sarseg.filters.chain import Filters
from sarseg.filters.choice import filter_chain
from sarseg.model.backbone import Init
from sarseg.registry import settings_fault

OWNERS = ("method", "decoder", "loss", "despeckle", "augment")
"""Parts of a run that have settings of their own, named by ``set``."""

PLACES = {"dataset", "data", "backbone_weights", "device"}
"""Settings that say where things lie on one machine."""

CONDUCT = {"devices", "workers", "save_minutes", "logger", "compile"}
"""Settings of how a run is carried out, without a part in what comes out but by rounding."""


def _words(value: Any) -> Any:
    """``"csv,wandb"`` as a list, as the command line gives it."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _loggers(value: Any) -> Any:
    """``"csv,wandb"`` as a list; ``"none"`` is an empty one."""
    return [] if value == "none" else _words(value)


class TrainSettings(BaseModel):
    """Settings of ``sarseg train``, each under its option's name.

    Optimiser, learning rate and its decay are CWSAM's: AdamW, 2e-4, cosine to 1e-7 (arXiv
    2401.02326, section IV). The authors train for 200 epochs, one image a GPU on two GPUs, with
    their own class weights and without augmentation: see the presets.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    """A folder of chips, of images and masks, or a published dataset (fusar, fusar2)."""
    data: Path | None = None
    """Where the published dataset lies."""
    foreground: str | None = None
    """Name or id of the one class to map against all the others; None: all of them."""
    method: str = "cwsam"
    decoder: str = "classwise"
    loss: str | None = None
    """None: the decoder's own."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Settings of the parts: ``{"method.rank": 4}``."""
    backbone: str = "vit_t"
    backbone_weights: Path | None = None
    init: Init | None = None
    """None: ``backbone_weights``, else the embedded weights of vit_t and Meta's of the others."""
    label_share: float = Field(default=1.0, gt=0, le=1)
    """Of the training labels of each class: see ``FewerLabels``."""
    despeckle: str | None = None
    """None: what the chips went through, else Lee."""
    looks: float | Literal["auto"] = "auto"
    low_pass: float | None = None
    high_pass: float | None = None
    epochs: int = Field(default=20, gt=0)
    batch_size: int = Field(default=2, gt=0)
    """Chips that one process shows the model at once."""
    accumulate: int = Field(default=1, gt=0)
    """Batches of one process that make an optimisation step."""
    learning_rate: float = Field(default=2e-4, gt=0, allow_inf_nan=False)
    final_learning_rate: float = Field(default=1e-7, ge=0)
    schedule: Literal["cosine", "poly", "constant"] = "cosine"
    warmup: int = Field(default=0, ge=0)
    """Steps over which the learning rate rises to its full value."""
    weight_decay: float = Field(default=0.01, ge=0)
    clip: float | None = Field(default=None, gt=0)
    """Largest norm of the gradient."""
    ema: float | None = Field(default=None, gt=0, lt=1)
    """Decay, a step, of the moving average of the weights that is validated and kept."""
    patience: int | None = Field(default=None, gt=0)
    """Epochs without a better score on the validation split after which training stops."""
    class_weights: (
        Literal["none", "frequency", "published"]
        | Annotated[
            tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...], BeforeValidator(_words)
        ]
    ) = "none"
    augment: bool = True
    """Whether chips are changed at random; how, say the settings ``augment.…``."""
    precision: Literal["auto", "32", "bf16", "16"] = "auto"
    gradient_checkpointing: bool = False
    """Less memory for more time: see ``ImageEncoder``."""
    compile: bool = False
    """Compile the image encoder by torch.compile."""
    devices: int = Field(default=1, gt=0)
    """GPUs, or processes on the CPU, of this machine."""
    workers: int = Field(default=0, ge=0)
    """Processes that read and prepare chips, for each that trains."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    save_minutes: float = Field(default=5.0, ge=0)
    """Between two writes of what ``--resume`` goes on from, besides the end of each epoch."""
    logger: Annotated[
        tuple[Literal["tensorboard", "csv", "wandb", "mlflow"], ...], BeforeValidator(_loggers)
    ] = ("tensorboard", "csv")

    @field_validator("precision", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) else value

    @field_validator("class_weights", mode="wrap")
    @classmethod
    def _named_or_numbers(cls, value: Any, check: ValidatorFunctionWrapHandler) -> Any:
        try:
            return check(value)
        except ValidationError as error:
            raise ValueError(
                "choose none, frequency or published, or give a number from 0 on for each class"
            ) from error

    @field_validator("set")
    @classmethod
    def _known_owners(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            owner, _, setting = name.partition(".")
            if owner not in OWNERS or not setting:
                raise ValueError(f"{name!r} is not of the form {'|'.join(OWNERS)}.NAME")
        return value

    @field_validator("set")
    @classmethod
    def _augmentation_makes_sense(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            Augmentation.model_validate(_of("augment", value))
        except ValidationError as error:
            known = Augmentation.model_fields
            raise ValueError(settings_fault("part", "augment", known, error)) from error
        return value

    def settings_of(self, owner: str) -> dict[str, Any]:
        """The settings of one of ``OWNERS``."""
        return _of(owner, self.set)

    @property
    def augmentation(self) -> Augmentation:
        """How chips are changed at random."""
        if not self.augment:
            return NO_AUGMENTATION
        return Augmentation.model_validate(self.settings_of("augment"))

    @property
    def filters(self) -> Filters | None:
        """Speckle and frequency filters; None where none are asked for.

        Raises UsageError where there is no such filter, setting or value.
        """
        despeckle = self.settings_of("despeckle")
        said = (self.despeckle, self.low_pass, self.high_pass, *despeckle)
        if self.looks == "auto" and all(each is None for each in said):
            return None
        looks = str(self.looks)
        return filter_chain(
            self.despeckle or "lee", looks, despeckle, self.low_pass, self.high_pass
        )

    def recorded(self) -> dict[str, Any]:
        """What a model file says of these settings: not what concerns one machine alone."""
        return self.model_dump(mode="json", exclude=PLACES | CONDUCT)


def _of(owner: str, assigned: dict[str, Any]) -> dict[str, Any]:
    start = f"{owner}."
    return {
        name.removeprefix(start): value
        for name, value in assigned.items()
        if name.startswith(start)
    }
