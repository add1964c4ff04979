"""What identifies a person or a body on paper: its shape and check digits, and how it is masked when shown.

No refusal, and no printed value, ever contains the number itself.
"""

import datetime
import re
import unicodedata
from dataclasses import dataclass, field

from shared.errors import Refused

GB_11643 = "GB 11643-1999"
GB_32100 = "GB 32100-2015"
CARD_BASIS = "残疾人证编号规则"
NAME_BASIS = "GB 18030-2022"
PHONE_BASIS = "公用电信网编号计划"

# Full-width forms, as typed with an input method, and the two other blanks found in pasted text.
_ASCII = {0xFF01 + n: 0x21 + n for n in range(94)} | {0x3000: 0x20, 0x00A0: 0x20}
_NUMBER = re.compile(r"[1-9]\d{16}[\dX]", re.ASCII)
_NUMBER_15 = re.compile(r"[1-9]\d{14}", re.ASCII)
_NUMBER_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_FIRST_YEAR = 1800

DOCUMENTS = ("citizen", "passport", "hk-macau-permit", "taiwan-permit", "foreign-permit")  # that a person is known by
_PASSPORT = re.compile(r"(?:[A-Z]{3}-)?[A-Z0-9]{4,30}", re.ASCII)  # who gave it out, by the letters printed in it
_OTHER = re.compile(r"[A-Z0-9]{4,30}", re.ASCII)
_HOME_PERMIT = re.compile(r"([HM]\d{8})\d{2}", re.ASCII)  # 回乡证 of old: the last two digits count the cards

_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC = re.compile(rf"[{_USCC_ALPHABET}]{{2}}\d{{6}}[{_USCC_ALPHABET}]{{10}}", re.ASCII)
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)

_CARD = re.compile(r"([1-9]\d{16}[\dX])([1-7])([1-4])(?:B(\d))?", re.ASCII)

_DOTS = re.compile(r"[•・･‧∙⋅]")
_HAN = "[〇\u3400-\u9fff\ue000-\ufaff\U00020000-\U0003ffff]"
_STOP_BETWEEN_HAN = re.compile(rf"(?<={_HAN})\.(?={_HAN})")
_SPACE_AT_HAN = re.compile(rf"(?<={_HAN}) | (?={_HAN})")
_NAME_MARKS = frozenset("·-'’. ")
_LONGEST_NAME = 50

_COUNTRY_CODE = re.compile(r"^(?:\+|00)860?")
_MOBILE = re.compile(r"(?:86|0)?(1[3-9]\d{9})", re.ASCII)
_LANDLINE = re.compile(r"(010|02\d)([2-8]\d{7})|(0[3-9]\d{2})([2-8]\d{6,7})", re.ASCII)


@dataclass(frozen=True, slots=True)
class CitizenNumber:
    """A valid 公民身份号码. `division` is where it was first given, not where the person lives: never route by it."""

    number: str = field(repr=False)
    division: str
    born_on: datetime.date = field(repr=False)
    sex: str  # "male" or "female"


@dataclass(frozen=True, slots=True)
class DisabilityCard:
    """What a 残疾人证 number says besides the citizen number it starts with."""

    category: int  # 1 visual, 2 hearing, 3 speech, 4 physical, 5 intellectual, 6 mental, 7 multiple
    grade: int  # 1 (heaviest) to 4
    reissue: int  # 0: the first card


def citizen_number(text: str, today: datetime.date) -> CitizenNumber:
    """The citizen number written in `text`; residence permits (港澳台居民居住证, divisions 81, 82, 83) have one too.

    Refused: number_malformed, number_impossible_date, number_future_birth, number_wrong_check. A division that no
    table knows is no error: numbers outlive divisions, and late registration is real (GB 11643).
    """
    number = _compact(text)
    if not _NUMBER.fullmatch(number):
        raise _number_refused("number_malformed", _number_shape_advice(number))
    born_on = _birth_date(number)
    if born_on > today:
        raise _number_refused("number_future_birth", "号码中的出生日期晚于今天，请对照证件重新输入")
    if not _number_check_ok(number):
        raise _number_refused("number_wrong_check", "号码的校验码不对，可能有一位输错或两位颠倒，请对照证件重新输入")
    return CitizenNumber(number, number[:6], born_on, "male" if int(number[16]) % 2 else "female")


