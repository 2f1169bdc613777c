"""Jobs as jobs of a Ray cluster (Ray Jobs over HTTP): start, state, log, end. Every question is bounded in time.

Knows Ray's API and no job row. Ray is imported late, and only when the setting asks for it. The cluster's nodes need this
installation and the data folder under the same paths.
"""

import importlib
import json
import os
import secrets
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, NoReturn, Protocol

from app.errors import Refused
from app.executor import LOG, Attempt, Command, Executor
from app.processes import MARK, Process, boot, end
from core.jobs import told_text

KIND = "ray:"
"""What the handle of a job on a cluster begins with; the rest is Ray's submission id."""
CONNECT_S, ANSWER_S = 3.0, 15.0
PATIENCE = 60.0
"""Seconds without an answer after which a job of a cluster counts as gone."""
PAUSE = 5.0
"""Seconds for which a cluster that did not answer is not asked again."""
FRESH = 0.5
"""Seconds for which an answer about a job is good enough."""
SLOWER = 20
"""The log is asked for again after this many times what the last answer took: Ray hands out the whole log each time."""
OVERRIDES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
SECRETS = frozenset({"SUBTEXT_ADMIN", "SUBTEXT_ADMIN_PASSWORD"})
ENDED = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})


class Unreachable(OSError):
    """The cluster, or Ray itself, is not there; the text is a sentence."""


class State(NamedTuple):
    """What Ray says of a job: its status in capitals, exit status where known, and a message."""

    status: str
    code: int | None
    message: str


class Cluster(Protocol):
    """Ray Jobs, as far as it is used here. Raises Unreachable when no answer comes, ValueError when Ray refuses."""

    def submit(self, name: str, entrypoint: str, environment: Mapping[str, str], gpus: int) -> None: ...
    def state(self, name: str) -> State | None: ...
    def log(self, name: str) -> str: ...
    def stop(self, name: str) -> None: ...


class RayJobs:
    """Ray's own client behind the port `Cluster`, with a time limit on every request, which Ray's lacks."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._made: Any = None
        self._refusals: tuple[type[Exception], ...] = (RuntimeError,)

    def _client(self) -> Any:
        if self._made is None:
            for name in OVERRIDES:
                if os.environ.get(name, self._address) != self._address:
                    raise Unreachable(f"{name} is set and would send jobs elsewhere than SUBTEXT_RAY_ADDRESS. Unset it")
            try:
                client = importlib.import_module("ray.job_submission").JobSubmissionClient
            except ImportError as error:
                raise Unreachable(
                    "SUBTEXT_RAY_ADDRESS is set, but Ray is not installed. Install the extra: pip install -e '.[cluster]'"
                ) from error
            self._refusals = (RuntimeError, importlib.import_module("ray.exceptions").RayError)
            asked = client._do_request

            def bounded(this: Any, method: str, endpoint: str, **more: Any) -> Any:
                return asked(this, method, endpoint, **{"timeout": (CONNECT_S, ANSWER_S)} | more)

            self._made = type("Bounded", (client,), {"_do_request": bounded})(self._address)
        return self._made

    def _ask(self, question: Callable[[Any], Any]) -> Any:
        """Raises ValueError with Ray's words when it refuses; a missing job is a refusal too."""
        try:
            return question(self._client())
        except Unreachable:
            raise
        except OSError as error:
            raise Unreachable(f"the Ray head at {self._address} does not answer ({type(error).__name__})") from error
        except self._refusals as error:
            lines = [line for line in str(error).splitlines() if line.strip(" .")]
            raise ValueError(told_text(lines[-1] if lines else type(error).__name__, 300)) from error

    def submit(self, name: str, entrypoint: str, environment: Mapping[str, str], gpus: int) -> None:
        """See the port."""
        self._ask(
            lambda client: client.submit_job(
                entrypoint=entrypoint,
                submission_id=name,
                runtime_env={"env_vars": dict(environment)},
                entrypoint_num_gpus=gpus or None,
            )
        )

    def state(self, name: str) -> State | None:
        """See the port. None when Ray does not know the job."""
        try:
            found = self._ask(lambda client: client.get_job_info(name))
        except ValueError as error:
            if "does not exist" in str(error):
                return None
            raise
        return State(found.status.value, found.driver_exit_code, told_text(str(found.message or ""), 300))

    def log(self, name: str) -> str:
        """See the port: everything so far."""
        return str(self._ask(lambda client: client.get_job_logs(name)))

    def stop(self, name: str) -> None:
        """See the port. Ray asks with SIGTERM, and kills after the time that `RayExecutor.start` gave it."""
        self._ask(lambda client: client.stop_job(name))


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a job between two questions; times by the executor's clock."""

    state: State | None
    answered: float
    log_again: float = 0.0
    lost: str = ""


