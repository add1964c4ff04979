"""The worlds in which the real rules are proven, with what was bounded in each."""

from tests.model.world import Application, Setting

P1, Q1 = Application("P1", "P", "A"), Application("Q1", "Q", "A")
P2, Q2 = Application("P2", "P", "A", after="P1"), Application("Q2", "Q", "A", after="Q1")
P_TRIES, Q_TRIES = Application("P1", "P", "A", attempts=2), Application("Q1", "Q", "A", attempts=2)
P_AB, Q_BA, Q_AC = Application("P1", "P", "AB"), Application("Q1", "Q", "BA"), Application("Q1", "Q", "AC")
AGAIN = Application("P2", "P", "AB", after="P1")
DIVORCES = tuple((name, "divorce") for name in ("P1", "P2", "Q1", "Q2"))
DEATH = (("P1", "B dies"),)
ONE, TWO, THREE = (("X", "A"),), (("X", "A"), ("Y", "B")), (("X", "A"), ("Y", "BC"))

SAFE = (  # messages come never, once or again and again: nobody married twice
    Setting("2 offices, 1 person, every step by itself", (P1, Q1), ONE, endings=DIVORCES, drops=True),
    Setting("2 offices x 2 attempts, 1 person", (P_TRIES, Q_TRIES), ONE, prompt=True, endings=DIVORCES, renews=1),
    Setting("2 offices x 2 applications", (P1, P2, Q1, Q2), ONE, prompt=True, brisk=True),
    Setting(
        "2 offices, renewed, dropped, noted when issued",
        (P1, Q1),
        ONE,
        prompt=True,
        endings=DIVORCES,
        drops=True,
        renews=1,
        notes=True,
    ),
    Setting("divorce and remarriage, 2 offices", (P1, P2, Q1), ONE, prompt=True, endings=DIVORCES),
    Setting("crossing couples (A,B) (B,A)", (P_AB, Q_BA), TWO, prompt=True, brisk=True, endings=DIVORCES),
    Setting("crossing couples (A,B) (A,C)", (P_AB, Q_AC), THREE, prompt=True, brisk=True, endings=DIVORCES),
    Setting("a spouse dies, the widow marries", (P_AB, Q_AC), THREE, prompt=True, brisk=True, endings=DEATH),
    Setting("handed over while weddings run", (P1, Q1), ONE, prompt=True, brisk=True, endings=DIVORCES, successor="Z"),
    Setting("restored while weddings run", (P1, Q1), ONE, prompt=True, endings=DIVORCES, restores=True),
)
FREE = (  # the real inbox, no message is lost: nobody is blocked for ever
    Setting("2 offices, 1 person, every step by itself", (P1, Q1), ONE, once=True, timer=False, endings=DIVORCES),
    Setting("2 offices, 1 person, words said again", (P1, Q1), ONE, once=True, prompt=True, endings=DIVORCES),
    Setting(
        "2 offices x 2 attempts, 1 person",
        (P_TRIES, Q_TRIES),
        ONE,
        once=True,
        timer=False,
        prompt=True,
        drops=True,
        endings=DIVORCES,
    ),
    Setting("2 offices x 2 applications", (P1, P2, Q1, Q2), ONE, once=True, timer=False, prompt=True, brisk=True),
    Setting("crossing couples (A,B) (B,A)", (P_AB, Q_BA), TWO, once=True, timer=False, prompt=True, brisk=True),
    Setting("crossing couples (A,B) (A,C)", (P_AB, Q_AC), THREE, once=True, timer=False, prompt=True, brisk=True),
    Setting("a spouse dies, the widow is free", (P_AB,), TWO, once=True, prompt=True, brisk=True, endings=DEATH),
    Setting("noted when issued, 1 office", (P1,), ONE, once=True, endings=DIVORCES, notes=True),
    Setting("handed over, 1 office", (P1,), ONE, once=True, endings=DIVORCES, successor="Z"),
    Setting("handed over, 2 offices", (P1, Q1), ONE, once=True, prompt=True, brisk=True, successor="Z"),
    Setting("restored, 2 offices", (P1, Q1), ONE, once=True, prompt=True, brisk=True, endings=DIVORCES, restores=True),
)
