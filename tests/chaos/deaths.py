"""He dies, the register of deaths says so in the city that holds the marriage, and she marries again."""

from contracts import marriage
from tests.chaos.couples import Couple
from tests.chaos.divorces import spouse, today
from tests.chaos.endings import Way
from tests.chaos.stage import Stage
from tests.chaos.wedlock import Record


def ask(stage: Stage, record: Record, couple: Couple, request: str) -> None:
    """死亡通报, to the holder."""
    document = {"kind": "居民死亡医学证明书", "issuer": "某医院", "number": request[:8], "on": today()}
    personal = {"person": spouse(couple.he), "on": today(), "document": document}
    with stage.country.works(record.node, "web").begin() as work:
        work.tell(marriage.NoteDeathV1, request, {"source": "deaths"}, personal)


OF_HIM = Way("his death", ask, ("she",))
