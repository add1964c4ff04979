"""What the JSON API answers about matters, divisions, offices, and itself: all of it public."""

from marshmallow import Schema, fields


class Named(Schema):
    """A code with its name."""

    code = fields.String(required=True)
    name = fields.String(required=True)


class MatterMaterial(Named):
    """A material that a matter asks for, and where it may come from."""

    sources = fields.List(fields.String(), required=True)
    basis = fields.String(required=True)


class MatterColumn(Schema):
    """A column of an answer in rows; without values it is an amount in 分."""

    code = fields.String(required=True)
    label = fields.String(required=True)
    values = fields.List(fields.String(), required=True)


class MatterQuestion(Schema):
    """A question of the matter's own form: answered by one of `values`, by a list of `rows`, else in plain words.

    `promise_of`: it must be answered where one of these materials is promised, and need not be else.
    """

    code = fields.String(required=True)
    label = fields.String(required=True)
    required = fields.Boolean(required=True)
    values = fields.List(fields.String(), required=True)
    rows = fields.List(fields.Nested(MatterColumn), required=True)
    promise_of = fields.List(fields.String(), required=True)


class MatterStep(Schema):
    """A step of the deciding side."""

    verb = fields.String(required=True)
    name = fields.String(required=True)
    organisation = fields.String(required=True)
    basis = fields.String(required=True)


class MatterClock(Schema):
    """A legal limit in working days."""

    name = fields.String(required=True)
    title = fields.String(required=True)
    statutory = fields.Integer(required=True)
    promised = fields.Integer(required=True, allow_none=True)
    basis = fields.String(required=True)


class ForbiddenProof(Schema):
    """A proof that nobody may ask for."""

    name = fields.String(required=True)
    basis = fields.String(required=True)


class MatterView(Schema):
    """办事指南: what a matter asks for, who decides, how long it may take, and what one can do against it."""

    matter = fields.String(required=True)
    name = fields.String(required=True)
    version = fields.Integer(required=True)
    reach = fields.String(required=True)
    competence = fields.String(required=True)
    channels = fields.List(fields.String(), required=True)
    parties = fields.List(fields.String(), required=True)  # roles that apply together, one person each; else empty
    materials = fields.List(fields.Nested(MatterMaterial), required=True)
    forbidden_proofs = fields.List(fields.Nested(ForbiddenProof), required=True)
    questions = fields.List(fields.Nested(MatterQuestion), required=True)
    steps = fields.List(fields.Nested(MatterStep), required=True)
    clocks = fields.List(fields.Nested(MatterClock), required=True)
    supplement_days = fields.Integer(required=True)  # working days to bring what is missing
    supplement_basis = fields.String(required=True)
    output_name = fields.String(required=True)
    remedies = fields.List(fields.String(), required=True)
    legal_basis = fields.List(fields.String(), required=True)
    registry_checks = fields.String(required=True)  # by which law registries are asked without consent; "" for none
    fee = fields.Integer(required=True)  # 分


class MatterList(Schema):
    """The matters in force today."""

    matters = fields.List(fields.Nested(MatterView), required=True)


class Guide(Schema):
    """A matter's guide where it is decided: that node's own, or the matter's."""

    division = fields.String(required=True)
    matter = fields.String(required=True)
    node = fields.String(required=True)  # "" where nobody has joined
    node_name = fields.String(required=True)
    source = fields.String(required=True)  # directory, matter
    guide = fields.Dict(required=True)


class DivisionView(Schema):
    """A division as of a day."""

    code = fields.String(required=True)
    name = fields.String(required=True)
    level = fields.String(required=True)
    parent = fields.String(required=True)


class DivisionDetail(DivisionView):
    """A division as of a day, with its full name and whether its node has joined."""

    full_name = fields.String(required=True)
    node = fields.String(required=True)  # "" where nobody has joined


class DivisionList(Schema):
    """Divisions right below one."""

    divisions = fields.List(fields.Nested(DivisionView), required=True)


class OfficeView(Schema):
    """An office of this node."""

    code = fields.String(required=True)
    name = fields.String(required=True)
    tier = fields.String(required=True)
    parent = fields.String(required=True)
    division = fields.String(required=True)
    organisation = fields.String(required=True)
    phone = fields.String(required=True)
    powers = fields.List(fields.String(), required=True)


class OfficeList(Schema):
    """The offices that are open today."""

    offices = fields.List(fields.Nested(OfficeView), required=True)


class PublicKey(Schema):
    """A public key of this node: to seal X-Citizen for it, to verify what it signed."""

    kid = fields.String(required=True)
    purpose = fields.String(required=True)  # sign, seal
    alg = fields.String(required=True)
    jwk = fields.Dict(required=True)
    not_before = fields.String(required=True)
    not_after = fields.String(required=True)


class KeyList(Schema):
    """This node's public keys."""

    keys = fields.List(fields.Nested(PublicKey), required=True)


class ReadModel(Schema):
    """How far the read model is behind."""

    last_heard_at = fields.String(required=True)
    waiting = fields.Integer(required=True)
    oldest_waiting_seconds = fields.Float(required=True)


class Health(Schema):
    """Whether this process answers, and how fresh its answers are."""

    status = fields.String(required=True)  # ok, behind
    node = fields.String(required=True)
    read_model = fields.Nested(ReadModel, required=True)
    directory_version = fields.Integer(required=True)
    directory_stale = fields.Boolean(required=True)
