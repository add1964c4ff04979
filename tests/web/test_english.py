"""Every refusal can be read in English, wherever in the house it is raised."""

import ast
from collections.abc import Iterator

from contracts import intake
from services.web.api.english import ENGLISH
from services.web.api.problems import HTTP
from tests.house.sources import python, whole_tree
from tests.web.scene import Scene, show_first_versions

ERRORS = {"Refused", "NotFound", "OutOfStep", "Denied", "FormFault"}
ELSEWHERE = {  # made where marshmallow's findings become a problem; a finding that refuses
    "fields_invalid",
    "no_divorce_certificate",
}


def called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def codes(modules: list[ast.Module]) -> Iterator[str]:
    """The first arguments of all refusals; where that is an argument itself, of the calls that hand it on."""
    functions = [node for module in modules for node in ast.walk(module) if isinstance(node, ast.FunctionDef)]
    calls = [node for module in modules for node in ast.walk(module) if isinstance(node, ast.Call)]
    handing_on = set()
    for function in functions:
        inner = [node for node in ast.walk(function) if isinstance(node, ast.Call) and called(node) in ERRORS]
        if any(isinstance(node.args[0], ast.Name) and node.args[0].id == function.args.args[0].arg for node in inner):
            handing_on.add(function.name)
    for call in calls:
        if called(call) in ERRORS | handing_on:
            first = call.args[0]
            if isinstance(first, ast.Constant):
                yield first.value
            elif not (isinstance(first, ast.Attribute) and first.attr == "code"):  # of a fault found elsewhere
                assert isinstance(first, ast.Name), f"which code is {ast.unparse(call)}?"


def raised() -> set[str]:
    """All codes but those that only an operator's terminal shows."""
    modules = python(whole_tree(), "services/", "shared/", "contracts/")
    return set(codes([tree for path, tree in modules.items() if not path.startswith("services/main/")]))


def test_every_code_that_is_raised_anywhere_has_an_english_text_and_no_text_is_left_over():
    assert len(raised()) > 100
    assert sorted(raised() - set(ENGLISH)) == []
    assert sorted(set(ENGLISH) - raised() - ELSEWHERE) == []


def test_a_code_that_is_handed_on_or_new_is_found():
    source = """
def _number_refused(code, message):
    return Refused(code, message)
def read(text):
    if not text:
        raise _number_refused("number_new", "")
    raise errors.Denied("quite_new")
"""
    assert set(codes([ast.parse(source)])) == {"number_new", "quite_new"}


def test_an_english_text_says_in_whole_sentences_what_is_wrong_or_to_do():
    every = [*ENGLISH.values(), *(english for _, _, english in HTTP.values())]
    assert all(text.isascii() and text[0].isupper() and 20 < len(text) < 130 for text in every)
    assert [text for text in ENGLISH.values() if not text.endswith((".", ":"))] == []
    assert len(set(ENGLISH.values())) == len(ENGLISH)


def test_a_refusal_of_a_later_release_is_a_problem_with_an_english_hint(tmp_path):
    scene = Scene(tmp_path)
    token, asked = scene.token(), {"act": "withdraw", "expected_version": 1}
    case = scene.take_in(token)["case_id"]
    with scene.works.begin() as work:
        show_first_versions(work, case)
    key = {"Idempotency-Key": "withdraw-1"}
    scene.ask("POST", f"/cases/{case}/acts", token, json=asked, headers=key)
    told = {"kind": "Refused", "code": "quite_new", "message": "新的理由", "basis": "", "field": "", "details": {}}
    scene.hear(intake.ActRefusedV1, case, told, causation=scene.told()[-1].id)
    body = scene.ask("POST", f"/cases/{case}/acts", token, json=asked, headers=key).json
    assert (body["code"], body["detail"]) == ("quite_new", "新的理由")
    assert "newer" in body["detail_en"]
