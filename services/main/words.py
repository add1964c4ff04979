"""What went wrong, for whoever typed a command: the cause and what to do, in plain words."""

import psycopg
from psycopg import errors
from sqlalchemy.exc import DBAPIError

from shared import topology
from shared.errors import TongbanError
from shared.outbox import is_away

MIGRATE = "数据库结构不是本版本的,请 tongban migrate"
DATABASE_AWAY = "数据库没有应答,请检查数据库服务器和 TONGBAN_DATABASE_URL"
BROKER_AWAY = "消息服务器没有应答,请检查 RabbitMQ 和 TONGBAN_AMQP_URL"
NO_TABLE = "看不到所需的表:请用角色 all(其地址在节点目录的 databases.json 中);仍然如此的,请 tongban migrate"
QUEUE_MISSING = "消息服务器中还没有这个节点的队列,请先启动 relay"
OTHER_ROLE = "这个数据库账号无权查看;请用角色 all,其地址在节点目录的 databases.json 中"


def plain(error: BaseException) -> str:
    """The words for an error of the world; empty for one that must be a fault of ours."""
    if isinstance(error, TongbanError):
        return error.message
    if isinstance(error, FileNotFoundError):
        return f"没有文件 {error.filename};请检查 TONGBAN_HOME,新节点请先 tongban setup"
    if isinstance(error, OSError) and error.filename:
        return f"不能读写 {error.filename}({error.strerror}),请检查磁盘和执行命令的账号"
    if isinstance(error, DBAPIError | psycopg.Error):
        return _of_database(error)
    if topology.is_missing_queue(error):
        return QUEUE_MISSING
    return BROKER_AWAY if topology.is_away(error) else ""


def _of_database(error: DBAPIError | psycopg.Error) -> str:
    said = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(said, errors.InsufficientPrivilege):
        return OTHER_ROLE
    if isinstance(said, errors.UndefinedTable | errors.UndefinedColumn) or "no such" in str(said):
        return NO_TABLE
    return DATABASE_AWAY if is_away(error) else ""
