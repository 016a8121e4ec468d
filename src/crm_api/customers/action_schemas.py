"""What callers send to act on many customers at once."""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from ..audience.tree import Tree
from ..core.schemas import Input
from ..core.text import normalized
from .schemas import Tag

Action = Literal["tag", "archive", "restore"]
_EXAMPLE: dict[str, Any] = {
    "audience": 'country = "DE" and kind = "organization"',
    "action": "tag",
    "add_tags": ["fair 2026"],
    "remove_tags": ["fair 2025"],
    "dry_run": True,
}


class CustomerAction(Input):
    """Whom to act on, and what to do. Tags are given with `tag`, and with nothing else."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    audience: Annotated[Tree, Field(description="Which customers, as a tree or as text")]
    action: Annotated[Action, Field(description="`restore` looks among the archived customers, the others do not")]
    add_tags: Annotated[list[Tag], Field(max_length=100, description="Who has one already keeps its spelling")] = Field(
        default_factory=list
    )
    remove_tags: Annotated[list[Tag], Field(max_length=100, description="Compared without letter case")] = Field(
        default_factory=list
    )
    dry_run: Annotated[bool, Field(description="Count what would be changed, and change nothing")] = False

    @model_validator(mode="after")
    def _says_what_to_do(self) -> Self:
        if (self.action == "tag") != bool(self.add_tags or self.remove_tags):
            raise PydanticCustomError("tags", "give tags to add or to remove with the action tag, and with no other")
        if both := {normalized(tag) for tag in self.add_tags} & {normalized(tag) for tag in self.remove_tags}:
            raise PydanticCustomError("tags", "{tag} is to be added and removed", {"tag": min(both)})
        return self
