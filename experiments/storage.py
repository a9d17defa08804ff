"""The database that trials wait in: Optuna's, safe on SQLite and where workers are killed."""

import contextlib
import logging
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import ArgumentError, DatabaseError, SQLAlchemyError

from .meant import meant
from .store import ResultError

Retry = Callable[[optuna.Study, FrozenTrial], None]

_KINDS = ("sqlite", "postgresql")
_BUSY = 60.0  # seconds for which SQLite waits for another process's transaction


class SearchError(ResultError, RuntimeError):
    """Trials that have no result, or a storage that cannot be used."""


def default_storage(out: Path) -> str:
    """The URL of the SQLite file in a folder of results."""
    return f"sqlite:///{out.absolute() / 'trials.db'}"


class _Storage(RDBStorage):
    """Gives the first sign of life before a trial is claimed.

    Optuna's heartbeat begins after the claim, and a running trial that has never given a sign of
    life never counts as stale: one whose worker was killed in between would run for ever.
    """

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Set the state, and the values, of a trial."""
        if state == TrialState.RUNNING:
            self.record_heartbeat(trial_id)
        return super().set_trial_state_values(trial_id, state, values)


@contextlib.contextmanager
def opened(url: str, heartbeat: int, retry: Retry, *, create: bool = True) -> Iterator[RDBStorage]:
    """A storage, closed at the end, with errors that a user can do something about.

    Parameters
    ----------
    url : str
        That SQLAlchemy knows.
    heartbeat : int
        Seconds between two signs of life of a worker; one that misses three is dead.
    retry : callable
        Called with the study and the trial of a dead worker.
    create : bool
        Whether to make an SQLite file that is not there.

    Raises
    ------
    SearchError
        If it cannot be used.
    """
    try:
        shown = sqlalchemy.make_url(url).render_as_string(hide_password=True)
        _find_file(url, create=create)
        database = _open(url, heartbeat, retry)
        try:
            yield database
        finally:
            database.remove_session()
            database.engine.dispose()
    except ArgumentError as error:
        raise SearchError(
            f"a storage must be a URL such as sqlite:///trials.db or "
            f"postgresql+psycopg2://user@host/database; got {url!r} "
            f"({error}){meant(url.partition(':')[0], _KINDS)}"
        ) from error
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = error if isinstance(error, SQLAlchemyError) else error.__cause__
        what = str(getattr(cause, "orig", cause)).strip().replace("\n", " ")
        raise SearchError(f"the storage must be there and in order; {shown} says {what}") from error


def _find_file(url: str, *, create: bool) -> None:
    """See to the file of an SQLite storage; others have none."""
    parsed = sqlalchemy.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return
    path = Path(parsed.database or "")
    if create:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SearchError(
                f"the SQLite file of a storage must be in a folder that can be written; got {url} "
                f"({error.strerror}), give another --storage"
            ) from error
    elif not path.is_file():
        raise SearchError(
            f"the SQLite file of a worker must be there; got {url}, give the --storage of a search "
            "that has begun"
        )


def _open(url: str, heartbeat: int, retry: Retry) -> RDBStorage:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("sqlalchemy.pool.impl.QueuePool").addFilter(_is_news)
    parsed = sqlalchemy.make_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    kwargs = {"connect_args": {"timeout": _BUSY}} if sqlite else {"pool_pre_ping": True}
    for tries in range(4):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                database = _Storage(
                    url,
                    kwargs,
                    heartbeat_interval=heartbeat,
                    grace_period=3 * heartbeat,
                    heartbeat_stale_trial_callback=retry,
                )
            break
        except ImportError as error:
            raise SearchError(
                f"a storage of {parsed.drivername} needs a Python package that is not installed "
                f"({error.__cause__}): pip install it, for PostgreSQL psycopg2-binary"
            ) from error
        except DatabaseError:  # another process may be making the same tables just now
            if tries == 3:
                raise
            time.sleep(0.3)
    if sqlite:
        _make_safe(database.engine)
    return database


def _is_news(record: logging.LogRecord) -> bool:
    """Not that a cursor cannot be closed: Ctrl-C in a statement closes the connection before it."""
    return record.msg != "Error closing cursor"


def _make_safe(engine: sqlalchemy.Engine) -> None:
    """Let workers share an SQLite file."""

    def on_connect(connection: Any, record: object) -> None:
        # Trials are short and commits many: do not wait for the disk at each.
        with contextlib.suppress(sqlite3.OperationalError):  # another process is just doing it
            connection.execute("PRAGMA journal_mode = WAL").close()
        connection.execute("PRAGMA synchronous = NORMAL").close()

    def on_begin(connection: sqlalchemy.Connection) -> None:
        # Optuna claims a trial by SELECT ... FOR UPDATE, which SQLite does not have: without the
        # write lock from the first statement on, two workers would claim the same one.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    engine.dispose()
    sqlalchemy.event.listen(engine, "connect", on_connect)
    sqlalchemy.event.listen(engine, "begin", on_begin)
