"""Who is due the two disability subsidies (残疾人两项补贴), from which month, and on what legal basis."""

import dataclasses
import datetime
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from services.subsidy.rules.standard import (
    BENEFITS,
    CATEGORIES,
    GRADES,
    MULTIPLE,
    SEVERE,
    AllowanceRule,
    Area,
    Benefit,
    LowIncome,
    Standard,
    Terms,
    covers,
    monthly_amount,
    terms_of,
)
from shared.calendar import full_years

T = TypeVar("T")
Source = Literal["registry", "applicant", "promise", "document"]
PublicPay = Literal["none", "with_proof", "without_proof"]
Verdict = Literal["eligible", "refused", "undetermined", "not_ours"]

NATIONAL = "国发〔2015〕52号"
WHO = f"{NATIONAL} 二（补贴对象）"
MIXED = f"{NATIONAL} 二（政策衔接）"
APPLY = f"{NATIONAL} 三（自愿申请）"
EXAMINE = f"{NATIONAL} 三（逐级审核）"
NOT_VERIFIED = "尚未核实。"
ALLOWANCE_RULE = "allowance_rule"


@dataclass(frozen=True, slots=True)
class Fact(Generic[T]):
    """What is known, from whom, as of which day. An unknown fact is no Fact at all but None."""

    value: T
    source: Source
    as_of: datetime.date


@dataclass(frozen=True, slots=True)
class Card:
    """The disability card; `components` are the categories of a multiple disability, None while unknown."""

    category: int
    grade: int  # 1 is the heaviest
    components: frozenset[int] | None = None

    def __post_init__(self) -> None:
        if self.category not in CATEGORIES or self.grade not in GRADES:
            raise ValueError("a card has category 1 to 7 and grade 1 to 4")


@dataclass(frozen=True, slots=True)
class Allowance:
    """Another welfare allowance the person draws, in fen a month."""

    kind: str
    monthly_fen: int


