"""婚姻登记证字号: `J371082-2025-000013`; kind, division of the office, year, serial of that office and year."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal, get_args

from shared.errors import Refused

Kind = Literal["J", "L", "BJ", "BL"]  # marriage, divorce, and the reissue of each
NUMBERING = "婚姻登记证字号编制规则(依据待核)"
LAST_SERIAL = 999_999
LONGEST_OLD = 40
UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # Unicode's controls, invisible marks and line ends

_NUMBER = re.compile(r"(BJ|BL|J|L)([1-9]\d{5})-((?:19|20)\d{2})-(\d{6})", re.ASCII)


@dataclass(frozen=True, slots=True)
class CertificateNumber:
    """A number in today's form. The division is the office's at that time; old codes stay in numbers for ever."""

    kind: Kind
    division: str
    year: int
    serial: int

    def __str__(self) -> str:
        return f"{self.kind}{self.division}-{self.year:04}-{self.serial:06}"


def make(kind: Kind, division: str, year: int, serial: int) -> str:
    """The number. Refused `serial_exhausted` above 999999; ValueError for parts that make no number."""
    if serial > LAST_SERIAL:
        words = "本机构本年度的字号已用到999999,不能再编。请暂停发证,报省级民政部门确定增编办法后由管理员设置"
        raise Refused("serial_exhausted", words, basis=NUMBERING)
    number = str(CertificateNumber(kind, division, year, serial))
    if not is_valid(number):
        raise ValueError("a certificate number has a known kind, six digits of a division, a year and a serial from 1")
    return number


def parse(text: str) -> CertificateNumber:
    """The parts of a number in today's form. Refused `certificate_number_malformed`."""
    match = _NUMBER.fullmatch(text)
    if not match or int(match[4]) == 0:
        words = "婚姻登记证字号应像J371082-2025-000013:字母(J、L、BJ、BL)、6位区划、4位年份、6位序号,请对照证件重新输入"
        raise Refused("certificate_number_malformed", words, basis=NUMBERING)
    kind = next(kind for kind in get_args(Kind) if kind == match[1])
    return CertificateNumber(kind, match[2], int(match[3]), int(match[4]))


def is_valid(text: str) -> bool:
    """Whether `text` is a number in today's form."""
    try:
        parse(text)
    except Refused:
        return False
    return True


def archived(text: str) -> str:
    """A number as an old book has it, blanks at its ends dropped; only for back-entry.

    Checked is only that it has 1 to 40 characters and no control characters: old books number in Chinese words.
    Refused `archive_number_malformed`.
    """
    number = text.strip()
    if not 1 <= len(number) <= LONGEST_OLD or not UNPRINTABLE.isdisjoint(map(unicodedata.category, number)):
        words = "旧证字号应为1至40个字符,不能含换行等控制字符,请照档案原样输入"
        raise Refused("archive_number_malformed", words, basis=NUMBERING)
    return number
