"""Roles: what the environment makes of them, what is refused, and how they show on the command line, the routes and the page."""

import asyncio
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.actions.try_role import try_role
from app.context import Context
from app.engines.accounting import Tally
from app.engines.endpoint import ROLES, Endpoint, Local
from app.engines.roles import open_model
from app.errors import Refused
from app.main import create_app
from app.settings import OPENAI, read_settings
from core.ports import Reply
from db import calls
from tests.app.engines.conftest import ask
from tests.misbehaving import Misbehaving

TOP = Path(__file__).parents[3]
URL = "http://127.0.0.1:8000/v1"


def test_nothing_set_is_the_starter_model() -> None:
    assert dict(read_settings({}).engines) == dict.fromkeys(ROLES)
    assert dict(read_settings({"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": URL}).engines) == dict.fromkeys(ROLES)
    assert read_settings({"SUBTEXT_JUDGE_TIMEOUT_S": "9", "SUBTEXT_JUDGE_URL": " "}).engines["judge"] is None


def test_one_server_for_all_roles() -> None:
    found = read_settings({"OPENAI_BASE_URL": URL + "/", "SUBTEXT_MODEL": "m", "SUBTEXT_CRITIC_MODEL": "c"}).engines
    assert found["policy"] == found["user"] == Endpoint(URL, "m")
    assert found["critic"] == Endpoint(URL, "c")
    keyed = read_settings({"OPENAI_API_KEY": "sk-x", "SUBTEXT_MODEL": "gpt-4o", "SUBTEXT_USER_ATTEMPTS": "2"}).engines
    assert keyed["policy"] == Endpoint(OPENAI, "gpt-4o", "OPENAI_API_KEY")
    assert keyed["user"] == Endpoint(OPENAI, "gpt-4o", "OPENAI_API_KEY", attempts=2)


def test_a_server_for_one_role() -> None:
    own = {"URL": URL, "MODEL": "q", "KEY_VARIABLE": "K", "TIMEOUT_S": "9", "MAX_CONCURRENCY": "3", "ATTEMPTS": "1"}
    own |= {"STRUCTURED": "1", "MAX_REPLY_CHARS": "500"}
    found = read_settings(
        {f"SUBTEXT_JUDGE_{name}": value for name, value in own.items()} | {"OPENAI_API_KEY": "sk-x"}
    ).engines
    assert found["judge"] == Endpoint(URL, "q", "K", 9, 3, 1, True, 500)
    assert found["policy"] is None


def test_a_key_goes_only_to_the_server_it_is_meant_for() -> None:
    found = read_settings({"SUBTEXT_JUDGE_URL": URL, "SUBTEXT_MODEL": "m", "OPENAI_API_KEY": "sk-x"}).engines
    assert found["judge"] == Endpoint(URL, "m", "")
    assert found["critic"] == Endpoint(OPENAI, "m", "OPENAI_API_KEY")
    assert read_settings({"SUBTEXT_JUDGE_URL": URL, "SUBTEXT_MODEL": "m"}).engines["critic"] is None


