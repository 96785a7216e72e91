"""The command line: before the environment, checked, each mistake one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from launch.options import ROOT, environment, parse


def test_nothing_said_means_this_machine_alone() -> None:
    options = parse([], {})
    assert (options.host, options.port, options.smtp_port, options.data) == ("127.0.0.1", 8000, 2525, ROOT / "data")
    assert options.address == "http://127.0.0.1:8000"


def test_the_command_line_goes_before_the_environment() -> None:
    environ = {"LETTERMILL_PORT": "9000", "LETTERMILL_SMTP_PORT": "9025", "LETTERMILL_HOST": "0.0.0.0", "LETTERMILL_DATA": "/there"}
    options = parse(["--port", "9001"], environ)
    assert (options.port, options.smtp_port, options.host, options.data) == (9001, 9025, "0.0.0.0", Path("/there"))


def test_a_relative_folder_is_the_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse(["--data", "here"], {}).data == tmp_path / "here"


@pytest.mark.parametrize(("arguments", "address"), [
    (["--host", "0.0.0.0"], "http://127.0.0.1:8000"),
    (["--host", "::"], "http://[::1]:8000"),
    (["--host", "::1", "--port", "9000"], "http://[::1]:9000"),
    (["--base-url", "https://mail.example.com/"], "https://mail.example.com"),
])  # fmt: skip
def test_the_address_can_be_opened_in_a_browser(arguments: list[str], address: str) -> None:
    assert parse(arguments, {}).address == address


@pytest.mark.parametrize(("arguments", "says"), [
    (["--port", "0"], "0 is not a port: give a number from 1 to 65535"),
    (["--port", "٣"], "is not a port"),
    (["--port", "2525"], "--port and --smtp-port are both 2525"),
    (["--smtp-port", "2526"], "--smtp-port and --inbound-port are both 2526"),
    (["--lmtp-port", "8000"], "--port and --lmtp-port are both 8000"),
    (["--base-url", "mail.example.com"], "begin with http:// or https://"),
    (["--dat", "x"], "unrecognized arguments: --dat x"),
    (["extra"], "unrecognized arguments: extra"),
])  # fmt: skip
def test_a_mistake_is_one_line(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments, {})
    error = capsys.readouterr().err
    assert (ended.value.code, error.count("\n")) == (2, 1)
    assert says in error


def test_what_was_not_chosen_stays_out_of_the_environment() -> None:
    told = environment(parse([], {}), "redis://here", {"LETTERMILL_BASE_URL": "old", "PYTHONPATH": "/ours", "DATABASE_URL": "sqlite:///x"})
    assert "LETTERMILL_BASE_URL" not in told
    assert "PYTHONPATH" not in told
    assert (told["DATABASE_URL"], told["REDIS_URL"]) == ("sqlite:///x", "redis://here")