class RayExecutor:
    """The port `app.executor.Executor` on a Ray cluster. A job whose cluster does not answer lives for `patience` seconds."""

    def __init__(
        self,
        cluster: Cluster,
        grace: int = 20,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster, self._grace, self._patience, self._clock = cluster, grace, patience, clock
        self._known: dict[str, _Known] = {}
        self._silent_until = 0.0
        self._silence = ""

    def start(self, command: Command, attempt: Attempt) -> str:
        """See the port. Raises OSError with a sentence when the cluster does not answer or takes no job."""
        name = f"subtext-{attempt.folder.name}-{attempt.number}-{secrets.token_hex(4)}"
        handle = KIND + name
        attempt.folder.mkdir(parents=True, exist_ok=True)
        environment, gpus = _placed(dict(command.environment))
        environment |= _settings() | {"RAY_JOB_STOP_WAIT_TIME_S": str(self._grace + 5)}
        arguments = [*command.arguments, "--handle", handle, "--machine", boot()]
        # the mark stands here, not in Ray's environment, which Ray's own process beside the job has too
        marked = shlex.quote(f"{MARK}={attempt.mark}")
        entrypoint = f"cd {shlex.quote(str(command.folder))} && exec env {marked} {shlex.join(arguments)}"
        self._begin_log(name, attempt)
        try:
            self._cluster.submit(name, entrypoint, environment, gpus)
        except ValueError as error:
            raise OSError(f"Ray took no job: {error}") from error
        self._known[handle] = _Known(State("PENDING", None, ""), self._clock())
        return handle

    def alive(self, handle: str) -> bool:
        """See the port. True also while the cluster does not answer, until the patience is over."""
        known = self._look(handle)
        return not known.lost and known.state is not None and known.state.status not in ENDED

    def ask(self, handle: str) -> None:
        """See the port: Ray sends SIGTERM. Where Ray does not answer, the job sees in its row that it shall end."""
        self._stopped(handle)

    def stop(self, handle: str, attempt: Attempt) -> str:
        """See the port. Marked processes on this machine are killed by their mark, whatever Ray says."""
        if self.alive(handle):
            self._stopped(handle)
        left = end(Process(0, 0, boot()), attempt.mark)
        if left:
            return f"Processes that cannot be ended: {', '.join(str(item.pid) for item in left[:10])}."
        until = self._clock() + ANSWER_S
        while (living := self.alive(handle)) and not self._silence and self._clock() < until:
            time.sleep(0.2)
        self.log(handle, attempt)
        return "Ray has not said that its job ended." if living else ""

    def ended(self, handle: str) -> str:
        """See the port."""
        known = self._known.pop(handle, None)
        if known is None:
            return ""
        if known.lost or known.state is None:
            return known.lost or "the Ray cluster does not know it any more"
        match known.state:
            case State("SUCCEEDED", _, _):
                return ""
            case State(_, int() as code, _) if code:
                return f"signal {-code}" if code < 0 else f"exit status {code}"
            case State(status, _, message):
                return told_text(f"Ray: {status.lower()}. {message}", 300)

    def log(self, handle: str, attempt: Attempt) -> None:
        """See the port. Asked for less often the longer it takes; the last piece comes when the job has ended."""
        known, name, now = self._look(handle), handle.removeprefix(KIND), self._clock()
        over = known.state is not None and known.state.status in ENDED
        if self._silence or known.lost or known.state is None or (now < known.log_again and not over):
            return
        try:
            text = self._cluster.log(name)
        except Unreachable as error:
            self._is_silent(error)
            return
        except ValueError:  # the job has not begun to write, or its node is gone; its state tells
            text = ""
        later = max(1.0, SLOWER * (self._clock() - now))
        self._known[handle] = replace(known, log_again=self._clock() + later)
        _append(attempt, self._begin_log(name, attempt), text.encode("utf-8", "replace"))

    def _begin_log(self, name: str, attempt: Attempt) -> int:
        """The byte of the log file at which the attempt's part begins; kept beside it for a later worker."""
        beside, log = attempt.folder / f".{name}.json", attempt.folder / LOG
        try:
            return int(json.loads(beside.read_bytes())["from"])
        except (OSError, ValueError, KeyError, TypeError):
            size = log.stat().st_size if log.exists() else 0
        if attempt.folder.is_dir():
            beside.write_text(json.dumps({"from": size}))
        return size

    def _look(self, handle: str) -> _Known:
        now = self._clock()
        known = self._known.get(handle) or _Known(State("PENDING", None, ""), now)
        fresh = handle in self._known and now - known.answered < FRESH
        if fresh or known.lost or known.state is None or known.state.status in ENDED:
            return known
        if now >= self._silent_until:
            try:
                known = replace(known, state=self._cluster.state(handle.removeprefix(KIND)), answered=self._clock())
                self._silence = ""
            except (Unreachable, ValueError) as error:
                self._is_silent(error)
        if self._silence and self._clock() - known.answered > self._patience:
            known = replace(known, lost=f"{self._silence}; waited {self._patience:.0f} seconds")
        self._known[handle] = known
        return known

    def _is_silent(self, error: Exception) -> None:
        self._silence, self._silent_until = str(error), self._clock() + PAUSE

    def _stopped(self, handle: str) -> None:
        if self._clock() < self._silent_until:
            return
        try:
            self._cluster.stop(handle.removeprefix(KIND))
        except Unreachable as error:
            self._is_silent(error)
        except ValueError:  # it has ended, or Ray does not know it: its state tells
            return


class ByHandle:
    """New jobs go to the cluster when there is one, else to this machine; every other question goes where the handle says."""

    def __init__(self, local: Executor, cluster: Executor | None) -> None:
        self._local, self._cluster = local, cluster or Unset()
        self._new = cluster or local

    def _of(self, handle: str) -> Executor:
        return self._cluster if handle.startswith(KIND) else self._local

    def start(self, command: Command, attempt: Attempt) -> str:
        """See the port."""
        return self._new.start(command, attempt)

    def alive(self, handle: str) -> bool:
        """See the port."""
        return self._of(handle).alive(handle)

    def ask(self, handle: str) -> None:
        """See the port."""
        self._of(handle).ask(handle)

    def stop(self, handle: str, attempt: Attempt) -> str:
        """See the port."""
        return self._of(handle).stop(handle, attempt)

    def ended(self, handle: str) -> str:
        """See the port."""
        return self._of(handle).ended(handle)

    def log(self, handle: str, attempt: Attempt) -> None:
        """See the port."""
        self._of(handle).log(handle, attempt)


class Unset:
    """Stands for a cluster whose address is not set any more: its jobs count as gone. One that runs still reads it in its row."""

    def start(self, command: Command, attempt: Attempt) -> NoReturn:
        """Never called: new jobs go to this machine."""
        raise Refused("There is no Ray cluster: SUBTEXT_RAY_ADDRESS is not set.")

    def alive(self, handle: str) -> bool:
        """See the port."""
        return False

    def ask(self, handle: str) -> None:
        """Nobody can be asked."""

    def stop(self, handle: str, attempt: Attempt) -> str:
        """Ends what runs on this machine."""
        left = end(Process(0, 0, boot()), attempt.mark)
        return f"Processes that cannot be ended: {', '.join(str(item.pid) for item in left[:10])}." if left else ""

    def ended(self, handle: str) -> str:
        """See the port."""
        return "it ran on a Ray cluster, and SUBTEXT_RAY_ADDRESS is not set any more"

    def log(self, handle: str, attempt: Attempt) -> None:
        """Nobody can be asked."""


def _placed(environment: dict[str, str]) -> tuple[dict[str, str], int]:
    """The environment without the numbers of GPUs, and how many GPUs Ray is asked for: Ray chooses which."""
    if devices := environment.get("CUDA_VISIBLE_DEVICES"):
        return {name: value for name, value in environment.items() if name != "CUDA_VISIBLE_DEVICES"}, devices.count(
            ","
        ) + 1
    return environment, 0


def _settings() -> dict[str, str]:
    """This process's settings for the job. No key and no password: Ray shows a job's environment on its own page."""
    wanted = {name: value for name, value in os.environ.items() if name.startswith("SUBTEXT_") and name not in SECRETS}
    wanted.pop("SUBTEXT_DATA", None)
    return wanted


def _append(attempt: Attempt, start: int, text: bytes) -> None:
    """Bring the attempt's part of the log file up to `text`, which only grows."""
    log = attempt.folder / LOG
    if not attempt.folder.is_dir():
        return
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
    with os.fdopen(handle, "ab") as file:
        have = max(0, os.fstat(file.fileno()).st_size - start)
        file.write(text[have:])