def test_a_folder_is_a_checkpoint(tmp_path: Path) -> None:
    found = read_settings({"SUBTEXT_POLICY_MODEL": str(tmp_path)}).engines
    assert found["policy"] == Local(tmp_path)
    assert found["judge"] is None
    served = read_settings({"SUBTEXT_POLICY_MODEL": str(tmp_path), "SUBTEXT_POLICY_URL": URL}).engines
    assert served["policy"] == Endpoint(URL, str(tmp_path)), "vLLM serves a folder under its path"


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"SUBTEXT_JUDGE_URL": URL}, "SUBTEXT_JUDGE_URL needs a model: set SUBTEXT_JUDGE_MODEL or SUBTEXT_MODEL."),
        ({"SUBTEXT_MODEL": "m"}, "SUBTEXT_MODEL names 'm', which is no folder here, and no server is set for it"),
        ({"SUBTEXT_USER_MODEL": "m"}, "SUBTEXT_USER_MODEL names 'm', which is no folder here"),
        ({"SUBTEXT_JUDGE_URL": "here", "SUBTEXT_MODEL": "m"}, "The value of SUBTEXT_JUDGE_URL is not a web address"),
        ({"SUBTEXT_JUDGE_URL": "ftp://a/v1", "SUBTEXT_MODEL": "m"}, "is not a web address; it reads like http"),
        ({"SUBTEXT_JUDGE_URL": "http://[", "SUBTEXT_MODEL": "m"}, "is not a web address"),
        ({"SUBTEXT_JUDGE_URL": "http://a:b/v1", "SUBTEXT_MODEL": "m"}, "is not a web address"),
        ({"SUBTEXT_JUDGE_URL": "http://u:sk-secret@a/v1", "SUBTEXT_MODEL": "m"}, "holds a user or a password"),
        ({"SUBTEXT_JUDGE_URL": "http://a/v1?key=sk-secret", "SUBTEXT_MODEL": "m"}, "has a part after ? or #"),
        ({"OPENAI_BASE_URL": "x", "SUBTEXT_MODEL": "m"}, "The value of OPENAI_BASE_URL is not a web address"),
        ({"SUBTEXT_JUDGE_URL": URL, "SUBTEXT_MODEL": "m", "SUBTEXT_JUDGE_KEY_VARIABLE": "sk-secret"}, "is the name of an environment variable"),
        ({"SUBTEXT_JUDGE_URL": URL, "SUBTEXT_MODEL": "m", "SUBTEXT_JUDGE_ATTEMPTS": "0"}, "SUBTEXT_JUDGE_ATTEMPTS is a whole number above 0"),
        ({"SUBTEXT_JUDGE_URL": URL, "SUBTEXT_MODEL": "m", "SUBTEXT_JUDGE_STRUCTURED": "2"}, "SUBTEXT_JUDGE_STRUCTURED is 1 or 0"),
        ({"SUBTEXT_JUDGE_KEY": "sk-secret"}, "There is no setting SUBTEXT_JUDGE_KEY. Settings: SUBTEXT_ADMIN"),
        ({"SUBTEXT_JURY_URL": URL}, "There is no setting SUBTEXT_JURY_URL."),
    ],
)  # fmt: skip
def test_settings_that_cannot_be(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(Refused, match=re.escape(sentence)) as caught:
        read_settings(environment)
    assert "secret" not in str(caught.value)


def with_judge(context: Context, server: Misbehaving) -> Context:
    """A context in which the server is the judge."""
    engines = dict.fromkeys(ROLES) | {"judge": Endpoint(server.url, server.model)}
    return replace(context, settings=replace(context.settings, engines=engines), environment={})


def test_a_role_is_opened_behind_the_cache(context: Context) -> None:
    with Misbehaving() as server:

        async def work() -> None:
            for cached in (False, True):
                made = with_judge(context, server)
                async with open_model(made, "judge", made.settings.engines["judge"], Tally()) as model:
                    assert model.name == "test-model"
                    reply = await model.ask(ask())
                    assert isinstance(reply, Reply)
                    assert reply.cached is cached

        asyncio.run(work())
        assert len(server.seen) == 1


def test_a_folder_without_a_checkpoint_says_so(context: Context, tmp_path: Path) -> None:
    engines = dict.fromkeys(ROLES) | {"critic": Local(tmp_path), "judge": Local(tmp_path / "gone")}
    stocked = replace(context, settings=replace(context.settings, engines=engines))

    async def work() -> None:
        for role, sentence in (("critic", "holds no config.json"), ("judge", "There is no checkpoint folder")):
            with pytest.raises(Refused, match=sentence):
                async with open_model(stocked, role, stocked.settings.engines[role], Tally()):
                    pass
            tried = await try_role(stocked, role)
            assert (tried.ok, tried.milliseconds) == (False, 0)
            assert sentence in tried.text

    asyncio.run(work())


def test_a_try_is_one_real_call_past_the_cache(context: Context) -> None:
    with Misbehaving(["ok", "ok", "error"]) as server:
        stocked = with_judge(context, server)
        for _ in range(2):
            tried = asyncio.run(try_role(stocked, "judge", iter([1.0, 1.25]).__next__))
            assert (tried.ok, tried.milliseconds, tried.model) == (True, 250, "test-model")
            assert tried.text == "test-model answered in 250 ms (11 + 7 tokens)."
        failed = asyncio.run(try_role(stocked, "judge"))
        assert (failed.ok, failed.prompt_tokens) == (False, 0)
        assert 'failed (500): "The device is out of memory"' in failed.text
        assert len(server.seen) == 3, "a try is not repeated"
    assert calls.size(context.database).replies == 0


def test_the_routes(context: Context) -> None:
    with Misbehaving() as server:
        app = create_app(with_judge(context, server))
        with TestClient(app, base_url="http://127.0.0.1:7860", raise_server_exceptions=False) as client:
            assert client.get("/settings").status_code == 200
            shown = client.get("/api/settings/roles").json()
            assert [row["role"] for row in shown["roles"]] == list(ROLES)
            judge = next(row for row in shown["roles"] if row["role"] == "judge")
            assert (judge["url"], judge["model"], judge["key_variable"], judge["key_set"]) == (
                server.url,
                "test-model",
                "",
                None,
            )
            tried = client.post("/api/settings/roles/judge/try").json()
            assert (tried["ok"], tried["model"]) == (True, "test-model")
            starter = client.post("/api/settings/roles/policy/try").json()  # in a process of its own
            assert (starter["ok"], "starter_model answered in" in starter["text"]) == (True, True)
            assert client.post("/api/settings/roles/jury/try").status_code == 422
            elsewhere = {"origin": "http://evil.example"}
            assert client.post("/api/settings/roles/judge/try", headers=elsewhere).status_code == 403
            calls.put(context.database, "k", Reply("abc", "stop", 1, 1, 0.1, "m"), context.now())
            assert client.get("/api/settings/roles").json()["kept"] == {"replies": 1, "characters": 3}
            assert client.post("/api/settings/forget").json() == {"text": "Forgot 1 kept reply."}
        assert len(server.seen) == 1


def test_the_command_line(tmp_path: Path) -> None:
    with Misbehaving(["ok", "echo_refusal"]) as server:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("SUBTEXT_", "OPENAI_"))
        }
        environment |= {"SUBTEXT_DATA": str(tmp_path / "data"), "SUBTEXT_STARTER_SET": "0", "MY_KEY": "sk-a-secret-key"}
        environment |= {
            "SUBTEXT_JUDGE_URL": server.url,
            "SUBTEXT_JUDGE_MODEL": "test-model",
            "SUBTEXT_JUDGE_KEY_VARIABLE": "MY_KEY",
        }

        def command(*arguments: str) -> subprocess.CompletedProcess[str]:
            line = [sys.executable, "-m", "app.cli", "models", *arguments]
            return subprocess.run(line, env=environment, capture_output=True, text=True, check=False, cwd=TOP)

        listed = command().stdout.splitlines()
        assert listed[0] == "policy\tstarter model\tstarter\tno key"
        assert listed[2] == f"judge\ttest-model\t{server.url}\tkey in MY_KEY (set)"
        assert re.fullmatch(r"test-model answered in \d+ ms \(11 \+ 7 tokens\)\.\n", command("try", "judge").stdout)
        refused = command("try", "judge")
        assert (refused.returncode, "refused the key in MY_KEY (401)" in refused.stdout) == (1, True)
        assert "secret" not in refused.stdout + refused.stderr
        assert command("try", "jury").returncode == 2
        assert command("forget-replies").stdout == "Forgot 0 kept replies.\n"


def test_listing_models_does_not_load_the_client() -> None:
    code = "import sys, app.main, app.cli; print([name for name in ('openai', 'torch') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=TOP)
    assert done.stdout.strip() == "[]"
