from tests.tracking.conftest import client, first_use, home  # noqa: F401
