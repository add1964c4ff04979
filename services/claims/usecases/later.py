"""What this release does not do yet: hand-over of ledgers, aliases, recovery."""

from shared.errors import Refused
from shared.outbox import Work


def refuse(work: Work) -> None:
    """Refused `not_yet`, always: a dead letter, which a later release may take up."""
    raise Refused("not_yet", "本版本还不办理账目移交、证件关联和恢复,请先升级本节点")
