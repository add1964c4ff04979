"""While the database is away the API says so, and what to do, instead of calling it a fault."""

from pathlib import Path

from sqlalchemy import NullPool, create_engine

from deploy.children import free_port
from services.web.api.app import create_app
from shared.outbox import Works
from tests.builders import make_node


def test_a_database_that_is_away_is_answered_with_503_and_when_to_come_again(tmp_path: Path) -> None:
    node = make_node(tmp_path)
    url = f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/none?connect_timeout=2"
    app = create_app(Works(node, "web", create_engine(url, poolclass=NullPool)), node)
    answer = app.test_client().get("/api/v1/tasks", headers={"Authorization": "Bearer tongban_nobody"})

    assert answer.status_code == 503
    assert answer.get_json()["code"] == "database_away"
    assert answer.headers["Retry-After"] == "5"