def document_number(id_type: str, text: str, today: datetime.date) -> str:
    """The number of any document in its one right form, so that nobody has two: `USA-512345678` of a passport.

    The three letters before a passport's number are the issuing country's as printed in it; they may be left out where
    a matter does not need them. Refused as `citizen_number`, or `number_malformed`.
    """
    if id_type == "citizen":
        return citizen_number(text, today).number
    number = _compact(text)
    if not (_PASSPORT if id_type == "passport" else _OTHER).fullmatch(number):
        words = "证件号码应为 4 至 30 位字母或数字(护照可在前面加签发国三位字母和短横),请对照证件重新输入"
        raise Refused("number_malformed", words, field="id_number")
    card = _HOME_PERMIT.fullmatch(number) if id_type == "hk-macau-permit" else None
    return card[1] if card else number


def upgrade_15(text: str) -> str:
    """The 18-digit form of a 15-digit number from an old archive (births 1900-1999): keep the original beside it.

    Refused: number_malformed. Whether the birth date exists is for `citizen_number` to say.
    """
    number = _compact(text)
    if not _NUMBER_15.fullmatch(number):
        raise _number_refused("number_malformed", "旧身份号码应为15位数字，请对照档案原件重新输入")
    body = f"{number[:6]}19{number[6:]}"
    return body + _number_check(body)


def uscc(text: str) -> str:
    """A unified social credit code (统一社会信用代码), normalised. Refused: uscc_malformed, uscc_wrong_check."""
    code = _compact(text)
    if not _USCC.fullmatch(code):
        message = "统一社会信用代码应为18位数字或大写字母，且不含I、O、S、V、Z，请对照证书重新输入"
        raise Refused("uscc_malformed", message, basis=GB_32100)
    total = sum(_USCC_ALPHABET.index(character) * pow(3, place, 31) for place, character in enumerate(code[:17]))
    if _USCC_ALPHABET[-total % 31] != code[17]:
        message = "统一社会信用代码的校验码不对，可能有一位输错，请对照证书重新输入"
        raise Refused("uscc_wrong_check", message, basis=GB_32100)
    return code


def uscc_inner_ok(text: str) -> bool:
    """Whether the organisation code inside a valid credit code has the right check of its own (GB 11714).

    A wrong one deserves a warning only: such codes have been given out.
    """
    organisation = uscc(text)[8:17]
    values = (int(character, 36) for character in organisation[:8])
    check = -sum(value * weight for value, weight in zip(values, _ORGANISATION_WEIGHTS, strict=True)) % 11
    return organisation[8] == "0123456789X"[check]


def disability_card(text: str, citizen_number: str) -> DisabilityCard:
    """The card (残疾人证) of the person whose citizen number is given. Refused: card_malformed, card_of_another_person."""
    match = _CARD.fullmatch(_compact(text))
    if not match or not _number_check_ok(match[1]):
        message = (
            "残疾人证号应为18位身份号码加1位类别（1至7）和1位等级（1至4），补换证的后面可有B和次数，请对照证件重新输入"
        )
        raise Refused("card_malformed", message, basis=CARD_BASIS)
    if match[1] != _compact(citizen_number):
        message = "残疾人证号中的身份号码与申请人的不一致，请核对是否拿错了证件"
        raise Refused("card_of_another_person", message, basis=CARD_BASIS)
    return DisabilityCard(int(match[2]), int(match[3]), int(match[4] or 0))


