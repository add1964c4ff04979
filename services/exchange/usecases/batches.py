"""Many messages in one transaction; when that fails, each in its own, so that one bad message stops no other."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from services.exchange.store.batches import ping
from shared.outbox import Works, is_away

Item = TypeVar("Item")
Result = TypeVar("Result")


def all_or_each(
    works: Works,
    act: Callable[[Sequence[Item]], list[Result]],
    items: Sequence[Item],
    failed: Callable[[Item, Exception], Result],
) -> list[Result]:
    """What `act` makes of all items at once, or else of each alone; `failed` of one that fails by itself.

    Raises when the database is gone: then no message is to blame.
    """
    try:
        return act(items)
    except Exception as error:
        if is_away(error):  # it may be back by now
            raise
        with works.begin() as work:
            ping(work)
        if len(items) == 1:
            return [failed(items[0], error)]
    return [result for item in items for result in all_or_each(works, act, [item], failed)]
