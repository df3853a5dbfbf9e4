"""A flag for the transcripts."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-transcripts",
        action="store_true",
        help="write what happens into tests/raft/transcripts instead of comparing it: read the difference before use",
    )
