"""What the reports of all kinds have in common."""

from pydantic import BaseModel, ConfigDict


class Report(BaseModel):
    """Facts that go to JSON as they are, by ``model_dump(mode="json")``."""

    model_config = ConfigDict(frozen=True, extra="forbid")
