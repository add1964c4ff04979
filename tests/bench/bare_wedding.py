"""The yardstick's wedding: from `take_in` to the certificate, and until both other cities know; all in one city but claims.

Counted by message while our services married couples: statements that write, seals of rows, blind indexes, words told.
Where our handler does now more, now less, it is the lesser number here.
"""

import json

from tests.bench.bare_steps import Json, Play, Step, Steps, read

TAKE_IN = "intake.take_in_application.v1"
TASK_OPENED = "marriage.task_opened.v1"
EXAMINE, EXAMINED = "marriage.examine_application.v1", "marriage.application_examined.v1"
REGISTER = "marriage.register_marriage.v1"
CLOSED = "intake.application_closed.v1"
NOTED = "claims.claim_issue_noted.v1"
CROSSES = frozenset(
    {
        "claims.claim_held.v1",
        "claims.claim_issue_noted.v1",
        "claims.claim_locked.v1",
        "claims.confirm_claim.v1",
        "claims.note_claim_issued.v1",
        "claims.reserve_claim.v1",
    }
)
WEDDING: Steps = {
    ("intake", "intake.take_in_application.v1", False): Step(
        writes=9,
        seals=2,
        indexes=2,
        opens=2,
        tells=(
            "intake.application_taken_in.v1",
            "intake.application_forwarded.v1",
            "intake.leg_changed.v1",
            "intake.application_accepted.v1",
        ),
    ),
    ("web", "intake.application_taken_in.v1", False): Step(writes=13, seals=1, indexes=2),
    ("web", "intake.application_forwarded.v1", False): Step(writes=11, seals=1),
    ("subsidy", "intake.application_accepted.v1", False): Step(writes=0, opens=0),
    ("marriage", "intake.application_accepted.v1", False): Step(
        writes=1, seals=3, indexes=2, tells=("claims.reserve_claims.v1",)
    ),
    ("web", "intake.application_accepted.v1", False): Step(writes=12, seals=1),
    ("claims", "claims.reserve_claims.v1", False): Step(writes=3, seals=2, tells=("claims.reserve_claim.v1",)),
    ("web", "intake.leg_changed.v1", False): Step(writes=3),
    ("claims", "claims.reserve_claim.v1", False): Step(writes=1, seals=1, indexes=2, tells=("claims.claim_held.v1",)),
    ("claims", "claims.claim_held.v1", False): Step(writes=1, tells=("claims.claims_held.v1",), joins=True),
    ("marriage", "claims.claims_held.v1", False): Step(writes=1, seals=2, tells=("marriage.task_opened.v1",)),
    ("web", "marriage.task_opened.v1", False): Step(writes=8, seals=1),
    ("marriage", "marriage.examine_application.v1", False): Step(
        writes=1, seals=2, tells=("marriage.application_examined.v1",)
    ),
    ("intake", "marriage.application_examined.v1", False): Step(writes=3, tells=("intake.application_progressed.v1",)),
    ("web", "marriage.application_examined.v1", False): Step(writes=6),
    ("web", "intake.application_progressed.v1", False): Step(writes=5),
    ("marriage", "marriage.register_marriage.v1", False): Step(
        writes=1,
        seals=2,
        indexes=2,
        before=4,
        tells=(
            "claims.confirm_claims.v1",
            "marriage.task_opened.v1",
        ),
    ),
    ("claims", "claims.confirm_claims.v1", False): Step(writes=1, tells=("claims.confirm_claim.v1",)),
    ("claims", "claims.confirm_claim.v1", False): Step(writes=1, tells=("claims.claim_locked.v1",)),
    ("claims", "claims.claim_locked.v1", False): Step(writes=1, tells=("claims.claims_locked.v1",), joins=True),
    ("marriage", "claims.claims_locked.v1", False): Step(
        writes=6,
        seals=5,
        indexes=2,
        tells=(
            "marriage.application_decided.v1",
            "certificate.issue_certificate.v1",
            "claims.note_issued.v1",
            "marriage.report_record.v1",
            "marriage.marriage_registered.v1",
        ),
    ),
    ("subsidy", "marriage.marriage_registered.v1", False): Step(writes=0, indexes=2),
    ("intake", "marriage.application_decided.v1", False): Step(
        writes=4, seals=1, tells=("intake.application_progressed.v1",)
    ),
    ("certificate", "certificate.issue_certificate.v1", False): Step(
        writes=3, seals=2, tells=("certificate.certificate_issued.v1",)
    ),
    ("claims", "claims.note_issued.v1", False): Step(writes=1, tells=("claims.note_claim_issued.v1",)),
    ("marriage", "marriage.report_record.v1", False): Step(writes=1, before=1),
    ("web", "marriage.application_decided.v1", False): Step(writes=7, seals=1),
    ("intake", "certificate.certificate_issued.v1", False): Step(
        writes=7,
        seals=4,
        tells=(
            "intake.application_closed.v1",
            "intake.leg_changed.v1",
            "intake.send_notice.v1",
        ),
    ),
    ("web", "certificate.certificate_issued.v1", False): Step(writes=3),
    ("web", "intake.application_closed.v1", False): Step(writes=7, seals=1),
    ("claims", "claims.note_claim_issued.v1", False): Step(writes=1, tells=("claims.claim_issue_noted.v1",)),
    ("intake", "intake.send_notice.v1", False): Step(writes=3, seals=1, tells=("intake.applicant_told.v1",)),
    ("web", "intake.applicant_told.v1", False): Step(writes=5),
    ("claims", "claims.claim_issue_noted.v1", False): Step(writes=1),
}


def _secret(personal: Json | None) -> bytes | None:
    return None if personal is None else json.dumps(personal, ensure_ascii=False).encode()


_SAID = read("wedding")
PLAY = Play(
    services=("certificate", "claims", "intake", "marriage", "subsidy", "web"),
    routes={"460200": ("620100", "371000"), "620100": ("460200",), "371000": ("460200",)},
    steps=WEDDING,
    crosses=CROSSES,
    messages={kind: said["wire"] for kind, said in _SAID.items()},
    secrets={kind: _secret(said["personal"]) for kind, said in _SAID.items()},
)
