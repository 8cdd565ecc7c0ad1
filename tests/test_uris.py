import pytest

from medweave.uris import without_credentials


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://who:secret@db:5432/mlflow", "postgresql://db:5432/mlflow"),
        ("'https://token@host/a?b=c@d' is closed", "'https://host/a?b=c@d' is closed"),
        ("https://who:p@ss@host", "https://host"),
        ("s3://bucket/a@b.png", "s3://bucket/a@b.png"),
        ("sqlite:////data/mlflow.db and a://b:c@d/ and e@f", "sqlite:////data/mlflow.db and a://d/ and e@f"),
    ],
)
def test_users_and_passwords_are_taken_out_of_uris(text, shown):
    assert without_credentials(text) == shown
