"""What every write is answered with: that it is durable, and where it stands."""

import strawberry

from server.api.types import Moment, Position, said


@strawberry.interface(description="The answer to a write that is durable, whatever happens to this machine's power.")
class Receipt:
    position: Position = said("Where it stands in the journal: give it as `atLeast` to read what was written.")
    recorded_at: Moment = said("When it was recorded.")
    repeated: bool = said("Whether the same was asked before under the same key; nothing was written this time.")
    ids: list[strawberry.ID] = said("The ids of what was written, in the order of what was asked.")
