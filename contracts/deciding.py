"""What every service that decides a matter says, in shapes of its own type: tasks, steps, the decision, the end.

Intake and web treat them alike, whichever service says them (`subsidy`, `marriage`).
"""

from marshmallow import fields, validate

from contracts.case import Actor, OfficeRef
from contracts.envelope import Contract, Part

VERBS = ("check", "review", "decide", "examine", "register")  # of the steps that a matter may have


class Refusal(Contract):
    """不能办: the answer to a command that cannot be carried out."""

    kind = fields.String(required=True)
    code = fields.String(required=True)
    message = fields.String(required=True)
    basis = fields.String(load_default="")
    field = fields.String(load_default="")
    details = fields.Dict(keys=fields.String(), values=fields.String(), load_default=dict)


class Act(Contract):
    """A clerk's act on the version of an application that they were shown."""

    expected_version = fields.Integer(required=True)
    actor = fields.Nested(Actor, required=True)


class Task(Part):
    """The next thing to be done, and who may do it."""

    verb = fields.String(required=True, validate=validate.OneOf(VERBS))
    tier = fields.String(required=True)
    offices = fields.List(fields.String(), required=True)  # codes of the offices that may


class Word(Contract):
    """What is said of one application: all words of a later leg's are newer than those of an earlier one's."""

    leg_no = fields.Integer(load_default=0)  # the application's leg; 0: a release told it that did not say so
    version = fields.Integer(required=True)


class StepDone(Word):
    """A task was done, and the next one opened."""

    consumers = ("intake", "web")
    approve = fields.Boolean(required=True)
    office = fields.Nested(OfficeRef, required=True)
    at = fields.String(required=True)
    next_task = fields.Nested(Task, required=True, allow_none=True)


class Decided(Word):
    """The decision and the rules it rests on. Its sealed part has a `statement` and `reasons` at least."""

    consumers = ("intake", "web")
    result = fields.String(required=True, validate=validate.OneOf(("granted", "refused")))
    office = fields.Nested(OfficeRef, required=True)
    at = fields.String(required=True)
    remedies = fields.List(fields.String(), required=True)
    rules_version = fields.String(required=True)


class Dropped(Word):
    """已终止 without a decision: a withdrawal came in time, or nothing is left to decide."""

    consumers = ("intake", "web")
    at = fields.String(required=True)
