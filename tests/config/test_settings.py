"""The settings modules, each tried in a process of its own."""

import json
import os
import subprocess
import sys

import pytest
from django.conf import settings

from tests.config.test_env import COMPLETE
from tests.servers import BACKEND


def run(module: str, *words: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    own = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "DJANGO_SETTINGS_MODULE": f"config.settings.{module}",
    }
    return subprocess.run(
        [sys.executable, *words],
        cwd=BACKEND,
        env=own | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_deployment_check_is_silent() -> None:
    done = run("railway", "manage.py", "check", "--deploy", "--fail-level", "DEBUG", environment=COMPLETE)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "no issues" in done.stdout


def test_a_bad_environment_ends_in_one_message_without_a_traceback() -> None:
    done = run("railway", "manage.py", "check", environment={})

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert all(name in done.stderr for name in COMPLETE)


def test_static_files_are_collected_without_an_environment() -> None:
    done = run("build", "manage.py", "collectstatic", "--noinput", "--dry-run", environment={})

    assert done.returncode == 0, done.stderr
    assert "static files" in done.stdout


def test_railways_health_check_gets_its_200_and_others_are_sent_to_https() -> None:
    script = (
        "import django, json; django.setup()\n"
        "from django.test import Client\n"
        "health = Client().get('/health/', headers={'host': 'healthcheck.railway.app'})\n"
        "other = Client().get('/api/v1/docs/', headers={'host': 'healthcheck.railway.app'})\n"
        "odd = Client().get('/api/v1/docs/', headers={'host': 'evil.example'}, secure=True)\n"
        "print(json.dumps([health.status_code, health.json(), other.status_code, odd.status_code]))"
    )
    done = run("railway", "-c", script, environment=COMPLETE)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [200, {"status": "healthy"}, 301, 400]


def test_railways_logs_are_json_lines_on_stdout() -> None:
    script = "import django, logging; django.setup(); logging.getLogger('posx').warning('hello\\nthere')"
    done = run("railway", "-c", script, environment=COMPLETE)

    (line,) = done.stdout.splitlines()
    assert json.loads(line)["message"] == "hello\nthere"
    assert done.stderr == ""


@pytest.mark.parametrize("module", ["railway", "local", "test", "build"])
def test_no_module_switches_debug_on_or_serves_any_host(module: str) -> None:
    script = "from django.conf import settings; print(settings.DEBUG, '*' in settings.ALLOWED_HOSTS)"

    assert run(module, "-c", script, environment=COMPLETE).stdout.split() == ["False", "False"]


def test_our_rooms_come_before_djangos() -> None:
    apps = settings.INSTALLED_APPS
    rooms = [name for name in apps if name.startswith("apps.") and name.count(".") == 1]

    assert len(rooms) == 12
    assert apps[:12] == rooms
    assert "django.contrib.sites" not in apps
