"""The yardstick's crossing: from `take_in` to the competent city's answer; counted in our database's log."""

import json

from tests.bench.bare_steps import Play, Step, Steps, read

TAKE_IN = "intake.take_in_application.v1"
TAKEN_IN = "intake.application_taken_in.v1"
FORWARDED = "intake.application_forwarded.v1"
TAKEN_OVER = "intake.application_taken_over.v1"
ACCEPTED = "intake.application_accepted.v1"
TASK_OPENED = "subsidy.task_opened.v1"
LEG_CHANGED = "intake.leg_changed.v1"
FINDINGS = json.dumps({"findings": "-" * 506}).encode()


CROSSING: Steps = {
    ("intake", TAKE_IN, False): Step(writes=5, seals=2, indexes=1, tells=(TAKEN_IN, FORWARDED)),
    ("web", TAKEN_IN, False): Step(writes=10, seals=1, indexes=1),
    ("web", FORWARDED, True): Step(writes=9, seals=1),
    ("web", FORWARDED, False): Step(writes=10, seals=1, indexes=1),
    ("intake", FORWARDED, False): Step(writes=7, seals=2, indexes=1, tells=(TAKEN_OVER, ACCEPTED)),
    ("web", TAKEN_OVER, True): Step(writes=5),
    ("subsidy", ACCEPTED, False): Step(writes=3, seals=3, indexes=1, opens=2, tells=(TASK_OPENED,)),
    ("web", ACCEPTED, False): Step(writes=10, seals=1),
    ("web", TASK_OPENED, False): Step(writes=6, seals=1),
    ("intake", TAKEN_OVER, False): Step(writes=4, tells=(LEG_CHANGED,)),
    ("web", TAKEN_OVER, False): Step(writes=5),
    ("web", LEG_CHANGED, False): Step(writes=3),
}
PLAY = Play(
    services=("intake", "subsidy", "web"),  # certificate hears nothing before a decision
    routes={"460200": ("620100",), "620100": ("460200",)},
    steps=CROSSING,
    crosses=frozenset({FORWARDED, TAKEN_OVER}),
    messages=read("crossing"),
    secrets={TASK_OPENED: FINDINGS, TAKEN_OVER: None, LEG_CHANGED: None},
    opening=FORWARDED,
    roles={"460200": "accepting", "620100": "competent"},
)
