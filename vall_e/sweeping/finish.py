"""Ends a sweep: what is left in its folder and in the log."""

from __future__ import annotations

import logging

from .job_result import read_results
from .leaderboard import Leaderboard, rank, write_csv
from .leaderboard_plot import plot_leaderboard
from .sweep import Sweep
from .table import table

log = logging.getLogger(__name__)


def finish(sweep: Sweep) -> Leaderboard:
    """Rank the jobs of a sweep, log the table, keep it as `leaderboard.csv` and, if there are objectives, as a picture.

    A file that cannot be written is told of and is no error: it must not spoil a sweep of days.
    """
    board = rank(sweep, read_results(sweep))
    if board.jobs:
        log.info("%s; by %s, %s is better:\n%s", board.summary, sweep.objective, sweep.better, table(board))
        try:
            keep(board)
        except Exception as error:
            log.warning("the leaderboard could not be written to %s: %s", sweep.folder, error)
    return board


def keep(board: Leaderboard) -> None:
    """Write `leaderboard.csv` and `leaderboard.png`, and say which job was best."""
    folder = board.sweep.folder
    write_csv(board, folder / "leaderboard.csv")
    if board.ranked:
        plot_leaderboard(board, folder / "leaderboard.png")
        best = board.ranked[0]
        log.info("Best: %s: %s", folder / best.folder, " ".join(best.overrides))
    log.info("Leaderboard: %s", folder / "leaderboard.csv")