def person_name(text: str) -> str:
    """A person's name as the register writes it: 1 to 50 characters, letters of any script.

    Spaces beside Chinese characters are dropped, others collapse into one; every middle dot becomes `·`. Characters
    too new for this Python's tables (planes 2 and 3) or without a code of their own (private use) are kept as they
    are: nobody is turned away for a rare name. Refused: name_malformed.
    """
    name = unicodedata.normalize("NFC", text.translate(_ASCII).strip())
    name = _STOP_BETWEEN_HAN.sub("·", _DOTS.sub("·", re.sub(" +", " ", name)))
    name = re.sub(" ?· ?", "·", _SPACE_AT_HAN.sub("", name))
    if not _is_name(name):
        message = "姓名应为1至50个汉字或字母，可以有间隔号“·”，请去掉数字、表情和其他符号后按证件重新输入"
        raise Refused("name_malformed", message, basis=NAME_BASIS)
    return name


def phone(text: str) -> str:
    """A mainland number: `13…` (11 digits), or a landline as `0931-1234567`. Refused: phone_malformed."""
    digits = _COUNTRY_CODE.sub("0", re.sub("[-–—()]", "", _compact(text)))
    if match := _MOBILE.fullmatch(digits):
        return match[1]
    if match := _LANDLINE.fullmatch(digits):
        return f"{match[1] or match[3]}-{match[2] or match[4]}"
    message = "请输入11位手机号码，或带区号的固定电话，例如0931-1234567"
    raise Refused("phone_malformed", message, basis=PHONE_BASIS)


def mask_number(text: str) -> str:
    """A document number with its first 3 and last 4 characters."""
    return _mask(text, 3, 4)


def mask_phone(text: str) -> str:
    """A telephone number with its first 3 and last 4 characters."""
    return _mask(text, 3, 4)


def mask_card(text: str) -> str:
    """A bank account or card number with its last 4 characters."""
    return _mask(text, 0, 4)


def mask_name(text: str) -> str:
    """A name with its first character, and from three characters on also its last."""
    return _mask(text, 1, 1 if len(text) > 2 else 0)


def _mask(text: str, head: int, tail: int) -> str:
    hidden = len(text) - head - tail
    if hidden < 1:
        return "*" * len(text)
    return text[:head] + "*" * hidden + text[len(text) - tail :]


def _compact(text: str) -> str:
    return "".join(text.translate(_ASCII).split()).upper()


def _number_check(body: str) -> str:
    total = sum(int(digit) * weight for digit, weight in zip(body, _NUMBER_WEIGHTS, strict=True))
    return "10X98765432"[total % 11]  # ISO 7064 MOD 11-2


def _number_check_ok(number: str) -> bool:
    return _number_check(number[:17]) == number[17]


def _number_shape_advice(number: str) -> str:
    if _NUMBER_15.fullmatch(number):
        return "这是15位的旧号码，请按现行居民身份证输入18位号码"
    return "公民身份号码应为18位，前17位是数字，最后一位是数字或X，请对照证件重新输入"


def _number_refused(code: str, message: str) -> Refused:
    return Refused(code, message, basis=GB_11643)


def _birth_date(number: str) -> datetime.date:
    try:
        born_on = datetime.date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        born_on = datetime.date.min
    if born_on.year < _FIRST_YEAR:
        raise _number_refused("number_impossible_date", "号码第7至14位不是真实的出生日期，请对照证件重新输入")
    return born_on


def _is_name(name: str) -> bool:
    if not 1 <= len(name) <= _LONGEST_NAME or "··" in name or not _is_letter(name[0]) or name[-1] in "·-'’":
        return False
    return all(character in _NAME_MARKS or _is_letter(character) or _is_accent(character) for character in name)


def _is_letter(character: str) -> bool:
    point = ord(character)
    return (
        character == "〇"
        or unicodedata.category(character).startswith("L")
        or 0x20000 <= point < 0x40000  # ideographs of planes 2 and 3, assigned after this Python or not
        or 0xE000 <= point < 0xF900  # private use: where registers keep characters that had no code yet
    )


def _is_accent(character: str) -> bool:
    selector = 0xFE00 <= ord(character) < 0xFE10 or 0xE0100 <= ord(character) < 0xE01F0
    return unicodedata.category(character) in {"Mn", "Mc"} and not selector