@dataclass(frozen=True, slots=True)
class Facts:
    """All the law asks about a person; a field left None is unknown, never 'no'."""

    hukou: Fact[str] | None = None  # the division of today's hukou, old codes already resolved to their successors
    died_on: Fact[datetime.date | None] | None = None  # a Fact of None: alive
    born_on: Fact[datetime.date] | None = None
    card: Fact[Card | None] | None = None  # a Fact of None: no card
    low_income: Fact[LowIncome] | None = None
    area: Fact[Area] | None = None
    special_support: Fact[bool] | None = None
    injury_care: Fact[bool] | None = None
    orphan_support: Fact[bool] | None = None
    serving_sentence: Fact[bool] | None = None
    public_pay: Fact[PublicPay] | None = None
    allowances: Fact[tuple[Allowance, ...]] | None = None
    long_term_care: Fact[bool] | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """One ground of an outcome: `code` for machines, `text` for people, `basis` the clause (依据)."""

    code: str
    text: str
    basis: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer for one benefit; amount 0 unless eligible; `missing` names the facts still to be found."""

    benefit: Benefit
    eligible: bool
    monthly_amount_fen: int
    reasons: tuple[Reason, ...]
    missing: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """`not_ours` goes on to the hukou county, `undetermined` waits for facts; neither is a refusal."""
        if self.eligible:
            return "eligible"
        if self.missing:
            return "undetermined"
        return "not_ours" if any(reason.code == "hukou_elsewhere" for reason in self.reasons) else "refused"


@dataclass(frozen=True, slots=True)
class Due:
    """What one month is to be paid."""

    month: datetime.date
    amount_fen: int


def assess(facts: Facts, standard: Standard, division: str, applied_on: datetime.date) -> tuple[Outcome, Outcome]:
    """Living and care, in this order, as the office of `division` must answer an application of that day."""
    living, care = (_outcome(_Question(benefit, facts, standard, applied_on), division) for benefit in BENEFITS)
    return living, care


def merged(declared: Facts, found: Facts) -> Facts:
    """`declared` with every fact that a registry has found in the place of what was said."""
    answers = {item.name: getattr(found, item.name) for item in dataclasses.fields(Facts)}
    return dataclasses.replace(declared, **{name: fact for name, fact in answers.items() if fact is not None})


def first_month(applied_on: datetime.date) -> datetime.date:
    """The first day of the first month paid: the month of application (国发〔2015〕52号 自递交申请当月计发)."""
    return applied_on.replace(day=1)


def last_month(happened_on: datetime.date) -> datetime.date:
    """The first day of the last month paid: a move, death or end of 低保 stops payment from the month after it."""
    return happened_on.replace(day=1)


def months_due(
    first: datetime.date, run: datetime.date, last: datetime.date | None = None
) -> tuple[datetime.date, ...]:
    """Every month from `first` to that of the run or to `last`, whichever is earlier; may be none."""
    end = min(run, last or run)
    count = (end.year - first.year) * 12 + end.month - first.month + 1
    starts = (first.month - 1 + step for step in range(count))
    return tuple(datetime.date(first.year + start // 12, start % 12 + 1, 1) for start in starts)


def backpay(months: Iterable[datetime.date], amount_in: Callable[[datetime.date], int]) -> tuple[Due, ...]:
    """One payment a month; `amount_in` tells the fen by the standard in force on the first of that month."""
    return tuple(Due(month, amount_in(month)) for month in months)


@dataclass(frozen=True, slots=True)
class _Question:
    benefit: Benefit
    facts: Facts
    standard: Standard
    on: datetime.date

    @property
    def terms(self) -> Terms:
        return terms_of(self.benefit, self.standard)


@dataclass(frozen=True, slots=True)
class _Finding:
    kind: Literal["for", "against", "missing"]
    reason: Reason
    fact: str = ""


def _outcome(it: _Question, division: str) -> Outcome:
    hukou = _vouched(it.facts.hukou)
    if hukou and not covers(division, hukou.value):
        elsewhere = Reason("hukou_elsewhere", "户籍不在本地，应当由户籍所在地县级民政部门审定。", APPLY)
        return Outcome(it.benefit, False, 0, (elsewhere,))
    findings = [finding for check in _CHECKS for finding in check(it)]
    against = tuple(finding.reason for finding in findings if finding.kind == "against")
    missing = tuple(finding for finding in findings if finding.kind == "missing")
    if against and hukou:  # while the hukou is unknown we may not be the ones to refuse
        return Outcome(it.benefit, False, 0, against)
    if missing:
        facts = tuple(dict.fromkeys(finding.fact for finding in missing))
        return Outcome(it.benefit, False, 0, tuple(finding.reason for finding in missing), facts)
    return Outcome(it.benefit, True, _amount(it), tuple(finding.reason for finding in findings))


def _vouched(fact: Fact[T] | None) -> Fact[T] | None:
    """What a registry holds needs its answer, a paper or a promise: a bare statement leaves it unknown."""
    return None if fact and fact.source == "applicant" else fact


def _card_of(it: _Question) -> Card | None:
    fact = _vouched(it.facts.card)
    return fact.value if fact else None


def _amount(it: _Question) -> int:
    card, area = _card_of(it), _vouched(it.facts.area)
    return monthly_amount(it.benefit, it.standard, card.grade, area.value if area else None) if card else 0


def _for(code: str, text: str, basis: str) -> _Finding:
    return _Finding("for", Reason(code, text, basis))


def _against(code: str, text: str, basis: str) -> _Finding:
    return _Finding("against", Reason(code, text, basis))


def _missing(fact: str, what: str) -> _Finding:
    return _Finding("missing", Reason(f"missing_{fact}", f"{what}{NOT_VERIFIED}", EXAMINE), fact)


def _hukou(it: _Question) -> Iterator[_Finding]:
    if not _vouched(it.facts.hukou):
        yield _missing("hukou", "户籍所在地")


def _alive(it: _Question) -> Iterator[_Finding]:
    if it.facts.died_on is None:  # a living applicant seen at the window needs no registry
        yield _missing("died_on", "生存状态")
    elif it.facts.died_on.value:
        yield _against("deceased", "申请对象已经死亡。", "民法典 第十三条")


def _ages(it: _Question) -> Iterator[_Finding]:
    if it.terms.ages and it.facts.born_on is None:
        yield _missing("born_on", "出生日期")
    elif it.terms.ages and it.facts.born_on:
        first, last = it.terms.ages
        if not first <= full_years(it.facts.born_on.value, it.on) <= last:
            yield _against("age_not_covered", f"不在{first}至{last}周岁的补贴年龄内。", it.standard.document_no)


def _special_support(it: _Question) -> Iterator[_Finding]:
    against = Reason("special_support", "已纳入特困人员供养，不享受残疾人两项补贴。", MIXED)
    return _excluded_by(_vouched(it.facts.special_support), "特困人员供养情况", against)


def _injury_care(it: _Question) -> Iterator[_Finding]:
    against = Reason("injury_care", "领取工伤保险生活护理费，不享受残疾人两项补贴。", MIXED)
    return _excluded_by(it.facts.injury_care, "工伤保险生活护理费领取情况", against)


def _orphan_support(it: _Question) -> Iterator[_Finding]:
    if it.benefit == "living":
        text = "享受孤儿基本生活保障，不享受困难残疾人生活补贴，可享受护理补贴。"
        yield from _excluded_by(it.facts.orphan_support, "孤儿基本生活保障情况", Reason("orphan_support", text, MIXED))


def _serving_sentence(it: _Question) -> Iterator[_Finding]:
    if it.standard.serving_sentence_excludes:
        against = Reason("serving_sentence", "服刑期间不享受残疾人两项补贴。", it.standard.document_no)
        yield from _excluded_by(it.facts.serving_sentence, "服刑情况", against)


def _excluded_by(fact: Fact[bool] | None, what: str, against: Reason) -> Iterator[_Finding]:
    if fact is None:
        yield _missing(against.code, what)
    elif fact.value:
        yield _Finding("against", against)


def _public_pay(it: _Question) -> Iterator[_Finding]:
    if not it.standard.public_pay_needs_proof:
        return
    if it.facts.public_pay is None:
        yield _missing("public_pay", "财政供养及单位证明情况")
    elif it.facts.public_pay.value == "without_proof":
        text = "财政供养人员须有单位出具的未领取工伤待遇证明。"
        yield _against("employer_proof_missing", text, it.standard.document_no)


def _card(it: _Question) -> Iterator[_Finding]:
    fact = _vouched(it.facts.card)
    if fact is None:
        yield _missing("card", "残疾人证信息")
    elif fact.value is None:
        yield _against("no_card", "没有有效的残疾人证。", WHO)
    elif fact.value.grade not in it.terms.grades:
        name = "生活" if it.benefit == "living" else "护理"
        yield _against("grade_not_covered", f"残疾等级{fact.value.grade}级不在{name}补贴范围内。", _grade_basis(it))
    elif not _amount(it):
        yield _missing("area", "低保标准适用的城乡类别")


def _grade_basis(it: _Question) -> str:
    return WHO if it.benefit == "care" else it.standard.document_no


def _low_income(it: _Question) -> Iterator[_Finding]:
    if it.benefit == "care":
        return
    fact = _vouched(it.facts.low_income)
    if fact is None:
        yield _missing("low_income", "低保或低收入身份")
    elif fact.value not in it.standard.living_statuses:
        yield _against("not_low_income", "不属于低保家庭，也不属于当地规定的其他困难家庭。", WHO)
    elif fact.value == "dibao":
        yield _for("living_dibao", "低保家庭中的残疾人，符合困难残疾人生活补贴条件。", WHO)
    else:
        text = "低保边缘家庭中的残疾人，当地已纳入困难残疾人生活补贴。"
        yield _for("living_dibao_edge", text, it.standard.document_no)


def _care(it: _Question) -> Iterator[_Finding]:
    card = _card_of(it)
    if it.benefit == "living" or card is None or card.grade not in it.terms.grades:
        return
    yield _severe(it) if card.grade in SEVERE else _extended(card, it.standard)


def _severe(it: _Question) -> _Finding:
    need = it.facts.long_term_care
    if need is None and not it.standard.care_need_presumed:
        return _missing("long_term_care", "长期照护需要")
    if need is not None and not need.value:
        return _against("no_long_term_care", "不需要六个月以上的长期照护。", WHO)
    return _for("care_severe", "残疾等级一级或二级且需要长期照护，符合重度残疾人护理补贴条件。", WHO)


def _extended(card: Card, standard: Standard) -> _Finding:
    extension, basis = standard.care_extension, standard.document_no
    if card.category in extension.categories:
        return _for("care_extended", "三级或四级智力、精神等残疾人，当地已纳入护理补贴。", basis)
    if card.category != MULTIPLE or not extension.contains:
        return _against("category_not_covered", "三级、四级中仅当地规定的残疾类别可享受护理补贴。", basis)
    if card.components is None:
        return _missing("card_components", "多重残疾所含的残疾类别")
    if card.components & extension.categories:
        return _for("care_extended_multiple", "多重残疾中含当地规定的残疾类别，当地已纳入护理补贴。", basis)
    return _against("category_not_covered", "多重残疾中不含当地规定的残疾类别，不能享受护理补贴。", basis)


def _allowances(it: _Question) -> Iterator[_Finding]:
    if it.facts.allowances is None:
        yield _missing("allowances", "其他福利性补贴领取情况")
        return
    rules = {rule.kind: rule for rule in it.standard.allowance_rules}
    drawn = [(rules.get(item.kind), item) for item in it.facts.allowances.value if item.monthly_fen > 0]
    for rule, item in drawn:
        yield from _beside(it, rule, item)


def _beside(it: _Question, rule: AllowanceRule | None, item: Allowance) -> Iterator[_Finding]:
    if rule is None:
        yield _missing(ALLOWANCE_RULE, f"“{item.kind}”与本补贴的衔接规定")
        return
    mixing = rule.living if it.benefit == "living" else rule.care
    ours = _amount(it)
    if mixing == "together":
        yield _for("allowance_together", f"{rule.name}可以与本补贴同时享受。", rule.basis)
    elif ours and item.monthly_fen >= ours:
        text = (
            f"已领取的{rule.name}每月{_yuan(item.monthly_fen)}元，不低于本补贴的{_yuan(ours)}元，按规定择高只领一项。"
        )
        yield _against("other_allowance_higher", text, rule.basis)
    elif ours:
        text = f"本补贴每月{_yuan(ours)}元，高于{rule.name}的{_yuan(item.monthly_fen)}元；择高领取本补贴的，停领{rule.name}。"
        yield _for("higher_than_allowance", text, rule.basis)


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


_CHECKS: tuple[Callable[[_Question], Iterator[_Finding]], ...] = (
    _hukou,
    _alive,
    _card,
    _low_income,
    _care,
    _ages,
    _special_support,
    _injury_care,
    _orphan_support,
    _serving_sentence,
    _public_pay,
    _allowances,
)
