"""What an open application at a registration office may wait for: the codes of `missing_facts`, in plain words."""

from collections.abc import Mapping

WAITS: Mapping[str, tuple[str, str]] = {  # what an open application waits for -> what it is, what to do
    "claims_asked": ("预留双方登记资格", "系统正在向主管登记处预留,通常几秒钟,请稍等"),
    "held_elsewhere": (
        "一方正在其他机构办理",
        "暂不能办结:请当事人到该机构办完或放弃,系统会自动再试,也可以点“再次预留”",
    ),
    "locked_elsewhere": ("一方正在其他机构登记", "暂不能办结:该机构登记尚未完成,请稍后再试或与该机构核实"),
    "authority_away": ("主管登记处暂未答复", "系统会自动再问,无需重新提交;可以先请当事人等候或改日再来"),
    "claims_lost": ("预留已失效", "预留到期或当事人已放弃:登记员已签字的由系统重新预留,未签字的请点“再次预留”"),
    "national_registry": ("全国婚姻登记库的答复", "系统每分钟自动再问;没有答复前不能发证"),
    "marriage_record": ("婚姻登记地的答复", "系统已请婚姻登记地核对婚姻档案;该地恢复后自动答复,无需重新提交"),
    "marriage_on_record": (
        "核对婚姻登记档案",
        "暂不能办结:请按核对结果的说明更正证字号或联系婚姻登记地补录、更正档案;办妥后点“再次预留”,双方已签字的重新提交发证",
    ),
    "holder": ("等待婚姻登记地确认", "双方已签字:登记地注销原婚姻登记后,系统自动发离婚证,期限不因等待而丧失"),
    "to_register": ("锁定双方登记资格", "系统正在完成登记,通常几秒钟,请稍等"),
}
