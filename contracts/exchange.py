"""What the gateway between cities says in its own name."""

from marshmallow import fields

from contracts.envelope import Contract, Part


class MessageMisdirectedV1(Contract):
    """送错: the receiver does not answer for that division; its directory version says who is behind."""

    type = "exchange.message_misdirected.v1"
    consumers = ("intake", "web")
    crosses = "anyone"
    message_id = fields.String(required=True)
    message_type = fields.String(required=True)
    division = fields.String(required=True)
    directory_version = fields.Integer(required=True)


class MessageQuarantinedV1(Contract):
    """隔离: a message from the hub was not let in; a person must look."""

    type = "exchange.message_quarantined.v1"
    consumers = ("web",)
    code = fields.String(required=True)
    peer = fields.String(required=True)
    message_id = fields.String(required=True)


class DirectoryUpdatedV1(Contract):
    """目录更新: a newer signed directory is in force here."""

    type = "exchange.directory_updated.v1"
    consumers = ("web",)
    version = fields.Integer(required=True)


class Head(Part):
    """How long a log is and what its last line hashes to; n = 0: nothing known."""

    n = fields.Integer(required=True)
    chain = fields.String(required=True)


class Span(Part):
    """Numbers from first to last, both included."""

    first = fields.Integer(required=True)
    last = fields.Integer(required=True)


class LogAnchoredV1(Contract):
    """存证锚定: the heads of the writer's two logs with the reader, for the gateways only.

    `held_*` are the reader's heads that the writer holds. `receipts` are the reader's messages the writer has let in
    since its last anchor; their hash is over the lines `seq body_sha256`, in the order of seq.
    """

    type = "exchange.log_anchored.v1"
    consumers = ()
    crosses = "anyone"
    sent = fields.Nested(Head, required=True)
    received = fields.Nested(Head, required=True)
    held_sent = fields.Nested(Head, required=True)
    held_received = fields.Nested(Head, required=True)
    receipts = fields.List(fields.Nested(Span), required=True)
    receipts_sha256 = fields.String(required=True)
