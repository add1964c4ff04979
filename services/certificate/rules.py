"""证照的规矩: the certificate identifier (证照标识, GB/T 36904) with its check character, and statuses."""

import re
from typing import Final

from shared.errors import Refused

ROOT: Final = "1.2.156.3005.2"
ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
TYPE_CODE = re.compile(r"[0-9A-Z]{21}")
ISSUER_CODE = re.compile(r"[0-9A-HJ-NPQRTUWXY]{18}")
IDENTIFIER = re.compile(
    r"1\.2\.156\.3005\.2\.(?P<type>[0-9A-Z]{21})\.(?P<issuer>[0-9A-Z]{18})"
    r"\.(?P<serial>[0-9A-Z]{1,32})\.(?P<version>\d{3})\.(?P<check>[0-9A-Z])"
)


def check_character(characters: str) -> str:
    """ISO 7064 MOD 37,36 over digits and capital letters."""
    product = 36
    for character in characters:
        product = (product + ALPHABET.index(character)) % 36 or 36
        product = product * 2 % 37
    return ALPHABET[(37 - product) % 36]


def identifier(type_code: str, issuer_code: str, serial: str, version: int) -> str:
    """The 证照标识 of one version of a certificate. Refused when a code does not have its form."""
    if not TYPE_CODE.fullmatch(type_code) or not ISSUER_CODE.fullmatch(issuer_code):
        raise Refused(
            "issuer_code_invalid", "证照类型代码或颁发机构代码未配置或有误,请管理员补全机构表", basis="GB/T 36904-2018"
        )
    body = f"{type_code}{issuer_code}{serial}{version:03d}"
    return f"{ROOT}.{type_code}.{issuer_code}.{serial}.{version:03d}.{check_character(body)}"


def is_identifier(text: str) -> bool:
    """Whether the text is a 证照标识 whose check character is right."""
    found = IDENTIFIER.fullmatch(text)
    if not found:
        return False
    body = found["type"] + found["issuer"] + found["serial"] + found["version"]
    return check_character(body) == found["check"]


def serial(year: int, number: int) -> str:
    """Year and running number, e.g. 2025000001."""
    return f"{year}{number:06d}"
