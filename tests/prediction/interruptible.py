"""A prediction in a process of its own, slow enough to be stopped on its way.

``python -m tests.prediction.interruptible SCENE OUTPUT SECONDS [--resume]`` maps with the toy
model, SECONDS a batch, and prints the summary as JSON on its last line.
"""

import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

from torch import Tensor

from sarseg.prediction.predictor import predict_scene
from sarseg.prediction.settings import PredictSettings
from sarseg.scenes.reader import Scene
from tests.toy import Brightness, toy_model

SETTINGS = PredictSettings(
    confidence=True, probabilities=True, batch_size=3, precision="float32", overlap=24
)


class Slow(Brightness):
    """Takes its time for each batch."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def forward(self, bands: Tensor) -> Tensor:
        time.sleep(self.seconds)
        return super().forward(bands)


def main() -> None:
    """See the module."""
    scene_file, output, seconds, *options = sys.argv[1:]
    with Scene.open([scene_file]) as scene:
        print("begun", os.getpid(), flush=True)
        summary = predict_scene(
            scene,
            toy_model(Slow(float(seconds))),
            Path(output),
            SETTINGS,
            resume="--resume" in options,
        )
    print(json.dumps(asdict(summary), default=str))


if __name__ == "__main__":
    main()
