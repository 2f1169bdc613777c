"""The load benchmark, shortened: no rating lost, none double, also with the server killed in the middle."""

from pathlib import Path

from benchmarks.rating import check, killed, start_study, together
from tests.ui.conftest import Server


def test_nothing_is_lost_or_double_under_load_and_kills(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    server.start()
    try:
        raters = start_study(server, "load")
        together(raters, 2.0, 0.1)
        assert sum(len(rater.acknowledged) for rater in raters) > 100
        assert check(server, raters) == (0, 0)
        killed(server, raters, 2)
        assert check(server, raters) == (0, 0)
    finally:
        server.stop()
