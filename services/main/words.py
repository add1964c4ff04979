"""What went wrong, for whoever typed a command: the cause and what to do, in plain words."""

from psycopg import errors
from sqlalchemy.exc import DBAPIError

from shared import topology
from shared.errors import TongbanError

MIGRATE = "数据库结构不是本版本的,请 tongban migrate"
DATABASE_AWAY = "数据库没有应答,请检查数据库服务器和 TONGBAN_DATABASE_URL"
BROKER_AWAY = "消息服务器没有应答,请检查 RabbitMQ 和 TONGBAN_AMQP_URL"
OTHER_ROLE = "这个数据库账号无权查看;请用角色 all,其地址在节点目录的 databases.json 中"


def plain(error: BaseException) -> str:
    """The words for an error of the world; empty for one that must be a fault of ours."""
    if isinstance(error, TongbanError):
        return error.message
    if isinstance(error, FileNotFoundError):
        return f"没有文件 {error.filename};请检查 TONGBAN_HOME,新节点请先 tongban setup"
    if isinstance(error, OSError) and error.filename:
        return f"不能读写 {error.filename}({error.strerror}),请检查磁盘和执行命令的账号"
    if isinstance(error, DBAPIError):
        return _of_database(error)
    if isinstance(error, topology.LOST):
        return BROKER_AWAY
    return ""


def _of_database(error: DBAPIError) -> str:
    if isinstance(error.orig, errors.InsufficientPrivilege):
        return OTHER_ROLE
    if isinstance(error.orig, errors.UndefinedTable | errors.UndefinedColumn) or "no such" in str(error.orig):
        return MIGRATE
    return DATABASE_AWAY
